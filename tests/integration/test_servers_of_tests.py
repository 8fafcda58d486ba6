"""The fixtures that all tests with a database stand on."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from tests.conftest import NewDatabase, NewRole
from tests.support.postgres import Server


def test_a_new_database_is_empty_and_takes_statements(new_database: NewDatabase) -> None:
    """Each call gives another database, whose statements do not show in the next."""
    first, second = new_database(), new_database()
    first.execute("CREATE TABLE t (n int); INSERT INTO t VALUES (7)")
    assert first.fetch("SELECT n FROM t") == [(7,)]
    assert second.fetch("SELECT to_regclass('t')") == [(None,)]


def test_the_servers_are_of_the_versions_that_they_say(postgres: Server, postgres15: Server) -> None:
    """18 comes from the wheel, 15 from Debian with contrib."""
    for server, major in ((postgres, 18), (postgres15, 15)):
        assert server.major == major
        assert server.psql("SHOW server_version_num")[0][0].startswith(str(major))
    assert postgres15.fetch("SELECT count(*) FROM pg_available_extensions WHERE name IN ('citext', 'hstore')") == [(2,)]


def test_a_new_role_may_log_in_and_no_more(new_database: NewDatabase, new_role: NewRole, postgres: Server) -> None:
    """An ordinary role owns the database that is made for it, and cannot make another."""
    role = new_role()
    mine = new_database(owner=role)
    mine.execute("CREATE TABLE mine ()", role=role)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        postgres.execute("CREATE DATABASE not_allowed", role=role)


def test_a_wrong_password_is_refused(postgres: Server) -> None:
    """No connection over TCP is trusted."""
    stranger = type(postgres.superuser)(postgres.superuser.name, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        postgres.connect(role=stranger)


@pytest.mark.parametrize("major", [14, 16, 17])
def test_other_versions_come_from_npm(
    postgres_version: Callable[[int], Server], new_database: NewDatabase, major: int
) -> None:
    """They have contrib, and take databases like the others."""
    database = new_database(postgres_version(major))
    database.execute("CREATE EXTENSION citext")
    assert database.psql("SHOW server_version_num")[0][0].startswith(str(major))
