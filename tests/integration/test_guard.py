"""The guard against real drivers and servers: each way to connect elsewhere, and none of the right ways."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras
import pytest
import sqlalchemy
from asyncpg import connect as early_asyncpg_connect
from psycopg import connect as early_psycopg_connect
from psycopg2 import connect as early_psycopg2_connect
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from stillroom.runtime import faults
from stillroom.runtime.connections import connection, guard, guard_drivers, servers
from tests.support.postgres import Database, Server

SYNC = ("postgresql+psycopg", "postgresql+psycopg2")
ASYNC = ("postgresql+asyncpg", "postgresql+psycopg_async")


def _shared(server: Server) -> Iterator[Database]:
    """A database for all tests of this module: they look at where connections lead, not at what is there."""
    database = server.create_database()
    yield database
    server.drop_database(database.name)


@pytest.fixture(scope="module")
def right(postgres: Server) -> Iterator[Database]:
    """The only database allowed."""
    yield from _shared(postgres)


@pytest.fixture(scope="module")
def wrong(postgres: Server) -> Iterator[Database]:
    """Another one on the same server."""
    yield from _shared(postgres)


def _arguments(database: Database) -> dict[str, Any]:
    server = database.server
    return {
        "host": server.host,
        "port": server.port,
        "user": server.superuser.name,
        "password": server.superuser.password,
        "dbname": database.name,
    }


def _asyncpg_arguments(database: Database) -> dict[str, Any]:
    arguments = _arguments(database)
    arguments["database"] = arguments.pop("dbname")
    return arguments


def _keywords(database: Database) -> str:
    return " ".join(f"{name}={value}" for name, value in _arguments(database).items())


def _dsn(database: Database) -> str:
    return database.url("postgresql")


def _service_file(folder: Path, database: Database) -> str:
    lines = [f"{name}={value}" for name, value in _arguments(database).items()]
    file = folder / "pg_service.conf"
    file.write_text("[elsewhere]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def _socket_folder(server: Server) -> str:
    [[folders]] = server.fetch("SHOW unix_socket_directories")
    folder = folders.split(",")[0].strip(' "')
    assert folder, "the server of the tests has no socket"
    return str(folder)


async def _asyncpg_closed(attempt: Any) -> None:
    found = await attempt
    await found.close()


async def _in_pool(dsn: str) -> None:
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        await pool.fetchval("SELECT 1")


async def _psycopg_async(text: str) -> None:
    found = await psycopg.AsyncConnection.connect(text)
    await found.close()


def _engine(url: str) -> None:
    with sqlalchemy.create_engine(url, poolclass=NullPool).connect() as found:
        found.execute(sqlalchemy.text("SELECT 1"))


async def _async_engine(url: str) -> None:
    async with create_async_engine(url, poolclass=NullPool).connect() as found:
        await found.execute(sqlalchemy.text("SELECT 1"))


def _creator(database: Database) -> None:
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://", creator=lambda: psycopg2.connect(_dsn(database)), poolclass=NullPool
    )
    engine.connect().close()


def _in_thread(work: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def main() -> None:
        try:
            work()
        except guard.Violation as error:
            errors.append(error)

    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


WAYS: dict[str, Callable[[Database], None]] = {
    "asyncpg.connect with a URL": lambda d: asyncio.run(_asyncpg_closed(asyncpg.connect(_dsn(d)))),
    "asyncpg.connect with arguments": lambda d: asyncio.run(_asyncpg_closed(asyncpg.connect(**_asyncpg_arguments(d)))),
    "asyncpg.connect imported earlier": lambda d: asyncio.run(_asyncpg_closed(early_asyncpg_connect(_dsn(d)))),
    "asyncpg.create_pool": lambda d: asyncio.run(_in_pool(_dsn(d))),
    "asyncpg.connection.connect": lambda d: asyncio.run(_asyncpg_closed(asyncpg.connection.connect(_dsn(d)))),
    "psycopg.connect with a URL": lambda d: psycopg.connect(_dsn(d)).close(),
    "psycopg.connect with keywords": lambda d: psycopg.connect(_keywords(d)).close(),
    "psycopg.connect with arguments": lambda d: psycopg.connect(**_arguments(d)).close(),
    "psycopg.connect imported earlier": lambda d: early_psycopg_connect(_dsn(d)).close(),
    "psycopg.Connection.connect": lambda d: psycopg.Connection.connect(_dsn(d)).close(),
    "psycopg.AsyncConnection.connect": lambda d: asyncio.run(_psycopg_async(_keywords(d))),
    "psycopg from a PGconn": lambda d: psycopg.Connection(psycopg.pq.PGconn.connect(_dsn(d).encode())).close(),
    "psycopg2.connect with a URL": lambda d: psycopg2.connect(_dsn(d)).close(),
    "psycopg2.connect with keywords": lambda d: psycopg2.connect(_keywords(d)).close(),
    "psycopg2.connect with arguments": lambda d: psycopg2.connect(**_arguments(d)).close(),
    "psycopg2.connect with `database`": lambda d: psycopg2.connect(**_asyncpg_arguments(d)).close(),
    "psycopg2.connect with a factory": lambda d: psycopg2.connect(
        _dsn(d), connection_factory=psycopg2.extras.LoggingConnection
    ).close(),
    "psycopg2.connect imported earlier": lambda d: early_psycopg2_connect(_dsn(d)).close(),
    "psycopg2.connect, asynchronous": lambda d: psycopg2.connect(_dsn(d), async_=True).close(),
    "SQLAlchemy with psycopg": lambda d: _engine(d.psycopg),
    "SQLAlchemy with psycopg2": lambda d: _engine(d.psycopg2),
    "SQLAlchemy with asyncpg": lambda d: asyncio.run(_async_engine(d.asyncpg)),
    "SQLAlchemy with psycopg_async": lambda d: asyncio.run(_async_engine(d.url("postgresql+psycopg_async"))),
    "SQLAlchemy with a creator": _creator,
    "a thread of its own": lambda d: _in_thread(lambda: psycopg.connect(_dsn(d)).close()),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_to_another_database_is_refused(
    way: Callable[[Database], None], right: Database, wrong: Database
) -> None:
    """The refusal names where it led, where it should lead, the place in the code and the mend; no password."""
    with pytest.raises(guard.Violation) as caught, guard.only(right.asyncpg, advice="Read ORDERS_DATABASE_URL"):
        way(wrong)
    fault = caught.value
    assert fault.code == "wrong-database"
    assert f"127.0.0.1:{wrong.server.port}/{wrong.name}" in fault.message
    assert f"127.0.0.1:{right.server.port}/{right.name}" in fault.message
    assert "ORDERS_DATABASE_URL" in fault.mend
    assert wrong.server.superuser.password not in str(fault.to_dict())


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_to_the_right_database_is_free(way: Callable[[Database], None], right: Database) -> None:
    """The same ways, to where they should lead."""
    with guard.only(right.asyncpg):
        way(right)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_nothing_is_watched_afterwards(way: Callable[[Database], None], right: Database, wrong: Database) -> None:
    """Leaving the block gives everything back."""
    with guard.only(right.asyncpg):
        pass
    way(wrong)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_swallowed_refusal_is_raised_at_the_end(
    way: Callable[[Database], None], right: Database, wrong: Database
) -> None:
    """`except Exception: pass` in an env.py hides nothing."""
    with pytest.raises(guard.Violation), guard.only(right.asyncpg):
        try:  # noqa: SIM105 - as such code does it
            way(wrong)
        except Exception:  # noqa: BLE001, S110
            pass


def test_the_refused_server_is_not_even_asked(right: Database, wrong: Database) -> None:
    """Where the destination can be read from the arguments, nothing is even sent."""
    with pytest.raises(guard.Violation), guard.only(right.asyncpg):
        psycopg.connect(f"{_keywords(wrong)} host=192.0.2.1")  # an address that nobody has: waits for ever


def test_another_error_after_a_refusal_gives_way_to_it(right: Database, wrong: Database) -> None:
    """The refusal is the cause of whatever follows from it, so it is what people see."""
    with pytest.raises(guard.Violation) as caught, guard.only(right.asyncpg):
        try:
            psycopg.connect(_dsn(wrong))
        except faults.RefusedFault:
            raise RuntimeError("could not connect") from None
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_an_exit_after_a_refusal_gives_way_to_it(right: Database, wrong: Database) -> None:
    """`sys.exit` in an env.py is no way out."""
    with pytest.raises(guard.Violation), guard.only(right.asyncpg):
        try:
            psycopg.connect(_dsn(wrong))
        except faults.RefusedFault:
            sys.exit(0)


def test_other_errors_pass_untouched(right: Database) -> None:
    """Without a violation the guard adds nothing."""
    with pytest.raises(ZeroDivisionError), guard.only(right.asyncpg):
        _ = 1 / 0


def test_an_interrupt_is_not_held_up(right: Database, wrong: Database) -> None:
    """Ctrl-C stays Ctrl-C."""
    with pytest.raises(KeyboardInterrupt), guard.only(right.asyncpg):
        try:
            psycopg.connect(_dsn(wrong))
        except faults.RefusedFault:
            raise KeyboardInterrupt from None


def test_a_connection_that_a_pool_had_open_is_refused(right: Database, wrong: Database) -> None:
    """An engine that was used when the models were imported opens no new connection."""
    engine = sqlalchemy.create_engine(wrong.psycopg)
    engine.connect().close()
    with pytest.raises(guard.Violation), guard.only(right.asyncpg):
        engine.connect()
    engine.dispose()


@pytest.mark.parametrize("driver", [*SYNC, *ASYNC])
def test_an_engine_made_before_is_watched(driver: str, right: Database, wrong: Database) -> None:
    """It counts when the connection is opened, not when the engine is made."""
    url = wrong.url(driver)
    if driver in SYNC:
        engine = sqlalchemy.create_engine(url)
        with pytest.raises(guard.Violation), guard.only(right.asyncpg):
            engine.connect()
        return
    async_engine = create_async_engine(url)

    async def main() -> None:
        async with async_engine.connect():
            pass

    with pytest.raises(guard.Violation), guard.only(right.asyncpg):
        asyncio.run(main())


def test_another_kind_of_database_is_refused(right: Database, tmp_path: Path) -> None:
    """The SQLite file that settings fall back to is not the service's database."""
    with pytest.raises(guard.Violation, match=r"sqlite database .*dev\.db"), guard.only(right.asyncpg):
        sqlalchemy.create_engine(f"sqlite:///{tmp_path}/dev.db").connect()


def test_a_host_name_does_not_hide_another_address(right: Database) -> None:
    """libpq connects to `hostaddr`, whatever `host` says."""
    arguments = _arguments(right) | {"hostaddr": "127.0.0.2"}
    for connect in (psycopg.connect, psycopg2.connect):
        with pytest.raises(guard.Violation, match=r"127\.0\.0\.2"), guard.only(right.asyncpg):
            connect(**arguments)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST"])
def test_the_names_of_this_machine_are_one(host: str, right: Database) -> None:
    """`localhost` in env.py and `127.0.0.1` in the variable mean the same."""
    with guard.only(right.asyncpg):
        psycopg.connect(**(_arguments(right) | {"host": host})).close()
        psycopg2.connect(**(_arguments(right) | {"host": host})).close()
        asyncio.run(_asyncpg_closed(asyncpg.connect(**(_asyncpg_arguments(right) | {"host": host}))))


def test_a_name_with_changing_addresses_is_not_refused(right: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the guard finds for a name of a managed cluster need not be what the driver finds a moment later."""
    real = socket.getaddrinfo

    def changing(host: Any, *arguments: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host in ("db.test", b"db.test") else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    monkeypatch.setattr(servers, "_resolved", lambda host: frozenset({"127.0.0.77" if host == "db.test" else host}))
    monkeypatch.setattr(servers, "_learned", {})
    url = right.asyncpg.replace("127.0.0.1", "db.test")
    with guard.only(url):
        asyncio.run(_asyncpg_closed(asyncpg.connect(**(_asyncpg_arguments(right) | {"host": "db.test"}))))
        psycopg.connect(**(_arguments(right) | {"host": "db.test"})).close()
        asyncio.run(_psycopg_async(_dsn(right).replace("127.0.0.1", "db.test")))
    arguments = _arguments(right) | {"host": "db.test", "hostaddr": "127.0.0.2"}
    with pytest.raises(guard.Violation), guard.only(url):
        psycopg.connect(**arguments)


def test_a_service_file_leads_nowhere_else(right: Database, wrong: Database, tmp_path: Path) -> None:
    """A service that the code names is read, and PGSERVICE is gone."""
    file = _service_file(tmp_path, wrong)
    for attempt in (
        lambda: psycopg.connect(f"service=elsewhere servicefile={file}"),
        lambda: asyncio.run(_asyncpg_closed(asyncpg.connect(service="elsewhere", servicefile=file))),
        lambda: asyncio.run(_asyncpg_closed(asyncpg.connect(f"postgresql://?service=elsewhere&servicefile={file}"))),
    ):
        with (
            pytest.raises((guard.Violation, psycopg.ProgrammingError, TypeError)) as caught,
            guard.only(right.asyncpg),
        ):
            attempt()
        if not isinstance(caught.value, guard.Violation):
            assert "service" in str(caught.value)  # older drivers do not know the argument


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_service_file_set_inside_is_found_out(driver: str, right: Database, wrong: Database, tmp_path: Path) -> None:
    """Code that sets PGSYSCONFDIR itself, where only libpq looks: refused once libpq says where it went."""
    _service_file(tmp_path, wrong)
    connect: Callable[..., Any] = {"psycopg": psycopg.connect, "psycopg2": psycopg2.connect}[driver]
    with pytest.raises(guard.Violation), guard.only(right.asyncpg):
        os.environ["PGSYSCONFDIR"] = str(tmp_path)
        connect("service=elsewhere")
    assert "PGSYSCONFDIR" not in os.environ


@pytest.fixture
def _leading_elsewhere(wrong: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in wrong.server.environment(wrong.name).items():
        monkeypatch.setenv(name, value)
    yield


@pytest.mark.usefixtures("_leading_elsewhere")
@pytest.mark.parametrize(
    "way",
    [
        lambda: psycopg.connect().close(),
        lambda: psycopg2.connect("").close(),
        lambda: asyncio.run(_asyncpg_closed(asyncpg.connect())),
        lambda: _engine("postgresql+psycopg://"),
        lambda: asyncio.run(_async_engine("postgresql+asyncpg://")),
    ],
    ids=["psycopg", "psycopg2", "asyncpg", "SQLAlchemy psycopg", "SQLAlchemy asyncpg"],
)
def test_variables_of_libpq_lead_nowhere(way: Callable[[], None], right: Database) -> None:
    """What code connects to without saying where is not the right database."""
    with pytest.raises(guard.Violation), guard.only(right.asyncpg):
        way()


@pytest.mark.usefixtures("_leading_elsewhere")
def test_variables_are_gone_inside_and_back_afterwards(right: Database) -> None:
    """Those that choose a destination; also for subprocesses, and also when code inside sets them anew."""
    before = dict(os.environ)
    with guard.only(right.asyncpg):
        assert {"PGHOST", "PGPORT", "PGDATABASE"}.isdisjoint(os.environ)
        script = "import os; print('PGHOST' in os.environ)"
        child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert child.stdout.strip() == "False"
        os.environ["PGSERVICE"] = "elsewhere"
    assert dict(os.environ) == before


def test_a_plain_socket_to_another_server_is_refused(right: Database, postgres15: Server) -> None:
    """A driver that nobody knows still has to open a socket; ports of URLs in the environment count as PostgreSQL's."""
    name = "SOME_DATABASE_URL"
    os.environ[name] = postgres15.url()
    try:
        with pytest.raises(guard.Violation, match="a socket"), guard.only(right.asyncpg):
            socket.create_connection((postgres15.host, postgres15.port)).close()
        with guard.only(right.asyncpg):
            socket.create_connection((right.server.host, right.server.port)).close()
    finally:
        del os.environ[name]


def test_a_plain_socket_in_the_file_system_is_refused(right: Database, tmp_path: Path) -> None:
    """By its name, whether a server is there or not."""
    with (
        pytest.raises(guard.Violation, match=r"\.s\.PGSQL\.5432"),
        guard.only(right.asyncpg),
        socket.socket(socket.AF_UNIX) as attempt,
    ):
        attempt.connect(str(tmp_path / ".s.PGSQL.5432"))


def test_other_traffic_is_free(right: Database) -> None:
    """The guard is about databases: a port of something else is nothing to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener, guard.only(right.asyncpg):
        socket.create_connection(listener.getsockname()).close()


def test_own_connections_are_free(right: Database, wrong: Database) -> None:
    """`connection.run` is ours; `lifted` lets others of ours pass, and ends where its block ends."""
    query = sqlalchemy.text("SELECT current_database()")
    with guard.only(right.asyncpg):
        for url in (wrong.asyncpg, wrong.psycopg, wrong.psycopg2):
            assert connection.run(url, lambda conn: conn.execute(query).scalar()) == wrong.name
        with guard.lifted():
            psycopg.connect(_dsn(wrong)).close()
    with pytest.raises(guard.Violation), guard.only(right.asyncpg):
        with guard.lifted():
            pass
        psycopg.connect(_dsn(wrong))


def test_what_is_lifted_is_not_lifted_for_other_threads(right: Database, wrong: Database) -> None:
    """The service's threads stay watched while ours work."""
    with pytest.raises(guard.Violation), guard.only(right.asyncpg), guard.lifted():
        _in_thread(lambda: psycopg.connect(_dsn(wrong)).close())


def test_the_innermost_block_counts(right: Database, wrong: Database) -> None:
    """Nested blocks: the inner one has its database, the outer one its own again afterwards."""
    with guard.only(right.asyncpg):
        with guard.only(wrong.asyncpg):
            psycopg.connect(_dsn(wrong)).close()
            with pytest.raises(guard.Violation), guard.only(right.asyncpg):
                psycopg.connect(_dsn(wrong))
        psycopg.connect(_dsn(right)).close()


def test_everything_is_as_before(right: Database) -> None:
    """Functions, classes, import machinery and listeners."""

    def state() -> list[object]:
        return [
            asyncpg.connect_utils._connect_addr,
            psycopg.BaseConnection.__dict__["_connect_gen"],
            psycopg.BaseConnection.__dict__["__init__"],
            psycopg2._connect,
            list(sys.meta_path),
        ]

    before = state()
    with guard.only(right.asyncpg):
        assert all(one is not other for one, other in zip(before[:4], state()[:4], strict=True))
    assert state() == before
    assert not guard_drivers._listeners


def test_the_place_in_the_code_is_told(right: Database, wrong: Database, tmp_path: Path) -> None:
    """The line of env.py, also through SQLAlchemy's asyncio part."""
    source = f"""
        import asyncio
        from sqlalchemy.ext.asyncio import create_async_engine
        async def main():
            engine = create_async_engine({wrong.asyncpg!r})
            async with engine.connect():  # line 6
                pass
        asyncio.run(main())
    """
    file = tmp_path / "env.py"
    code = compile(textwrap.dedent(source), str(file), "exec")
    with pytest.raises(guard.Violation) as caught, guard.only(right.asyncpg):
        exec(code, {})  # noqa: S102 - as Alembic does it
    assert str(file) in caught.value.data["where"]


LATE = """
import sys
from stillroom.runtime.connections import guard
right, wrong, driver = sys.argv[1:]
with guard.only(right):
    assert driver not in sys.modules
    try:
        if driver == "asyncpg":
            import asyncio, asyncpg
            asyncio.run(asyncpg.connect(wrong))
        elif driver == "psycopg":
            from psycopg import connect
            connect(wrong)
        else:
            import psycopg2.extras
            psycopg2.connect(wrong)
    except guard.Violation:
        print("refused at once")
        raise
    finally:
        module = sys.modules[driver]
        print(type(module.__loader__).__name__, type(module.__spec__.loader).__name__)
"""


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "psycopg2"])
def test_a_driver_imported_later_is_watched(driver: str, right: Database, wrong: Database) -> None:
    """It is taken hold of right after its import, and sees its own loader."""
    child = subprocess.run(
        [sys.executable, "-c", LATE, right.asyncpg, _dsn(wrong), driver], capture_output=True, text=True
    )
    assert child.stdout.split("\n")[:2] == ["refused at once", "SourceFileLoader SourceFileLoader"], child.stderr
    assert "stillroom.runtime.connections.guard.Violation" in child.stderr


def test_a_socket_and_a_port_of_one_server_are_the_same(right: Database) -> None:
    """Shown by the process that owns the socket and listens on the port."""
    folder = _socket_folder(right.server)
    with guard.only(right.asyncpg):
        psycopg.connect(**(_arguments(right) | {"host": folder})).close()
        asyncio.run(_asyncpg_closed(asyncpg.connect(**(_asyncpg_arguments(right) | {"host": folder}))))
    by_socket = f"postgresql+psycopg://u@/{right.name}?host={folder}&port={right.server.port}"
    with guard.only(by_socket):
        psycopg.connect(_dsn(right)).close()


def test_a_socket_of_another_server_is_not_the_same(right: Database, postgres15: Server) -> None:
    """The database's name alone does not do."""
    folder = _socket_folder(postgres15)
    arguments = _arguments(right) | {"host": folder, "port": postgres15.port}
    with pytest.raises(guard.Violation), guard.only(right.asyncpg):
        psycopg.connect(**arguments)


def test_the_same_name_on_another_server_is_refused(right: Database, postgres15: Server) -> None:
    """Port and host count as much as the database's name."""
    for attempt in (
        lambda: psycopg.connect(postgres15.url(right.name, "postgresql")),
        lambda: asyncio.run(_asyncpg_closed(asyncpg.connect(postgres15.url(right.name, "postgresql")))),
    ):
        with pytest.raises(guard.Violation), guard.only(right.asyncpg):
            attempt()


def test_one_wrong_host_among_several_is_enough(right: Database) -> None:
    """A driver may pick any of them."""
    arguments = _arguments(right) | {"host": f"{right.server.host},192.0.2.1", "port": f"{right.server.port},5432"}
    with pytest.raises(guard.Violation, match=r"192\.0\.2\.1"), guard.only(right.asyncpg):
        psycopg2.connect(**arguments)


@pytest.mark.parametrize(
    "way",
    [
        lambda: psycopg.connect("postgresql://u@production.invalid/orders"),
        lambda: asyncio.run(_psycopg_async("postgresql://u@production.invalid/orders")),
        lambda: psycopg2.connect("postgresql://u@production.invalid/orders"),
        lambda: asyncio.run(_asyncpg_closed(asyncpg.connect("postgresql://u@production.invalid/orders"))),
    ],
    ids=["psycopg", "psycopg async", "psycopg2", "asyncpg"],
)
def test_a_host_that_cannot_be_resolved_is_refused_by_name(way: Callable[[], None], right: Database) -> None:
    """The message is about the URL in the code, not about a name server."""
    with pytest.raises(guard.Violation, match=r"production\.invalid:5432/orders"), guard.only(right.asyncpg):
        way()


def test_a_driver_with_unknown_insides_is_an_error(right: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that does not watch is worse than none."""
    monkeypatch.delattr(asyncpg.connect_utils, "_connect_addr")
    before = list(sys.meta_path)
    with pytest.raises(faults.ProjectFault) as caught, guard.only(right.asyncpg):
        pass
    assert caught.value.code == "guard-cannot-watch"
    assert "asyncpg" in caught.value.message
    assert sys.meta_path == before
