"""Ends from outside: SIGTERM, kill -9 at any moment, connections that are cut; and that a rerun finishes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NewDatabase
from tests.integration.test_runtime_migrate_lock import HELD, HERE, SYNC, until
from tests.support import migrators, projects, proxies, verifiers
from tests.support.postgres import Database

CREATE = "op.create_table('product', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String))"
SLEEPS = projects.revision(
    "0002", "0001", upgrade="op.execute('CREATE TABLE half (id int)')\nop.execute('SELECT pg_sleep(1000)')"
)
SLEEPING = f"SELECT 1 FROM {HERE} WHERE query LIKE 'SELECT pg_sleep%%' AND state = 'active'"
ENVS = {"postgresql+asyncpg": projects.ENV, "postgresql+psycopg": SYNC, "postgresql+psycopg2": SYNC}


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


@pytest.mark.parametrize("driver", sorted(ENVS))
def test_sigterm(tmp_path: Path, database: Database, driver: str) -> None:
    """The running statement is cancelled on the server, whatever the driver; rolled back, released, noted; exit code 143."""
    service = projects.make_service(
        tmp_path / "shop", history=[projects.revision("0001", upgrade=CREATE), SLEEPS], env=ENVS[driver]
    )
    last_word = tmp_path / "termination-log"
    last_word.touch()
    process = migrators.start(service, database.url(driver), "--termination-log", str(last_word))
    with migrators.running(process):
        until(database, SLEEPING)
        process.send_signal(signal.SIGTERM)
        ended = migrators.ended(process, timeout=120)

    assert ended.code == migrators.TERMINATED, ended.out + ended.err
    assert ended.lines[-1].startswith("[error] Migration failed: ended by a signal")
    assert "Migration failed: ended by a signal" in last_word.read_text()
    assert database.fetch(SLEEPING) == []
    assert database.fetch(HELD) == [(0,)]
    assert database.fetch("SELECT version_num, to_regclass('half') FROM alembic_version") == [("0001", None)]
    runs = database.fetch("SELECT outcome, fatal, to_revisions FROM stillroom.run")
    assert runs == [("terminated", False, ["0001"])]


def test_sigterm_while_it_waits_for_the_lock(tmp_path: Path, database: Database) -> None:
    """Whoever waits for its turn goes at once."""
    service = projects.make_service(tmp_path / "shop", history=[projects.revision("0001", upgrade=CREATE), SLEEPS])
    first = migrators.start(service, database.asyncpg)
    with migrators.running(first):
        until(database, SLEEPING)
        second = migrators.start(service, database.asyncpg)
        with migrators.running(second):
            until(
                database,
                f"SELECT 1 FROM {HERE} WHERE query LIKE '%%pg_try_advisory_lock%%' OFFSET 1",
            )
            second.send_signal(signal.SIGTERM)
            ended = migrators.ended(second, timeout=120)
        still = first.poll()

    assert (ended.code, still) == (migrators.TERMINATED, None)


ANY_LOCK = (
    "SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
    " WHERE l.locktype = 'advisory' AND d.datname = current_database()"
)


def test_what_a_killed_migrator_was_at_ends_soon(tmp_path: Path, database: Database) -> None:
    """The server notices that nobody waits any more: the statement ends with its locks, and the next run gets on."""
    service = projects.make_service(tmp_path / "shop", history=[projects.revision("0001", upgrade=CREATE), SLEEPS])
    process = migrators.start(service, database.asyncpg)
    with migrators.running(process):
        until(database, SLEEPING)
        assert "a migration run is under way since" in verifiers.run(service, database.asyncpg).err
        process.kill()
        process.communicate()

    until(database, f"SELECT 1 WHERE NOT EXISTS ({SLEEPING})")
    until(database, f"SELECT 1 WHERE NOT EXISTS ({ANY_LOCK})")
    ran = verifiers.run(service, database.asyncpg)
    assert "has not reported its end, and its session is gone" in ran.err and "migrate) again: it finishes" in ran.err
    service.add(projects.revision("0002", "0001"))
    assert migrators.run(service, database.asyncpg).code == 0
    runs = database.fetch("SELECT outcome, from_revisions, to_revisions FROM stillroom.run ORDER BY id")
    assert runs == [("failed", [], ["0001"]), ("done", ["0001"], ["0002"])]


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg"])
def test_connections_cut_in_mid_revision(tmp_path: Path, database: Database, driver: str) -> None:
    """A network that goes away is no fault of the migration: try again; nothing of the revision stays, and that finishes."""
    service = projects.make_service(
        tmp_path / "shop", history=[projects.revision("0001", upgrade=CREATE), SLEEPS], env=ENVS[driver]
    )
    with proxies.before(database.server.host, database.server.port) as proxy:
        through = database.url(driver).replace(f":{database.server.port}/", f":{proxy.port}/")
        process = migrators.start(service, through)
        with migrators.running(process):
            until(database, SLEEPING)
            proxy.cut()
            ended = migrators.ended(process, timeout=300)
    service.add(projects.revision("0002", "0001"))
    again = migrators.run(service, database.url(driver))

    assert ended.code == migrators.TRY_AGAIN, ended.out + ended.err
    assert again.code == 0, again.out
    assert database.fetch("SELECT version_num, to_regclass('half') FROM alembic_version") == [("0002", None)]


# kill -9 at any line

HISTORY = (
    projects.revision("0001", upgrade=CREATE),
    projects.revision("0002", "0001", upgrade="op.execute(\"INSERT INTO product VALUES (1, 'once')\")"),
    projects.revision(
        "0003",
        "0002",
        upgrade="""
        with op.get_context().autocommit_block():
            op.execute('DROP INDEX CONCURRENTLY IF EXISTS ix_name')
            op.execute('CREATE INDEX CONCURRENTLY ix_name ON product (name)')
        """,
    ),
    projects.revision("0004", "0003", upgrade="op.execute(\"INSERT INTO product VALUES (2, 'once')\")"),
)
SEED = int(os.environ.get("STILLROOM_SEED", "4"))
KILLED_AT = (Path(__file__).parent / "killed.py").resolve()


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> int:
    """How many lines of ours a whole migration runs."""
    server = request.getfixturevalue("postgres")
    database = server.create_database()
    try:
        service = projects.make_service(tmp_path_factory.mktemp("count") / "shop", history=HISTORY)
        return int(killed(service, database, 0).stdout.rpartition("lines ")[2])
    finally:
        server.drop_database(database.name)


def killed(service: projects.Made, database: Database, line: int) -> subprocess.CompletedProcess[str]:
    """A migration that kills itself at this line; 0: at none, and it says how many there were."""
    environ = {**os.environ, service.url_variable: database.asyncpg}
    given = ["migrate", "--service", service.name, "--config", str(service.config)]
    return subprocess.run(
        [sys.executable, str(KILLED_AT), str(line), *given],
        cwd=service.path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.parametrize("number", range(6))
def test_a_rerun_finishes_what_a_kill_cut_short(
    tmp_path: Path, database: Database, lines: int, number: int, record_property: object
) -> None:
    """Killed at a line of ours that the seed chooses, between any two statements: the next run brings it to its end."""
    line = random.Random(f"{SEED}-{number}").randrange(1, lines)  # noqa: S311 - a seed
    service = projects.make_service(tmp_path / "shop", history=HISTORY)

    first = killed(service, database, line)
    again = migrators.run(service, database.asyncpg)

    assert first.returncode == -signal.SIGKILL, f"line {line}: {first.stdout}{first.stderr}"
    assert again.code == 0, f"line {line}: {again.out}{again.err}"
    assert database.fetch("SELECT version_num FROM alembic_version") == [("0004",)]
    assert database.fetch("SELECT id FROM product ORDER BY id") == [(1,), (2,)]
    assert database.fetch("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_name'::regclass") == [(True,)]
    [(outcome,)] = database.fetch("SELECT outcome FROM stillroom.run ORDER BY id DESC LIMIT 1")
    assert outcome in ("done", "nothing"), f"line {line}"
    assert database.fetch("SELECT count(*) > 0 FROM stillroom.fingerprint WHERE revisions = '{0004}'") == [(True,)]
