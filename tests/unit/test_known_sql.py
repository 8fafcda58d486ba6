"""Raw SQL that is known by its form: what adds, what loses no rows; everything near it is not known."""

from __future__ import annotations

import pytest

from stillroom.runtime.connections import sqltext
from stillroom.runtime.reading import known_sql

_CALLS = "from alembic import op\n\n\ndef downgrade():\n    op.execute({})\n"


@pytest.mark.parametrize(
    "statement",
    [
        """CREATE TYPE "mood" AS ENUM ('it''s; -- fine', 'a/*b')""",
        """create type s."Mood"\n    as enum('a','b');\n""",
        "CREATE TYPE empty AS ENUM ()",
        "CREATE DOMAIN mail AS VARCHAR(9) DEFAULT 'a;b' CONSTRAINT \"is;it\" NOT NULL CHECK (VALUE ~ '^[^@]+$')",
        'CREATE SCHEMA s AUTHORIZATION "some one"',
        sqltext.for_text(sqltext.create_schema("s:t")),
        "CREATE EXTENSION pg_trgm WITH SCHEMA public CASCADE",
        "CREATE SEQUENCE s.n AS bigint INCREMENT BY -1 MINVALUE -9 NO MAXVALUE START WITH -1 CACHE 5 NO CYCLE OWNED BY t.c",
        "COMMENT ON FUNCTION f(int, text) IS NULL",
        "COMMENT ON COLUMN \"a b\".t.c IS 'x; y'",
        "CREATE INDEX IF NOT EXISTS ix ON ONLY t USING gin (c gin_trgm_ops, d DESC NULLS LAST)",
        "CREATE INDEX ON t(c)",
    ],
)
def test_what_only_adds_is_known(statement: str) -> None:
    """Each form with its options, names with and without quotes, texts that hold what would end a statement."""
    assert known_sql.adds(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "",
        "CREATE TYPE mood AS ENUM ('a'); DROP TABLE t",
        "CREATE TYPE mood AS ENUM ('a') -- more",
        "/* first */ CREATE TYPE mood AS ENUM ('a')",
        "CREATE TYPE mood AS ENUM (E'a\\'); DROP TABLE t; --')",
        "CREATE TYPE mood AS (a int)",
        "ALTER TYPE mood ADD VALUE 'a'",
        "CREATE DOMAIN d AS text CHECK (VALUE <> E'\\'); DROP TABLE t; --')",
        "CREATE DOMAIN d AS text; DROP TABLE t",
        "CREATE DOMAIN d AS text CHECK (f($a$;$a$))",
        "CREATE SCHEMA s CREATE TABLE t (c int)",
        "CREATE SEQUENCE s; SELECT 1",
        "CREATE TEMPORARY SEQUENCE s",
        "COMMENT ON TABLE t IS 'a' || 'b'",
        "COMMENT ON TABLE t; DROP TABLE t; COMMENT ON TABLE t IS 'a'",
        "CREATE UNIQUE INDEX ix ON t (c)",
        "CREATE INDEX ix ON t ((1 / c))",
        "CREATE INDEX ix ON t (c) WHERE 1 / c > 0",
        "DO $$ BEGIN DROP TABLE t; END $$",
        sqltext.create_schema("s").replace("END IF;", "END IF; DROP TABLE t;"),
        sqltext.create_schema("s").replace("to_regnamespace('\"s\"') IS NULL", "f()"),
        "CREATE TABLE t (c int)",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
    ],
)
def test_anything_near_it_is_not_known(statement: str) -> None:
    """Several statements, comments, blocks, expressions, other ways to quote, other forms."""
    assert not known_sql.adds(statement)


@pytest.mark.parametrize(
    ("argument", "lines"),
    [
        ("'DROP TYPE \"mood\"'", {5}),
        ("'DROP DOMAIN s.\"mail\";'", {5}),
        ("'DROP TYPE mood CASCADE'", set()),
        ("'DROP TYPE IF EXISTS mood'", set()),
        ("'DROP TYPE mood; DROP TABLE t'", set()),
        ("f'DROP TYPE {mood}'", set()),
        ("'DROP TYPE mood', options", set()),
        ("'DROP TYPE mood'); op.execute('DELETE FROM t'", set()),
        ("'DROP TABLE t'", set()),
    ],
)
def test_a_dropped_type_takes_no_rows_along(argument: str, lines: set[int]) -> None:
    """Only the form that PostgreSQL refuses where the type is in use."""
    assert known_sql.lines_without_loss(_CALLS.format(argument)) == lines


def test_a_file_that_does_not_parse_says_nothing() -> None:
    """Of that, no line is called harmless."""
    assert known_sql.lines_without_loss("def downgrade(:\n    op.execute('DROP TYPE t')\n") == frozenset()
