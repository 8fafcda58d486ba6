"""Parameters written into statements."""

from __future__ import annotations

import datetime
import decimal
import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from stillroom.runtime.replay import literals

PYFORMAT = SimpleNamespace(compiled=object(), dialect=SimpleNamespace(paramstyle="pyformat"))
NUMERIC = SimpleNamespace(compiled=object(), dialect=SimpleNamespace(paramstyle="numeric_dollar"))
RAW = SimpleNamespace(compiled=None, dialect=SimpleNamespace(paramstyle="pyformat"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "NULL"),
        (True, "true"),
        (7, "7"),
        (-1.5, "-1.5"),
        (float("nan"), "'nan'"),
        (decimal.Decimal("1.10"), "1.10"),
        ("it's", "'it''s'"),
        (b"\x00\xff", r"'\x00ff'"),
        (datetime.date(2026, 1, 2), "'2026-01-02'"),
        (datetime.datetime(2026, 1, 2, 3, 4), "'2026-01-02T03:04:00'"),
        (datetime.timedelta(days=1, seconds=5), "'1 day, 0:00:05'"),
        (uuid.UUID(int=1), "'00000000-0000-0000-0000-000000000001'"),
        ({"a": "it's"}, """'{"a": "it''s"}'"""),
        (["a", None], "ARRAY['a', NULL]"),
        ([], "'{}'"),
    ],
)
def test_values(value: object, expected: str) -> None:
    """Each value is written as PostgreSQL reads it."""
    assert literals.literal(value) == expected


@pytest.mark.parametrize(
    ("statement", "parameters", "context", "expected"),
    [
        ("INSERT INTO t VALUES ($1, $2::INTEGER)", ("a", 2), NUMERIC, "INSERT INTO t VALUES ('a', 2::INTEGER)"),
        ("SELECT $2, $1, $10", ("a", "b"), NUMERIC, "SELECT 'b', 'a', $10"),
        ("UPDATE t SET a = %(a)s", {"a": "x"}, PYFORMAT, "UPDATE t SET a = 'x'"),
        ("UPDATE t SET a = %s, b = %s", ("x", 1), RAW, "UPDATE t SET a = 'x', b = 1"),
        ("UPDATE t SET a = '5 %%' || %(a)s", {"a": 1}, PYFORMAT, "UPDATE t SET a = '5 %' || 1"),
        ("SELECT 5 %% 2", {}, PYFORMAT, "SELECT 5 % 2"),
        ("SELECT '%s' LIKE '50%%'", (), RAW, "SELECT '%s' LIKE '50%%'"),
        ("SELECT '$1', $1 -- $1", ("a",), NUMERIC, "SELECT '$1', 'a' -- $1"),
        ("CREATE FUNCTION f(int) AS $$ SELECT $1 $$", ("a",), NUMERIC, "CREATE FUNCTION f(int) AS $$ SELECT $1 $$"),
        ("CREATE FUNCTION f(int) AS $b$ SELECT $1 $b$", (), NUMERIC, "CREATE FUNCTION f(int) AS $b$ SELECT $1 $b$"),
        ("SELECT %(missing)s", {"a": 1}, PYFORMAT, "SELECT %(missing)s"),
    ],
)
def test_parameters_stand_in_the_text(statement: str, parameters: Any, context: Any, expected: str) -> None:
    """Placeholders of each driver are replaced, but not in quotes, comments and bodies."""
    assert literals.written(statement, parameters, context, False) == [expected]


def test_many_rows() -> None:
    """A statement with many rows is written out for the first, with the number of the rest."""
    rows = [{"a": number} for number in range(literals.MANY + 5)]

    written = literals.written("INSERT INTO t VALUES (%(a)s)", rows, PYFORMAT, True)

    assert written[0] == "INSERT INTO t VALUES (0)"
    assert len(written) == literals.MANY + 1
    assert written[-1] == "-- and 5 more rows like the last"


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        ("SELECT relname FROM pg_catalog.pg_class", False),
        ("select 1 from information_schema.tables", False),
        ("SELECT setval('s', 1)", True),
        ("COMMENT ON TABLE t IS 'see pg_catalog.pg_class'", True),
    ],
)
def test_questions_to_the_catalogs_are_left_out(statement: str, kept: bool) -> None:
    """What only looks at the catalogs changes nothing, and is not part of a script."""
    assert bool(literals.written(statement, (), NUMERIC, False)) is kept
