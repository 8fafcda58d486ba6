"""A kept connection: one session for many uses, a new one after whatever goes wrong, none left behind."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.engine import Connection

from stillroom.runtime import faults
from stillroom.runtime.connections import connection, guard, kept
from tests.conftest import NewDatabase
from tests.support.postgres import Database

each_driver = pytest.mark.parametrize("driver", ("postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"))


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


def _pid(url: str) -> int:
    def work(conn: Connection) -> int:
        return int(conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    return connection.run(url, work)


@each_driver
def test_all_uses_within_the_block_are_one_session(driver: str, database: Database) -> None:
    """It is idle, in no transaction, between them, and gone after the block."""
    url = database.url(driver)
    with kept.keep(url):
        pid = _pid(url)
        state = database.fetch("SELECT state FROM pg_stat_activity WHERE pid = %s", (pid,))
        assert _pid(url) == pid
    assert state == [("idle",)]
    assert _pid(url) != pid
    # The server waits for sessions that are about to end, and refuses for the sake of any other.
    database.server.execute(f'DROP DATABASE "{database.name}"')
    database.server.execute(f'CREATE DATABASE "{database.name}"')


@each_driver
def test_each_use_is_a_transaction_of_its_own(driver: str, database: Database) -> None:
    """What returns is committed; what raises is rolled back, whatever comes after."""
    url = database.url(driver)

    def failing(conn: Connection) -> None:
        conn.exec_driver_sql("CREATE TABLE gone (n int)")
        raise LookupError("mine")

    with kept.keep(url):
        connection.run(url, lambda conn: conn.exec_driver_sql("CREATE TABLE there (n int)").close())
        with pytest.raises(LookupError, match="mine"):
            connection.run(url, failing)
        seen = database.fetch("SELECT to_regclass('there') IS NULL, to_regclass('gone') IS NULL")
    assert seen == [(False, True)]


@each_driver
def test_after_an_error_of_the_server_the_next_use_has_a_new_session(driver: str, database: Database) -> None:
    """The error itself is a fault, as without a kept connection."""
    url = database.url(driver)
    with kept.keep(url):
        before = _pid(url)
        with pytest.raises(faults.DatabaseFault, match="division by zero"):
            connection.run(url, lambda conn: conn.exec_driver_sql("SELECT 1/0").close())
        assert _pid(url) != before


@each_driver
def test_a_session_that_the_server_ended_is_replaced(driver: str, database: Database) -> None:
    """A revision may end every other session of its database; the next look at it must not fail for that."""
    url = database.url(driver)
    with kept.keep(url):
        before = _pid(url)
        database.fetch("SELECT pg_terminate_backend(%s, 10000)", (before,))
        assert _pid(url) != before


@each_driver
def test_a_database_can_be_dropped_once_its_connection_was_let_go(driver: str, database: Database) -> None:
    """And made again under the same name: the next use connects to the new one."""
    url = database.url(driver)
    with kept.keep(url):
        connection.run(url, lambda conn: conn.exec_driver_sql("CREATE TABLE old (n int)").close())
        kept.let_go(url)
        server = database.server
        server.execute(f'DROP DATABASE "{database.name}" WITH (FORCE)')
        server.execute(f'CREATE DATABASE "{database.name}"')
        found = connection.run(url, lambda conn: conn.exec_driver_sql("SELECT to_regclass('old')").scalar())
    assert found is None


def test_other_uses_do_not_go_through_the_kept_session(database: Database) -> None:
    """Autocommit, and calls from inside of an event loop, to which the kept connection does not belong."""
    url = database.asyncpg

    async def inside() -> int:
        return _pid(url)

    with kept.keep(url):
        pid = _pid(url)
        alone = connection.run(
            url, lambda conn: conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one(), autocommit=True
        )
        assert pid not in (alone, asyncio.run(inside()))
        assert _pid(url) == pid


def test_the_guard_does_not_stand_in_the_way(database: Database, new_database: NewDatabase) -> None:
    """Like every connection of our own, a kept one may lead elsewhere than the service's may."""
    with guard.only(new_database().asyncpg), kept.keep(database.asyncpg):
        pid = _pid(database.asyncpg)
        assert _pid(database.asyncpg) == pid
