"""Where the guard takes hold of SQLAlchemy, asyncpg, psycopg and psycopg2, and lets go of them again.

Each driver is taken at the innermost Python function through which all its ways to connect lead, so that it makes no
difference whether `from asyncpg import connect` ran before. A driver that is imported later is taken right after its
import. A driver whose insides are not as expected is an error: a guard that does not watch is worse than none.
"""

from __future__ import annotations

import contextvars
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

from .. import faults
from . import guard_libpq, urls

__all__ = ["checked", "install", "remove"]

Check = guard_libpq.Check
Refuse = Callable[[str, str], None]
"""(what was attempted, through): raises."""

checked: contextvars.ContextVar[bool] = contextvars.ContextVar("stillroom_guard_checked", default=False)
"""A driver that has been checked is connecting: what its host name resolves to is its own affair."""

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
        # SQLAlchemy before 1.4.24 does not say which connection it has adapted.
        adapted = getattr(dbapi_connection, "_connection", dbapi_connection)
        driver_connection = getattr(dbapi_connection, "driver_connection", adapted)
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
            token = checked.set(True)
            try:
                return await original(addr=addr, params=params, **rest)
            finally:
                checked.reset(token)

        return connect_addr

    _replace(module.connect_utils, "_connect_addr", make)


def _asyncpg_endpoint(addr: Any) -> tuple[str, int]:
    if isinstance(addr, str):
        folder, _, port = addr.rpartition("/.s.PGSQL.")
        return (folder, int(port)) if folder else (addr, 0)
    return (str(addr[0]), int(addr[1]))


def _asyncpg_destination(connection: Any) -> tuple[tuple[str, int], str]:
    return _asyncpg_endpoint(connection._addr), connection._params.database


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
    "psycopg": lambda module, check: guard_libpq.take_psycopg(module, check, _replace),
    "psycopg2": lambda module, check: guard_libpq.take_psycopg2(module, check, _replace),
}

_REAL: dict[str, Callable[[Any], tuple[tuple[str, int], str]]] = {
    "asyncpg": _asyncpg_destination,
    "psycopg": lambda connection: guard_libpq.pgconn_destination(connection.pgconn),
    "psycopg2": guard_libpq.psycopg2_destination,
}
