"""Init containers: `wait` until the database lets one in, `verify --wait` until it is ready; and a storm of them."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stillroom.embedded import binaries
from stillroom.embedded.cluster import Cluster
from stillroom.runtime.connections import connection
from stillroom.runtime.ledger import entries, tables, writing
from stillroom.runtime.verifying import expected, verification
from tests.conftest import NewDatabase
from tests.support import projects, verifiers
from tests.support.postgres import Database, Server, temporary_folder, unique

HISTORY = (projects.revision("0001"), projects.revision("0002", "0001"))
NOTED = "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"


@pytest.fixture
def shop(tmp_path: Path) -> projects.Made:
    """An image with two revisions."""
    return projects.make_service(tmp_path / "shop", history=HISTORY)


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


def run_of(database: Database, outcome: str, *, target: tuple[str, ...] = ("0002",), **said: object) -> None:
    """The ledger has a run with this outcome."""

    def work(conn):  # type: ignore[no-untyped-def]
        assert tables.ensure(conn)
        number = writing.begin(conn, entries.Run("shop", "public.alembic_version", target))
        if outcome != entries.RUNNING:
            writing.finish(conn, number, outcome, **said)  # type: ignore[arg-type]

    connection.run(database.asyncpg, work, autocommit=True)


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"])
def test_wait_needs_no_tables(shop: projects.Made, postgres: Server, driver: str) -> None:
    """It goes on while there is no such database, and ends well once there is one, empty as it is."""
    name = unique("late")
    (shop.path / "alembic.ini").unlink()
    process = verifiers.start(shop, postgres.url(name, driver), "--timeout", "250s", command="wait")
    try:
        postgres.create_database(name=name)
        ran = verifiers.ended(process)
    finally:
        postgres.drop_database(name)
    assert (ran.code, ran.out) == (0, "the database accepts connections\n"), ran.told


@pytest.mark.parametrize(
    ("command", "code"), [("verify", 2), ("wait", 2), ("migrate", 22), ("downgrade --to base", 22), ("stamp", 22)]
)
def test_no_command_takes_the_database_of_another_service(
    shop: projects.Made, database: Database, command: str, code: int
) -> None:
    """Be it the only URL there is: refused, naming what is missing and what was seen; nothing connects."""
    name, *arguments = command.split()
    other = {"ORDER_BOOK_DATABASE_URL": database.asyncpg}
    ran = verifiers.run(shop, None, *arguments, "--json", command=name, environment=other)
    assert ran.code == code, ran.told
    assert "none of SHOP_DATABASE_URL, DATABASE_URL is set" in ran.err, ran.told
    assert "ORDER_BOOK_DATABASE_URL" in ran.err and database.asyncpg not in ran.told
    assert database.fetch("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]


@pytest.mark.parametrize("command", ["verify", "wait"])
def test_wait_chooses_the_url_as_verify_does(tmp_path: Path, database: Database, command: str) -> None:
    """The variable that the folder's own env.py reads goes before DATABASE_URL."""
    image = projects.make_service(tmp_path / "shop", history=HISTORY, url_variable="LEDGER_URL")
    gone = database.asyncpg.replace(f":{database.server.port}/", ":1/")
    arguments = ["--timeout", "0s"] if command == "wait" else []
    ran = verifiers.run(image, database.asyncpg, *arguments, command=command, environment={"DATABASE_URL": gone})
    assert ran.code == {"verify": 13, "wait": 0}[command], ran.told


def test_wait_gives_up_and_says_why(shop: projects.Made, database: Database) -> None:
    """After its time: the code of an unreachable database, and the last reason."""
    gone = database.asyncpg.replace(f":{database.server.port}/", ":1/")
    ran = verifiers.run(shop, gone, "--timeout", "500ms", command="wait")
    assert ran.code == 15 and ran.err.startswith("DB not ready: after 0.5 s of waiting: no PostgreSQL answers"), (
        ran.told
    )


def test_verify_waits_until_it_is_ready(shop: projects.Made, database: Database) -> None:
    """It polls an empty database, then one that is behind, and ends well when the migration is through."""
    process = verifiers.start(shop, database.asyncpg, "--wait", "250s")
    assert process.stderr is not None
    assert "waiting: Database is empty" in process.stderr.readline()
    database.execute(f"{NOTED}; INSERT INTO alembic_version VALUES ('0001')")
    assert "waiting: database" in process.stderr.readline()
    run_of(database, entries.FAILED, error="a lock", fatal=False)
    run_of(database, entries.RUNNING)
    database.execute("UPDATE alembic_version SET version_num = '0002'")
    ran = verifiers.ended(process)
    assert ran.code == 0 and ran.out.startswith("at_head"), ran.told


@pytest.mark.parametrize("said", [{"fatal": True}, {"last_attempt": True}])
def test_verify_does_not_wait_for_a_run_that_failed_for_good(
    shop: projects.Made, database: Database, said: dict[str, bool]
) -> None:
    """At once, with that run's error; no Job has to be there to tell."""
    database.execute(f"{NOTED}; INSERT INTO alembic_version VALUES ('0001')")
    run_of(database, entries.FAILED, error='column "prize" does not exist', **said)
    ran = verifiers.run(shop, database.asyncpg, "--wait", "1h")
    assert ran.code == 10 and 'will not be tried again: column "prize" does not exist' in ran.err, ran.told


def test_a_failed_run_to_other_heads_is_not_waited_out(shop: projects.Made, database: Database) -> None:
    """A run for another image's heads that failed for good says nothing about this one's."""
    database.execute(f"{NOTED}; INSERT INTO alembic_version VALUES ('0001')")
    run_of(database, entries.FAILED, target=("0009",), fatal=True, error="theirs")
    ran = verifiers.run(shop, database.asyncpg, "--wait", "1s")
    assert ran.code == 10 and "after 1 s of waiting" in ran.err and "theirs" not in ran.err, ran.told


def test_verify_gives_up_after_its_time(shop: projects.Made, database: Database) -> None:
    """With the code of the state that it is in."""
    ran = verifiers.run(shop, database.asyncpg, "--wait", "200ms")
    assert ran.code == 13 and "DB not ready: after 0.2 s of waiting: Database is empty" in ran.err


@pytest.mark.parametrize("text", ["soon", "5 parsecs", "-3s", ""])
def test_a_duration_that_is_none_is_an_error(shop: projects.Made, text: str) -> None:
    """Exit 2, never an endless or an empty wait."""
    ran = verifiers.run(shop, None, f"--wait={text}")
    assert ran.code == 2 and "is no duration" in ran.err


@pytest.mark.parametrize(
    ("command", "arguments", "code"),
    [("verify", ("--nowhere",), "wrong-use"), ("wait", ("--timeout=soon",), "wrong-use"),
     ("verify", (), "url-variable-unset"), ("wait", (), "url-variable-unset")],
)  # fmt: skip
def test_wrong_use_is_one_document_too(
    shop: projects.Made, command: str, arguments: tuple[str, ...], code: str
) -> None:
    """With --json standard output has the one object, whatever is wrong."""
    ran = verifiers.run(shop, None, "--json", *arguments, command=command)
    told = ran.json
    assert (ran.code, told["exit_code"], told["code"], told["ready"]) == (2, 2, code, False), ran.told
    assert told["message"] and told["mend"]


# Storms


@pytest.fixture(scope="module")
def small() -> Iterator[Server]:
    """A server of its own with PostgreSQL's default of 100 connections."""
    folder = temporary_folder()
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    cluster = Cluster(binaries.wheel(), folder / "server", extra={"max_connections": "100", "fsync": "off"})
    cluster.start()
    server = Server(cluster)
    try:
        yield server
    finally:
        server.close()
        cluster.remove()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def crowded(small: Server) -> Iterator[Database]:
    """A database that is ready, on a server with but six connections free for ordinary roles; `role` is its owner."""
    role = small.create_role()
    database = small.create_database(owner=role)
    with contextlib.ExitStack() as held:
        database.execute(f"{NOTED}; INSERT INTO alembic_version VALUES ('0002')", role=role)
        for _ in range(97 - 6):
            held.enter_context(database.connect())
        yield _Owned(database.server, database.name, role.name, role.password)
    small.drop_database(database.name)
    small.drop_role(role)


class _Owned(Database):
    """A database with the URL of the role that owns it."""

    def __init__(self, server: Server, name: str, role: str, password: str) -> None:
        super().__init__(server, name)
        object.__setattr__(self, "owner", (role, password))

    def of_owner(self, driver: str = "postgresql+asyncpg") -> str:
        """Its URL."""
        role, password = self.owner  # type: ignore[attr-defined]
        return f"{driver}://{role}:{password}@{self.server.host}:{self.server.port}/{self.name}"


def refused(database: Database) -> int:
    """How many connections the server says that it had to refuse."""
    text = database.server.cluster.log.read_text(encoding="utf-8", errors="replace")
    return text.count("remaining connection slots") + text.count("too many clients")


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg"])
def test_a_storm_in_one_process(shop: projects.Made, crowded: _Owned, driver: str) -> None:
    """Five hundred at once, six free connections: each gets its answer, after having been refused."""
    wanted = expected.expected(shop.path)

    async def storm() -> list[str]:
        url = crowded.of_owner(driver)
        found = await asyncio.gather(*(verification.verify_async(url, wanted) for _ in range(500)))
        return [each.state if each.ready else each.message for each in found]

    before = refused(crowded)
    assert asyncio.run(storm()) == ["at_head"] * 500
    assert refused(crowded) > before


def test_a_storm_of_processes(shop: projects.Made, crowded: _Owned) -> None:
    """Fifty replicas that start at the same moment, six free connections: all of them find the database ready."""
    processes = [verifiers.start(shop, crowded.of_owner()) for _ in range(50)]
    ended = [verifiers.ended(each) for each in processes]
    assert [each.code for each in ended] == [0] * 50, next(each.told for each in ended if each.code)
