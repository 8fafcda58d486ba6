"""One migrator at a time: races of real processes, who holds the lock, waiters beside CONCURRENTLY, and poolers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stillroom.runtime import faults
from stillroom.runtime.migrating import lock, session
from stillroom.runtime.wire import protocol
from tests.conftest import NewDatabase
from tests.support import asking, migrators, pgbouncer, projects
from tests.support.postgres import Database, Server

CREATE = "op.create_table('product', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String))"
MARK = "op.execute(\"INSERT INTO product (id, name) VALUES (1, 'once')\")"
HISTORY = (projects.revision("0001", upgrade=CREATE), projects.revision("0002", "0001", upgrade=MARK))
HERE = "(SELECT * FROM pg_stat_activity WHERE datname = current_database()) AS here"
"""The sessions of the connected database: tests of other processes use the same server."""

HELD = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


@pytest.fixture
def shop(tmp_path: Path) -> projects.Made:
    """A service whose second revision can't be run twice."""
    return projects.make_service(tmp_path / "shop", history=HISTORY)


def until(database: Database, query: str, *parameters: Any, seconds: float = 300.0) -> list[tuple[Any, ...]]:
    """The rows of a query, as soon as there are any."""
    end = time.monotonic() + seconds
    with database.connect() as asking:
        while time.monotonic() < end:
            if rows := asking.execute(query.encode(), parameters or None).fetchall():
                return rows
    raise AssertionError(f"never came: {query}")


@contextmanager
def locked(database: Database, table: str = "public.alembic_version") -> Iterator[int]:
    """Somebody else holds the migration lock; gives the process id of that session."""
    with database.connect() as holder:
        holder.execute("SET application_name = 'the other one'")
        holder.execute("SELECT pg_advisory_lock(%s)", [lock.key(database.name, table)])
        row = holder.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        yield row[0]


@pytest.mark.parametrize("count", [2, 10, 50])
def test_many_at_once(shop: projects.Made, database: Database, tmp_path: Path, count: int) -> None:
    """However many begin at the same time: one applies the history, and all of them end well."""
    if count == 2:  # whole processes, from their interpreter's start
        processes = [migrators.start(shop, database.asyncpg) for _ in range(count)]
        ended = [migrators.ended(each, timeout=900) for each in processes]
    else:
        ended = migrators.herd(shop, database.asyncpg, count, tmp_path / "said")

    assert [each.code for each in ended] == [0] * count, [each.out for each in ended if each.code]
    applied = [each for each in ended if "Migrations applied successfully" in each.out]
    assert len(applied) == 1
    assert sum("no pending migrations" in each.out for each in ended) == count - 1
    assert database.fetch("SELECT name FROM product") == [("once",)]
    assert database.fetch("SELECT outcome FROM stillroom.run") == [("done",)]
    assert database.fetch(HELD) == [(0,)]


def test_nothing_to_do_needs_no_lock(shop: projects.Made, database: Database) -> None:
    """At head already, a run says so while somebody else holds the lock, and ends well."""
    migrators.run(shop, database.asyncpg)

    with locked(database):
        ended = migrators.run(shop, database.asyncpg, "--lock-wait", "0")

    assert ended.code == 0
    assert "no pending migrations" in ended.out


def test_giving_up_names_the_holder(shop: projects.Made, database: Database) -> None:
    """Whoever gets no lock says who holds it: process, application, state, query, age; the exit code says: try again."""
    with locked(database) as pid:
        ended = migrators.run(shop, database.asyncpg, "--lock-wait", "300ms")

    assert ended.code == migrators.TRY_AGAIN
    assert f"session {pid}, application 'the other one', connected for" in ended.out
    assert re.search(r"idle( in transaction)? for \d+ s, last query: SELECT pg_backend_pid\(\)", ended.out), ended.out
    assert "code=migration-locked" in ended.out
    assert f"pg_terminate_backend({pid})" in ended.out
    assert database.fetch("SELECT to_regclass('product')") == [(None,)]


def test_giving_up_tells_what_the_other_migrator_is_at(shop: projects.Made, database: Database) -> None:
    """Of a holder of ours not its own bookkeeping is quoted, but the revision, and the session and statement that run it."""
    migrators.run(shop, database.asyncpg)
    shop.add(CONCURRENT)
    with database.connect() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM product")
        first = migrators.start(shop, database.asyncpg)
        [(pid,)] = until(
            database,
            f"SELECT pid FROM {HERE} WHERE query LIKE 'CREATE INDEX CONCURRENTLY%%' AND wait_event_type = 'Lock'",
        )
        [(holder,)] = until(
            database, f"SELECT pid FROM {HERE} WHERE query LIKE '/* stillroom migrates:%%sessions: {pid}%%'"
        )
        second = migrators.run(shop, database.asyncpg, "--lock-wait", "0")
        reader.execute("ROLLBACK")

    assert migrators.ended(first).code == 0
    assert second.code == migrators.TRY_AGAIN
    assert f"session {holder}, application 'stillroom migrate shop', connected for" in second.out
    assert f"at shop, revision 0003; there session {pid} is active for" in second.out, second.out
    assert ": CREATE INDEX CONCURRENTLY ix_name ON product (name)" in second.out
    assert "pg_backend_pid" not in second.out


def test_keys_are_of_a_database_and_a_version_table() -> None:
    """Services that share a database do not wait for each other; neither do databases of one server."""
    keys = {lock.key(database, table) for database in ("a", "b") for table in ("public.alembic_version", "auth.v")}

    assert len(keys) == 4
    assert all(-(2**63) <= each < 2**63 for each in keys)
    assert lock.key("a", "auth.v") == lock.key("a", "auth.v")


def test_another_services_lock_is_no_obstacle(tmp_path: Path, database: Database) -> None:
    """Of two services in one database, one migrates while the other one's lock is held."""
    service = projects.make_service(tmp_path / "shop", history=HISTORY, configure="version_table='shop_version'")

    with locked(database):
        ended = migrators.run(service, database.asyncpg, "--lock-wait", "0")

    assert ended.code == 0, ended.out


CONCURRENT = projects.revision(
    "0003",
    "0002",
    upgrade="""
    with op.get_context().autocommit_block():
        op.execute('CREATE INDEX CONCURRENTLY ix_name ON product (name)')
    """,
)


def test_an_index_is_built_concurrently_while_others_wait(shop: projects.Made, database: Database) -> None:
    """CREATE INDEX CONCURRENTLY waits for every old snapshot; migrators that wait for their turn hold none."""
    migrators.run(shop, database.asyncpg)
    shop.add(CONCURRENT)
    with database.connect() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM product")
        first = migrators.start(shop, database.asyncpg, "--lock-timeout", "200ms")
        until(
            database,
            "SELECT 1 FROM pg_stat_progress_create_index WHERE datname = current_database() AND phase LIKE 'waiting for%%'",
        )
        others = [migrators.start(shop, database.asyncpg) for _ in range(2)]
        until(
            database,
            f"SELECT 1 FROM {HERE} WHERE application_name = 'stillroom migrate shop' OFFSET 2",
        )
        # lock_timeout has passed long ago: it is not for what works concurrently.
        until(
            database,
            f"SELECT 1 FROM {HERE} WHERE query LIKE 'CREATE INDEX%%' AND now() > query_start + '1s'",
        )
        reader.execute("COMMIT")
        ended = [migrators.ended(each) for each in (first, *others)]

    assert [each.code for each in ended] == [0, 0, 0], [each.out for each in ended]
    assert database.fetch("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_name'::regclass") == [(True,)]


def test_a_lost_lock_stops_the_run(shop: projects.Made, database: Database) -> None:
    """If the session that holds the lock is ended, nothing that was begun is noted: somebody else may be at it by now."""
    shop.add(projects.revision("0003", "0002", upgrade="op.execute('SELECT pg_advisory_xact_lock(4711)')"))
    with database.connect() as gate:
        gate.execute("SELECT pg_advisory_lock(4711)")
        process = migrators.start(shop, database.asyncpg, "--lock-timeout", "1min")
        until(
            database,
            f"SELECT 1 FROM {HERE} WHERE query LIKE '%%4711%%' AND wait_event_type = 'Lock'",
        )
        gate.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    ended = migrators.ended(process)

    assert ended.code == migrators.TRY_AGAIN
    assert "the migration lock was lost" in ended.out
    assert database.fetch("SELECT version_num FROM alembic_version") == [("0002",)]
    assert migrators.run(shop, database.asyncpg).code == 0


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg"])
def test_a_pooler_in_transaction_mode_is_refused(tmp_path: Path, database: Database, driver: str) -> None:
    """Behind such a pooler the lock would be left to somebody else's session: refused, with the mend; which works."""
    env = projects.ENV if driver.endswith("asyncpg") else SYNC
    service = projects.make_service(tmp_path / "shop", history=HISTORY, env=env)
    with pgbouncer.pooling(database, "transaction") as place:
        pooled = database.url(driver).replace(f"127.0.0.1:{database.server.port}", place)
        refused = migrators.run(service, pooled)
        mended = migrators.run(service, pooled, environment={"MIGRATION_DATABASE_URL": database.url(driver)})

    assert refused.code == migrators.REFUSED
    assert "is a pooler in transaction mode" in refused.out
    assert "set MIGRATION_DATABASE_URL" in refused.out
    assert (mended.code, database.fetch("SELECT name FROM product")) == (0, [("once",)])


def test_a_pooler_in_session_mode_is_no_obstacle(shop: projects.Made, database: Database) -> None:
    """A session of the pooler is a session of the server then."""
    with pgbouncer.pooling(database, "session") as place:
        ended = migrators.run(shop, database.asyncpg.replace(f"127.0.0.1:{database.server.port}", place))

    assert ended.code == 0, ended.out


SYNC = """
import os
from alembic import context
from sqlalchemy import create_engine, pool
from app.models import Base

with create_engine(os.environ["{url_variable}"], poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, {configure})
    with context.begin_transaction():
        context.run_migrations()
"""


def test_a_lock_that_is_only_believed_in_is_found_out(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were taking the lock to say yes without having it, the run would end there: the server is asked whether it is held."""
    monkeypatch.setattr(lock, "_try", lambda _connection, _number: True)
    told = Told()

    with (
        session.Session(database.psycopg, "a test") as opened,
        pytest.raises(faults.DatabaseFault) as raised,
        lock.held(opened, "public.alembic_version", 1.0, told),  # type: ignore[arg-type]
    ):
        pytest.fail("the block was entered")

    assert raised.value.code == "lock-lost"


class Told:
    """Hears what is told."""

    def step(self, _name: str) -> None:
        """See `telling.Tell`."""

    def warn(self, message: str, mend: str = "") -> None:
        """See `telling.Tell`."""


@pytest.mark.parametrize("major", [14, 16])
def test_older_servers(
    shop: projects.Made, new_database: NewDatabase, postgres_version: Callable[[int], Server], major: int
) -> None:
    """A whole run on an older server, rights and repair included."""
    database = new_database(postgres_version(major))

    ended = migrators.run(
        shop, database.asyncpg, "--repair", "--service-role", database.server.superuser.name, "--grants", "select"
    )

    assert ended.code == 0, ended.out
    assert database.fetch("SELECT name FROM product") == [("once",)]
    assert database.fetch("SELECT outcome FROM stillroom.run") == [("done",)]


def test_every_service_of_a_fleet_has_a_variable_of_its_own(shop: projects.Made, database: Database) -> None:
    """Where services share an environment, MIGRATION_ stands before the variable of each, and leads the way."""
    ask = asking.Asker()
    direct = {f"MIGRATION_{shop.url_variable}": database.asyncpg}
    request = protocol.Request(
        id="direct",
        operation="upgrade",
        service={
            "name": shop.name,
            "path": str(shop.path),
            "config": str(shop.config),
            "url_variable": shop.url_variable,
        },
        options={},
        environment={shop.url_variable: "postgresql+asyncpg://u:p@127.0.0.1:1/nowhere", **direct},
        time_limit=60.0,
    )
    try:
        answer = ask.ask(request)
    finally:
        ask.close()

    assert answer["after"] == ["0002"]
    assert database.fetch("SELECT name FROM product") == [("once",)]
