"""Where the guard takes hold of SQLAlchemy, asyncpg, psycopg and psycopg2, and lets go of them again.

Each driver is taken at the innermost Python function through which all its ways to connect lead, so that it makes no
difference whether `from asyncpg import connect` ran before. A driver that is imported later is taken right after its
import. A driver whose insides are not as expected is an error: a guard that does not watch is worse than none.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import sqlalchemy.engine
import sqlalchemy.event
import sqlalchemy.pool

from . import destination, faults, urls

__all__ = ["install", "remove"]

Check = Callable[[Sequence[tuple[str, int]], "str | None", str], None]
"""(endpoints, database or None, through): raises when it may not be."""
Refuse = Callable[[str, str], None]
"""(what was attempted, through): raises."""

_replaced: list[tuple[Any, str, Any]] = []
_listeners: list[tuple[Any, str, Callable[..., Any]]] = []
_finders: list[_LateDrivers] = []


def install(check: Check, refuse: Refuse) -> None:
    """Takes hold of SQLAlchemy and of every driver, those included that are imported later.

    Raises:
        faults.ProjectFault: `guard-cannot-watch`.
    """
    _listen(sqlalchemy.engine.Engine, "do_connect", _before_connect(check, refuse))
    _listen(sqlalchemy.pool.Pool, "checkout", _before_use(check))
    finder = _LateDrivers(check)
    sys.meta_path.insert(0, finder)
    _finders.append(finder)
    try:
        for name, take in _DRIVERS.items():
            if name in sys.modules:
                _take(take, sys.modules[name], check)
    except BaseException:
        remove()
        raise


def remove() -> None:
    """Leaves everything as it was before `install`."""
    while _replaced:
        owner, name, original = _replaced.pop()
        setattr(owner, name, original)
    while _listeners:
        sqlalchemy.event.remove(*_listeners.pop())
    while _finders:
        sys.meta_path.remove(_finders.pop())


def _replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    original = vars(owner)[name]
    setattr(owner, name, make(original))
    _replaced.append((owner, name, original))


def _take(take: Callable[[Any, Check], None], module: ModuleType, check: Check) -> None:
    try:
        take(module, check)
    except (AttributeError, KeyError) as error:
        version = getattr(module, "__version__", "of unknown version")
        raise faults.ProjectFault(
            "guard-cannot-watch",
            f"The guard cannot watch {module.__name__} {version}: {error}",
            f"Install a version of {module.__name__} that this version of stillroom knows, or a newer stillroom",
        ) from error


# SQLAlchemy


def _listen(target: Any, name: str, listener: Callable[..., None]) -> None:
    sqlalchemy.event.listen(target, name, listener)
    _listeners.append((target, name, listener))


def _before_connect(check: Check, refuse: Refuse) -> Callable[..., None]:
    def before_connect(dialect: Any, _record: Any, arguments: Sequence[Any], options: Mapping[str, Any]) -> None:
        if dialect.name != "postgresql":
            named = options.get("database") or options.get("db") or (arguments[0] if arguments else "")
            refuse(f"a {dialect.name} database ({urls.masked(str(named)) or 'in memory'})", "SQLAlchemy")
        elif dialect.driver.removesuffix("_async") not in _DRIVERS:
            host = str(options.get("host") or options.get("unix_sock") or "localhost")
            database = options.get("database") or options.get("dbname")
            check([(host, int(options.get("port") or 5432))], database, f"SQLAlchemy with {dialect.driver}")

    return before_connect


def _before_use(check: Check) -> Callable[..., None]:
    """For connections that a pool of the service had open before the guard went up."""

    def before_use(dbapi_connection: Any, _record: Any, _proxy: Any) -> None:
        driver_connection = getattr(dbapi_connection, "driver_connection", dbapi_connection)
        driver = type(driver_connection).__module__.partition(".")[0]
        if driver in _REAL:
            endpoint, database = _REAL[driver](driver_connection)
            check([endpoint], database, f"SQLAlchemy's pool with {driver}")

    return before_use


# asyncpg


def _take_asyncpg(module: Any, check: Check) -> None:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        async def connect_addr(*, addr: Any, params: Any, **rest: Any) -> Any:
            check([_asyncpg_endpoint(addr)], params.database, "asyncpg")
            return await original(addr=addr, params=params, **rest)

        return connect_addr

    _replace(module.connect_utils, "_connect_addr", make)


def _asyncpg_endpoint(addr: Any) -> tuple[str, int]:
    if isinstance(addr, str):
        folder, _, port = addr.rpartition("/.s.PGSQL.")
        return (folder, int(port)) if folder else (addr, 0)
    return (str(addr[0]), int(addr[1]))


def _asyncpg_destination(connection: Any) -> tuple[tuple[str, int], str]:
    return _asyncpg_endpoint(connection._addr), connection._params.database


# psycopg 3, synchronous and asynchronous


def _take_psycopg(module: Any, check: Check) -> None:
    def before(original: Any) -> Any:
        def connect_gen(cls: Any, conninfo: str = "", *arguments: Any, **options: Any) -> Any:
            _check_conninfo(module.conninfo.conninfo_to_dict(conninfo), check, "psycopg")
            return original.__func__(cls, conninfo, *arguments, **options)

        return classmethod(connect_gen)

    def after(original: Any) -> Any:
        def init(self: Any, pgconn: Any, *arguments: Any, **options: Any) -> None:
            _check_real(pgconn, check)
            original(self, pgconn, *arguments, **options)

        return init

    def before_names(original: Callable[..., Any]) -> Callable[..., Any]:
        def conninfo_attempts(parameters: Any, *arguments: Any, **options: Any) -> Any:
            _check_conninfo(parameters, check, "psycopg")
            return original(parameters, *arguments, **options)

        return conninfo_attempts

    # Where this psycopg resolves host names itself: a name that cannot be resolved is refused by name, too.
    for place, name in (("connection", "conninfo_attempts"), ("connection_async", "conninfo_attempts_async")):
        submodule = getattr(module, place, None)
        if hasattr(submodule, name):
            _replace(submodule, name, before_names)
    _replace(module.BaseConnection, "_connect_gen", before)
    _replace(module.BaseConnection, "__init__", after)


def _check_real(pgconn: Any, check: Check) -> None:
    """Asks libpq where it really went, whatever service files and variables said; closes it if it is wrong."""
    try:
        endpoint, database = _pgconn_destination(pgconn)
        check([endpoint], database, "psycopg")
    except faults.RefusedFault:
        pgconn.finish()
        raise


def _pgconn_destination(pgconn: Any) -> tuple[tuple[str, int], str]:
    host = (getattr(pgconn, "hostaddr", b"") or pgconn.host or b"localhost").decode()
    return (host, int(pgconn.port or b"5432")), pgconn.db.decode()


# psycopg2


def _take_psycopg2(module: Any, check: Check) -> None:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def connect(dsn: str, *arguments: Any, **options: Any) -> Any:
            _check_conninfo(module.extensions.parse_dsn(dsn), check, "psycopg2")
            connection = original(dsn, *arguments, **options)
            try:
                endpoint, database = _psycopg2_destination(connection)
                check([endpoint], database, "psycopg2")
            except faults.RefusedFault:
                connection.close()
                raise
            return connection

        return connect

    _replace(module, "_connect", make)


def _psycopg2_destination(connection: Any) -> tuple[tuple[str, int], str]:
    info = connection.info
    host = info.dsn_parameters.get("hostaddr") or info.host or "localhost"
    return (host, int(info.port or 5432)), info.dbname


def _check_conninfo(parameters: Mapping[str, Any], check: Check, through: str) -> None:
    """Refuses before anything is sent, as far as the text says where it leads; the rest is checked when connected."""
    settings = destination.service_settings(
        str(parameters.get("service") or ""), str(parameters.get("servicefile") or "")
    )
    if parameters.get("service") and not settings:
        return  # of a file in a place that only libpq knows
    merged = {**settings, **{name: str(value) for name, value in parameters.items() if value is not None}}
    ports = (merged.get("port") or "").split(",")
    hosts = (merged.get("hostaddr") or merged.get("host") or destination.default_host(int(ports[0] or 5432))).split(",")
    pairs = [(host, ports[index] if len(ports) > 1 else ports[0]) for index, host in enumerate(hosts)]
    check([(host, int(port or 5432)) for host, port in pairs], merged.get("dbname") or merged.get("user"), through)


# Drivers that are imported while the guard is up


class _LateDrivers(importlib.abc.MetaPathFinder):
    """Finds drivers as everybody else does, and takes hold of them when they have been executed."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._here = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The ordinary spec of a driver, with a loader that calls us back; None for every other module."""
        if fullname not in _DRIVERS or getattr(self._here, "asking", False):
            return None
        self._here.asking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._here.asking = False
        if spec is not None and spec.loader is not None:
            spec.loader = _CallingBack(spec.loader, self._taken)
        return spec

    def _taken(self, module: ModuleType) -> None:
        if self in _finders:  # still up
            _take(_DRIVERS[module.__name__], module, self._check)


class _CallingBack(importlib.abc.Loader):
    def __init__(self, loader: Any, executed: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._executed = executed

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """As the real loader does it."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """As the real loader does it, which is also what the module sees; then tells."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._executed(module)


_DRIVERS: dict[str, Callable[[Any, Check], None]] = {
    "asyncpg": _take_asyncpg,
    "psycopg": _take_psycopg,
    "psycopg2": _take_psycopg2,
}

_REAL: dict[str, Callable[[Any], tuple[tuple[str, int], str]]] = {
    "asyncpg": _asyncpg_destination,
    "psycopg": lambda connection: _pgconn_destination(connection.pgconn),
    "psycopg2": _psycopg2_destination,
}
