"""`DatabaseManager` against a real server: any URL, both asynchronous drivers, and what it says when nobody answers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

from stillroom.runtime import faults
from stillroom.runtime.service import DatabaseManager
from tests.conftest import NewDatabase
from tests.support import postgres as support

EXAMPLE = Path(__file__).parents[2] / "examples" / "bakery"


async def value(manager: DatabaseManager, query: str) -> object:
    """What one query gives, by a session; the pool is closed afterwards."""
    try:
        async with manager.session() as session:
            return await session.scalar(sqlalchemy.text(query))
    finally:
        await manager.close()


@pytest.mark.parametrize(
    ("scheme", "driver"),
    [
        ("postgresql", "asyncpg"),
        ("postgres", "asyncpg"),
        ("postgresql+asyncpg", "asyncpg"),
        ("postgresql+psycopg2", "asyncpg"),
        ("postgresql+psycopg", "psycopg"),
        ("postgresql+psycopg_async", "psycopg"),
    ],
)
def test_any_url_gets_an_asynchronous_driver(new_database: NewDatabase, scheme: str, driver: str) -> None:
    """The one that it names, where that is asynchronous, else asyncpg; sessions work."""
    database = new_database()
    manager = DatabaseManager(database.url(scheme), pool_size=2)
    assert manager.engine.dialect.driver.removesuffix("_async") == driver
    assert asyncio.run(value(manager, "SELECT current_database()")) == database.name


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg"])
def test_options_of_libpq_and_of_asyncpg_work_with_either_driver(new_database: NewDatabase, driver: str) -> None:
    """A URL is shared by programs of both kinds: `sslmode` does not break asyncpg, nor its cache size psycopg."""
    url = new_database().url(driver) + "?sslmode=prefer&application_name=till&prepared_statement_cache_size=0"
    manager = DatabaseManager(url, connect_args={})
    assert asyncio.run(value(manager, "SHOW application_name")) == "till"


def test_a_connection_that_works_is_told_with_its_destination_and_no_password(
    new_database: NewDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line; True."""
    database = new_database()
    manager = DatabaseManager(database.asyncpg)
    assert asyncio.run(manager.test_connection()) is True
    line = capsys.readouterr().out
    assert line.startswith("[info] Database connection successful database=")
    assert database.name in line
    assert database.server.superuser.password not in line + repr(manager) + str(manager.url)


def test_a_connection_that_fails_is_a_fault_with_its_mend(new_database: NewDatabase) -> None:
    """Not a driver's exception, and not False; the password is not in it."""
    database = new_database()
    wrong = database.asyncpg.replace(database.server.superuser.password, "wrong-secret-77")
    with pytest.raises(faults.DatabaseFault) as refused:
        asyncio.run(DatabaseManager(wrong).test_connection())
    assert refused.value.code == "authentication-failed"
    assert "wrong-secret-77" not in str(refused.value.to_dict())


@pytest.mark.parametrize("url", [None, ""])
def test_no_url_is_a_fault_with_its_mend(url: str | None) -> None:
    """What `os.getenv` gives where a variable is not set."""
    with pytest.raises(faults.ProjectFault) as refused:
        DatabaseManager(url)
    assert refused.value.code == "url-missing"


def one_liner(url: str | None) -> subprocess.CompletedProcess[str]:
    """The documented check of connectivity, where the services of the example run; it needs `os` imported as well."""
    code = (
        "import asyncio, os; from shared.database.base import DatabaseManager; "
        "asyncio.run(DatabaseManager(os.getenv('DATABASE_URL')).test_connection())"
    )
    environment = {**os.environ, **({"DATABASE_URL": url} if url is not None else {})}
    return subprocess.run([sys.executable, "-c", code], cwd=EXAMPLE, env=environment, capture_output=True, text=True)


def test_the_documented_check_of_connectivity_runs_in_the_example(postgres: support.Server) -> None:
    """`from shared.database.base import DatabaseManager`, in one line of Python."""
    ran = one_liner(postgres.url())
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("[info] Database connection successful")


def test_the_documented_check_of_connectivity_fails_where_nobody_answers() -> None:
    """Non-zero, and the last line names the place."""
    ran = one_liner("postgresql://someone:tarte-tatin-3@127.0.0.1:1/nothing")
    assert ran.returncode == 1
    assert "127.0.0.1:1/nothing" in ran.stderr.splitlines()[-1]
    assert "tatin" not in ran.stderr + ran.stdout
