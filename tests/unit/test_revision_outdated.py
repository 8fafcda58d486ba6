"""What a file of SQLAlchemy 1's days surely does, and SQLAlchemy 2 refuses."""

from __future__ import annotations

import ast
import textwrap

import pytest
import sqlalchemy as sa
from sqlalchemy import exc, orm

from stillroom.runtime.reading import revision_outdated, sql_text

_TOP = "import sqlalchemy as sa\nfrom sqlalchemy import case, orm, select, text\nfrom alembic import op\n"


def found(body: str) -> list[str]:
    """What is said of an `upgrade()` with this body."""
    module = ast.parse(f"{_TOP}\n\ndef upgrade():\n{textwrap.indent(body, '    ')}\n")
    return [each.what for each in revision_outdated.in_revision(module)]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ('op.get_bind().execute("SELECT 1")', 'op.get_bind().execute("...")'),
        ('conn = op.get_bind()\nconn.execute("UPDATE t SET a = 1")', 'conn.execute("...")'),
        ('conn = op.get_bind()\nsql = f"SELECT {1}"\nconn.execute(sql)', 'conn.execute("...")'),
        ('conn = op.get_bind()\nconn.execute("SELECT %s" % 1).fetchall()', 'conn.execute("...")'),
        ('conn = op.get_bind()\nconn.execute("SELECT {}".format(1))', 'conn.execute("...")'),
        ('conn = op.get_bind()\nfor row in conn.execute("SELECT 1"):\n    pass', 'conn.execute("...")'),
        ('conn = op.get_bind()\nif conn.scalar("SELECT 1"):\n    pass', 'conn.scalar("...")'),
        ('session = orm.Session(bind=op.get_bind())\nsession.execute("SELECT 1")', 'session.execute("...")'),
        ("conn = op.get_bind()\nconn.execute(text('SELECT :a'), a=1)", "conn.execute(..., a=...)"),
        ("sa.select([sa.column('a')])", "select([...])"),
        ("select([a for a in (1, 2)])", "select([...])"),
        ("case([(1, 2)], else_=3)", "case([...])"),
        ("sa.MetaData(bind=op.get_bind())", "MetaData(bind=...)"),
        ("sa.Table('t', sa.MetaData(), autoload=True)", "Table(autoload=...)"),
    ],
)
def test_what_is_refused_each_time(body: str, what: str) -> None:
    """On a connection or a session that is surely one, with text that is surely no more than text."""
    assert found(body) == [what]


@pytest.mark.parametrize(
    "body",
    [
        'op.execute("SELECT 1")',
        'op.get_bind().execute(text("SELECT 1"))',
        'op.get_bind().exec_driver_sql("SELECT 1")',
        'conn = op.get_bind()\nsql = "SELECT 1"\nsql = text(sql)\nconn.execute(sql)',
        'conn = op.get_bind()\nif some():\n    conn.execute("SELECT 1")',
        'conn = op.get_bind()\ntry:\n    conn.execute("SELECT 1")\nexcept Exception:\n    pass',
        'cursor = op.get_bind().connection.cursor()\ncursor.execute("SELECT 1")',
        'conn = op.get_bind()\nfor row in rows():\n    conn.execute("SELECT 1")',
        'conn = op.get_bind()\n[conn.execute("SELECT 1") for each in rows()]',
        'conn = op.get_bind()\nconn.execute(text("SELECT 1"), {"a": 1}, execution_options={})',
        "sa.select(sa.column('a'))",
        "table.select([1])",
        "sa.Table('t', sa.MetaData(), autoload_with=op.get_bind())",
        "sa.MetaData(schema='a')",
    ],
)
def test_what_may_be_well_is_not_spoken_of(body: str) -> None:
    """Text that is wrapped, connections of the driver, what stands under a condition."""
    assert found(body) == []


def test_env_py_is_read_as_well() -> None:
    """Its connection comes out of an engine, by `with`."""
    env = (
        "from sqlalchemy import engine_from_config\n"
        "def run_migrations_online():\n"
        "    connectable = engine_from_config({})\n"
        "    with connectable.connect() as connection:\n"
        '        connection.execute("CREATE SCHEMA IF NOT EXISTS shop")\n'
    )
    assert [(each.line, each.what) for each in revision_outdated.in_env(ast.parse(env))] == [
        (5, 'connection.execute("...")')
    ]


@pytest.mark.skipif(sa.__version__.startswith("1."), reason="this is SQLAlchemy 1")
def test_sqlalchemy_2_does_refuse_it() -> None:
    """Each of these, for the text that is given, whatever the database holds."""
    with sa.create_engine("sqlite://").connect() as connection:
        for refused in (
            lambda: connection.execute("SELECT 1"),  # type: ignore[call-overload]
            lambda: connection.scalar("SELECT 1"),  # type: ignore[call-overload]
            lambda: orm.Session(bind=connection).execute("SELECT 1"),  # type: ignore[call-overload]
            lambda: connection.execute(sa.text("SELECT :a"), a=1),  # type: ignore[call-overload]
            lambda: sa.select([sa.column("a")]),  # type: ignore[call-overload]
            lambda: sa.case([(sa.true(), 1)]),  # type: ignore[list-item]
            lambda: sa.MetaData(bind=connection),  # type: ignore[call-arg]
            lambda: sa.Table("t", sa.MetaData(), autoload=True),
        ):
            with pytest.raises((exc.SQLAlchemyError, TypeError)):
                refused()


@pytest.mark.parametrize(
    ("sql", "changing"),
    [
        ("SELECT 1", ""),
        ("-- CREATE TABLE t\nselect 1; SET search_path = a; SHOW all", ""),
        ("WITH a AS (SELECT 1) SELECT * FROM a", ""),
        ("CREATE TEMP TABLE t AS SELECT 1", ""),
        ("SAVEPOINT a", ""),
        ("SELECT 1; /* so */ DROP  TABLE t", "DROP TABLE t"),
        (
            "WITH a AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT 1",
            "WITH a AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT 1",
        ),
        ("insert into t values ('CREATE')", "insert into t values ('…')"),
        ("DO $$ BEGIN NULL; END $$", "DO $$"),
        ("ALTER TABLE t ADD a int", "ALTER TABLE t ADD a int"),
    ],
)
def test_statements_that_change_a_database(sql: str, changing: str) -> None:
    """By their first words; what is temporary is nobody else's."""
    assert sql_text.changing(sql) == changing
