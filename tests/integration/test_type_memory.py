"""What asyncpg asks about built-in types: once a process; about a database's own types: each connection for itself."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from stillroom.runtime.connections import type_memory
from tests.conftest import NewDatabase
from tests.support.postgres import Database


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


@pytest.fixture
def remembering() -> Iterator[None]:
    """As in a worker, which ends afterwards; here it is taken back."""
    before = asyncpg.connection.Connection._introspect_types
    type_memory.remember()
    yield
    asyncpg.connection.Connection._introspect_types = before


async def _asked(url: str, query: str) -> tuple[Any, int]:
    """The value of a query on a fresh connection, and how often types were looked up for it."""
    connection = await asyncpg.connect(url)
    asked: list[str] = []
    connection.add_query_logger(lambda record: asked.append(record.query))
    try:
        value = await connection.fetchval(query)
    finally:
        await connection.close()
    return value, sum("typeinfo_tree" in each for each in asked)


@pytest.mark.usefixtures("remembering")
def test_built_in_types_are_asked_about_once(database: Database) -> None:
    """The second connection knows; and knows right."""
    url = database.url("postgresql")
    first, second = (asyncio.run(_asked(url, "SELECT ARRAY['1 day'::interval]")) for _ in range(2))
    assert first == ([datetime.timedelta(days=1)], 1)
    assert second == ([datetime.timedelta(days=1)], 0)


@pytest.mark.usefixtures("remembering")
@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("SELECT '1 2'::int2vector", [1, 2]),
        ("SELECT '3 4'::oidvector", [3, 4]),
        ("SELECT ARRAY[true, NULL]", [True, None]),
        ("""SELECT ARRAY['a'::"char"]""", [b"a"]),
        ("SELECT ARRAY['b'::name]", ["b"]),
        ("SELECT ARRAY[5::int2]", [5]),
        ("SELECT ARRAY[[6], [7]]", [[6], [7]]),
        ("SELECT ARRAY[8::int8]", [8]),
    ],
)
def test_what_reflection_meets_is_not_asked_about(database: Database, query: str, value: list[object]) -> None:
    """It is known beforehand, and comes out as it does where it is asked about."""
    assert asyncio.run(_asked(database.url("postgresql"), query)) == (value, 0)


def test_what_is_known_beforehand_is_so(database: Database) -> None:
    """The server has these types under these numbers, with these elements."""
    numbers = ", ".join(map(str, type_memory._LISTS))
    columns = "oid::int, typname::text, typelem::int, typdelim::text"
    rows = database.fetch(f"SELECT {columns} FROM pg_type WHERE oid IN ({numbers})")
    assert {number: (name, element) for number, name, element, _ in rows} == type_memory._LISTS
    assert {delimiter for *_, delimiter in rows} == {","}


@pytest.mark.usefixtures("remembering")
def test_other_types_are_asked_about_each_time(database: Database) -> None:
    """A type may be another one by then."""
    url = database.url("postgresql")
    database.execute("CREATE TYPE mood AS ENUM ('calm')")
    assert asyncio.run(_asked(url, "SELECT ARRAY['calm'::mood]")) == (["calm"], 1)
    database.execute("DROP TYPE mood; CREATE TYPE mood AS ENUM ('calm', 'merry')")
    assert asyncio.run(_asked(url, "SELECT ARRAY['merry'::mood]")) == (["merry"], 1)
