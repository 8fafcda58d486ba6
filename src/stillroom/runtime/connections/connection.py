"""One connection, one piece of work, with whichever driver a URL names.

Each call opens its own connection and closes it. The work gets a synchronous SQLAlchemy connection, also with asyncpg,
so whatever uses it is written once. Nothing of a call stays behind in the process: no event loop, no pool, no handler,
because the service's own code runs in the same process afterwards.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import importlib
import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import sqlalchemy
import sqlalchemy.event
import sqlalchemy.exc
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import NullPool

from .. import faults
from . import diagnosis, driver_arguments, guard, urls

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = [
    "Keeper",
    "check_server",
    "diagnosed",
    "engine",
    "import_driver",
    "in_transaction",
    "keepers",
    "run",
    "run_task",
]

_T = TypeVar("_T")


class Keeper(Protocol):
    """Who keeps a connection open (see `kept`)."""

    def run(self, work: Callable[[Connection], _T]) -> _T:
        """What `work` returns, in a transaction of its own."""
        ...


keepers: dict[str, Keeper] = {}
"""URL -> who has a connection to it that stays open."""

_JSON_TYPES = (("json", 114, b""), ("jsonb", 3802, b"\x01"))


def run(
    url: str,
    work: Callable[[Connection], _T],
    *,
    autocommit: bool = False,
    connect_timeout: float = 10.0,
    application_name: str = "stillroom",
) -> _T:
    """What `work` returns, given one fresh connection to the database of `url`; the connection is closed afterwards.

    Args:
        url: any PostgreSQL URL; its options (TLS, sockets, several hosts) are honoured.
        work: called once with a synchronous connection. Unless `autocommit`, one transaction spans it: committed when
            it returns, rolled back when it raises.
        autocommit: each statement is a transaction of its own (`CREATE DATABASE`, advisory locks that are polled).
        connect_timeout: seconds until a server that does not answer counts as unreachable.
        application_name: what `pg_stat_activity` shows; at most 63 bytes.

    Raises:
        faults.DatabaseFault: what the driver or the server had to say (codes: see `diagnosis`).
        faults.ProjectFault: `url-invalid`.
        Exception: whatever else `work` raises, as it is.
    """
    if not autocommit and url in keepers and not _loop_runs_here():
        return keepers[url].run(work)
    with guard.lifted():
        made = engine(url, connect_timeout=connect_timeout, application_name=application_name)
        if isinstance(made, Engine):
            return _carry_out(made, urls.parse(url), work, autocommit)
        return _outside_loops(lambda: _with_asyncpg(made, urls.parse(url), work, autocommit))


def check_server(url: str, fault: faults.Fault) -> None:
    """Whether the server still answers, and has room; where not, nobody's code is to blame for what failed.

    Args:
        url: of the database that was worked on.
        fault: what failed.

    Raises:
        faults.Fault: `fault` itself, if it says that nobody answers, or that disk, memory or connections are used up;
            what connecting gives.
    """
    if fault.code in diagnosis.OF_THE_SERVER:
        raise fault
    run(url, lambda conn: conn.exec_driver_sql("SELECT 1").close())


def engine(url: str, *, connect_timeout: float = 10.0, application_name: str = "stillroom") -> Engine | AsyncEngine:
    """A fresh engine without a pool, with asyncpg an asynchronous one; it spares the server SQLAlchemy's questions.

    Raises:
        faults.DatabaseFault: `driver-missing`, `greenlet-missing`, `dialect-missing`.
        faults.ProjectFault: `url-invalid`.
    """
    parsed = urls.parse(url)
    driver = import_driver(parsed)
    arguments = driver_arguments.arguments(parsed, driver, connect_timeout, application_name)
    if driver == "asyncpg":
        import sqlalchemy.ext.asyncio as sqlalchemy_asyncio

        asynchronous = sqlalchemy_asyncio.create_async_engine("postgresql+asyncpg://", **_engine_options(arguments))
        _spare_round_trips(asynchronous.sync_engine)
        return asynchronous
    made = _sync_engine(driver, arguments)
    _spare_round_trips(made)
    sqlalchemy.event.listen(made, "invalidate", _cancel_when_interrupted)
    return made


def _sync_engine(driver: str, arguments: dict[str, Any]) -> Engine:
    options = _engine_options(arguments)
    try:
        return sqlalchemy.create_engine(f"postgresql+{driver}://", use_native_hstore=False, **options)
    except sqlalchemy.exc.NoSuchModuleError as error:  # psycopg 3 with SQLAlchemy 1.4
        raise diagnosis.dialect_missing(driver, error) from error


def _carry_out(made: Engine, url: URL, work: Callable[[Connection], _T], autocommit: bool) -> _T:
    connection = None
    try:
        with diagnosed(url, connecting=True):
            connection = made.connect()
        with diagnosed(url, connecting=False):
            return in_transaction(connection, work, autocommit)
    finally:
        if connection is not None:
            connection.close()
        made.dispose()


def _cancel_when_interrupted(dbapi_connection: Any, _record: Any, error: BaseException | None) -> None:
    """Before libpq closes a connection in the middle of a statement, which a busy server would not notice."""
    if error is not None and not isinstance(error, Exception):
        dbapi_connection.cancel()


async def _with_asyncpg(made: AsyncEngine, url: URL, work: Callable[[Connection], _T], autocommit: bool) -> _T:
    connection = made.connect()
    try:
        with diagnosed(url, connecting=True):
            await connection.start()
        with diagnosed(url, connecting=False):
            return await connection.run_sync(in_transaction, work, autocommit)
    finally:
        if connection.sync_connection is not None:
            await connection.close()


def in_transaction(connection: Connection, work: Callable[[Connection], _T], autocommit: bool = False) -> _T:
    """What `work` returns; then commits, unless each statement is to be a transaction of its own."""
    if autocommit:
        return work(connection.execution_options(isolation_level="AUTOCOMMIT"))
    result = work(connection)
    connection.commit()
    return result


@contextmanager
def diagnosed(url: URL, *, connecting: bool) -> Iterator[None]:
    """Errors of the driver and the server come out as `faults.DatabaseFault`; others as they are."""
    try:
        yield
    except Exception as error:
        fault = diagnosis.database_fault(error, url, connecting=connecting)
        if fault is None:
            raise
        raise fault from error


def _engine_options(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"poolclass": NullPool, "connect_args": arguments, "future": True}


def import_driver(url: URL) -> str:
    """The driver of a URL, imported, with what SQLAlchemy needs beside it.

    Raises:
        faults.DatabaseFault: `driver-missing`, `greenlet-missing`.
    """
    driver = urls.known_driver(url)
    try:
        importlib.import_module(driver)
    except ImportError as error:
        raise diagnosis.driver_missing(driver, error) from error
    if driver == "asyncpg":
        try:
            importlib.import_module("greenlet")
        except ImportError as error:
            raise diagnosis.greenlet_missing(error) from error
    return driver


# Event loops


def _outside_loops(main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """The result of a coroutine, whether or not a loop runs in this thread."""
    if not _loop_runs_here():
        return _in_own_loop(main())
    with concurrent.futures.ThreadPoolExecutor(1, "stillroom-connection") as pool:
        # The context goes along, because it says that the guard is lifted for us.
        return pool.submit(contextvars.copy_context().run, lambda: _in_own_loop(main())).result()


def _loop_runs_here() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_own_loop(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Like `asyncio.run`, which leaves the thread without a current loop, so that env.py's `get_event_loop` fails."""
    loop = asyncio.new_event_loop()
    try:
        return run_task(loop, coroutine)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def run_task(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, _T]) -> _T:
    """The result of a coroutine. An interrupt cancels it, and lets it clean up, before it comes out."""
    task = loop.create_task(coroutine)
    try:
        return loop.run_until_complete(task)
    except BaseException:
        # An interrupt stops the loop, not the task; it must get to its `finally` for the connection to be closed.
        if not task.done():
            task.cancel()
            loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        raise


# What SQLAlchemy asks a server at its first connection, known without asking


def _spare_round_trips(engine: Engine) -> None:
    """Answers from the driver what SQLAlchemy would ask of the server: some ten round trips of each connection."""
    dialect: Any = engine.dialect
    dialect._get_server_version_info = _server_version
    dialect.get_default_isolation_level = lambda _: "READ COMMITTED"
    dialect._set_backslash_escapes = lambda _: setattr(dialect, "_backslash_escapes", False)
    if hasattr(
        dialect, "setup_asyncpg_json_codec"
    ):  # before 1.4.18, SQLAlchemy asks for both in one function of its own
        introspected = (dialect.setup_asyncpg_json_codec, dialect.setup_asyncpg_jsonb_codec)
        dialect.setup_asyncpg_json_codec = lambda connection: _json_codecs(connection, introspected)
        dialect.setup_asyncpg_jsonb_codec = _nothing


def _server_version(connection: Connection) -> tuple[int, ...]:
    driver: Any = connection.connection
    driver = getattr(driver, "dbapi_connection", driver)  # SQLAlchemy 1.4 passes the driver's connection itself
    driver = getattr(driver, "_connection", driver)
    if hasattr(driver, "get_server_version"):
        version = driver.get_server_version()
        return (version.major, version.micro)
    number = driver.info.server_version
    return (number // 10000, number % 10000)


async def _json_codecs(connection: Any, introspected: tuple[Callable[[Any], Any], ...]) -> None:
    """JSON comes back as Python values, as with the other drivers, without asking for OIDs that never change."""
    try:
        settings = connection._connection._protocol.get_settings()
        for name, oid, prefix in _JSON_TYPES:
            codec = _JsonCodec(prefix)
            settings.add_python_codec(oid, name, "pg_catalog", [], "scalar", codec.encode, codec.decode, "binary")
    except (AttributeError, TypeError):  # this asyncpg is built otherwise: the documented way
        for setup in introspected:
            await setup(connection)


class _JsonCodec:
    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix

    def encode(self, text: str) -> bytes:
        return self._prefix + text.encode()

    def decode(self, value: bytes) -> Any:
        return json.loads(value[len(self._prefix) :])


async def _nothing(_: Any) -> None:
    return None
