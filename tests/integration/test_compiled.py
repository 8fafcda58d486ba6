"""Compiled SQL serves the engines of a process that are alike, and no other; in a process of its own each time."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import NewDatabase

_SETTING = """
import sys
import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler
from stillroom.runtime.connections import compiled

made = []
original = SQLCompiler.__init__

def counted(self, dialect, statement, *rest, **named):
    original(self, dialect, statement, *rest, **named)
    made.append(str(self))

SQLCompiler.__init__ = counted

def ask(engine, statement=None):
    "What the statement gives, and how many were compiled for it."
    made.clear()
    with engine.connect() as connection:
        return connection.execute(sa.select(sa.literal(1)) if statement is None else statement).scalar(), len(made)

def engine(**options):
    return sa.create_engine(sys.argv[1], poolclass=sa.pool.NullPool, **options)

compiled.share()
"""


def _run(new_database: NewDatabase, code: str, driver: str = "postgresql+psycopg2") -> list[str]:
    url = new_database().url(driver)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", _SETTING + code, url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stderr == ""
    return ran.stdout.splitlines()


def test_an_engine_like_an_earlier_one_compiles_nothing(new_database: NewDatabase) -> None:
    """Its own values go in, not those of the statement that was compiled."""
    code = """
print(ask(engine(), sa.select(sa.literal(1))))
print(ask(engine(), sa.select(sa.literal(2))))
"""
    assert _run(new_database, code) == ["(1, 1)", "(2, 0)"]


@pytest.mark.parametrize(
    "options",
    [
        "json_serializer=lambda value: '[]'",
        "query_cache_size=0",
        "execution_options={'compiled_cache': {}}",
        "label_length=10",
        "paramstyle='format'",
    ],
)
def test_an_engine_with_other_settings_compiles_for_itself(new_database: NewDatabase, options: str) -> None:
    """So does one whose owner does without a cache, or chose one."""
    code = f"""
print(ask(engine()))
print(ask(engine({options})))
print(ask(engine()))
"""
    assert _run(new_database, code) == ["(1, 1)", "(1, 1)", "(1, 0)"]


def test_another_compiler_is_heeded(new_database: NewDatabase) -> None:
    """`@compiles` of a service counts for statements that were compiled before it."""
    code = """
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import coalesce
print(ask(engine(), sa.select(coalesce(1, 2))))

@compiles(coalesce)
def other(element, compiler, **kw):
    return "7"

print(ask(engine(), sa.select(coalesce(1, 2))))
"""
    assert _run(new_database, code) == ["(1, 1)", "(7, 1)"]


def test_what_the_parent_rehearsed_serves_a_service_of_asyncpg(new_database: NewDatabase) -> None:
    """Reading tables, as a comparison does it, needs no compiling then; and finds what it finds without."""
    code = """
import asyncio
from sqlalchemy.ext.asyncio import create_async_engine
from stillroom.runtime.wire import rehearsal
rehearsal.rehearse()

def look(connection):
    connection.exec_driver_sql(
        "CREATE TABLE shelf (id int PRIMARY KEY, kind text UNIQUE CHECK (kind <> ''), of int REFERENCES shelf)"
    )
    connection.exec_driver_sql("CREATE INDEX by_kind ON shelf (lower(kind))")
    made.clear()
    inspector = sa.inspect(connection)
    seen = inspector.get_table_names()
    for each in rehearsal.REFLECTED:
        found = getattr(inspector, f"get_multi_{each}")(filter_names=["shelf"])
        seen.append(len(found[(None, "shelf")] or ()))
    connection.rollback()
    return seen, [each for each in made if "pg_am" not in each]

async def main():
    async with create_async_engine(sys.argv[1], poolclass=sa.pool.NullPool).connect() as connection:
        print(await connection.run_sync(look))

asyncio.run(main())
"""
    (line,) = _run(new_database, code, "postgresql+asyncpg")
    assert line == "(['shelf', 3, 4, 1, 2, 1, 1, 1, 0], [])"
