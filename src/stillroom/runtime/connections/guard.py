"""The guard: while migrations are generated and proven, this process may connect to one database only.

An `env.py` with a URL of its own, a setting left over from yesterday, a `PGHOST` in the environment: whatever leads
elsewhere is refused before the first statement, and still known at the end if the service's code swallowed the refusal.

Three nets, one behind the other: the connect functions of the drivers, deep enough that names imported earlier lead
through them (`guard_drivers`); SQLAlchemy's own events, for other databases and drivers, and for connections that a
pool had open before; Python's audit event for sockets. Subprocesses are out of reach; for them the `PG*` variables that
choose a destination are gone.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import os
import re
import sys
import sysconfig
import threading
from collections.abc import Collection, Iterator, Sequence
from types import FrameType
from typing import Any

from .. import faults
from . import destination, guard_drivers, servers, urls

__all__ = ["Violation", "lifted", "only", "watching"]

_DESTINATION_VARIABLES = (
    "PGDATABASE",
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGSYSCONFDIR",
)
_USUAL_PORTS = frozenset({5432, 6432})

_lifted: contextvars.ContextVar[bool] = contextvars.ContextVar("stillroom_guard_lifted", default=False)
_watches: list[_Watch] = []
_watches_lock = threading.RLock()
_hooked = False


class Violation(faults.RefusedFault):
    """The service's code connected, or tried to, to another database than the one that it was given.

    Args:
        attempted: `host:port/database` as far as known; never a password.
        expected: the only database allowed.
        through: the driver or layer that noticed it.
        where: file and line of the service's code; empty when not known.
        advice: how the service's code gets the right URL; empty when not known.
        key: of the address that was attempted (`Address.key`); empty where it is no whole address.

    Attributes:
        key: the same.
    """

    def __init__(self, attempted: str, expected: str, through: str, where: str, advice: str, key: str = "") -> None:
        place = f" ({where})" if where else ""
        self.key = key
        self._arguments = (attempted, expected, through, where, advice, key)
        super().__init__(
            "wrong-database",
            f"The service's code tried to connect to {attempted} through {through}{place}, "
            f"while only {expected} may be used",
            advice or "Read the URL there from where services.yaml says that env.py has it",
            data={"attempted": attempted, "expected": expected, "through": through, "where": where},
        )

    def again(self) -> Violation:
        """The same finding as a new exception, to be raised at another place."""
        return Violation(*self._arguments)


@dataclasses.dataclass
class _Watch:
    expected: urls.Address
    endpoints: tuple[tuple[str, int], ...]
    advice: str
    ports: frozenset[int]
    violations: list[Violation] = dataclasses.field(default_factory=list)


@contextlib.contextmanager
def only(url: str, *, advice: str = "", kept: Collection[str] = ()) -> Iterator[None]:
    """While active, this process connects to the database of `url` and to no other.

    May be nested; the innermost one counts. On leaving, a violation that the code inside swallowed is raised after all.

    Args:
        url: the database that may be used.
        advice: how the service's code gets this URL, for the message.
        kept: variables that stay although they choose a destination, since the service's code reads this URL from them.

    Raises:
        Violation: at the attempt, and again at the end if it was swallowed, caused by whatever else was raised.
        faults.ProjectFault: `url-invalid`; `guard-cannot-watch` for a driver whose insides are unknown.
    """
    watch = _Watch(urls.address(url), urls.endpoints(url), advice, _ports_of_databases(url))
    with _entered(watch), _scrubbed_environment(kept):
        try:
            yield
        except Violation:
            raise
        except (Exception, SystemExit) as error:
            if watch.violations:
                raise watch.violations[0].again() from error
            raise
    if watch.violations:
        raise watch.violations[0].again()


@contextlib.contextmanager
def lifted() -> Iterator[None]:
    """While active, connections that this thread (and what it awaits) opens are our own, and not checked."""
    token = _lifted.set(True)
    try:
        yield
    finally:
        _lifted.reset(token)


@contextlib.contextmanager
def watching() -> Iterator[None]:
    """Within `lifted`: while active, the guard watches again, because code of the service runs."""
    token = _lifted.set(False)
    try:
        yield
    finally:
        _lifted.reset(token)


@contextlib.contextmanager
def _entered(watch: _Watch) -> Iterator[None]:
    with _watches_lock:
        if not _watches:
            _hook_sockets()
            guard_drivers.install(_check, _refuse)
        _watches.append(watch)
    try:
        yield
    finally:
        with _watches_lock:
            _watches.remove(watch)
            if not _watches:
                guard_drivers.remove()


@contextlib.contextmanager
def _scrubbed_environment(kept: Collection[str]) -> Iterator[None]:
    names = [name for name in _DESTINATION_VARIABLES if name not in kept]
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)


def _ports_of_databases(url: str) -> frozenset[int]:
    """The ports where PostgreSQL is to be expected: the usual ones, and those of the URLs in the environment."""
    ports = {port for _, port in urls.endpoints(url)} | _USUAL_PORTS
    for value in os.environ.values():
        if re.match(r"postgres(ql)?(\+\w+)?://", value):
            with contextlib.suppress(faults.ProjectFault):
                ports |= {port for _, port in urls.endpoints(value)}
    return frozenset(ports)


# Judging an attempt


def _watching() -> _Watch | None:
    if _lifted.get():
        return None
    return _watches[-1] if _watches else None


def _check(endpoints: Sequence[tuple[str, int]], database: str | None, through: str) -> None:
    """Refuses unless every endpoint is of the expected server and the database is the expected one (None: unknown)."""
    watch = _watching()
    if watch is None:
        return
    right = database is None or database == watch.expected.database
    for host, port in endpoints:
        if not right or not _allowed(watch, host, port):
            attempted = urls.Address(destination.normalised_host(host), port, database or "?", host)
            _refuse(str(attempted), through, attempted.key)


def _allowed(watch: _Watch, host: str, port: int) -> bool:
    return any(servers.same(host, port, *endpoint) for endpoint in watch.endpoints)


def _refuse(attempted: str, through: str, key: str = "") -> None:
    watch = _watching()
    if watch is None:
        return
    violation = Violation(attempted, str(watch.expected), through, _place(), watch.advice, key)
    watch.violations.append(violation)
    raise violation


def _hook_sockets() -> None:
    """Once a process, since an audit hook cannot be taken back; it does nothing while nobody watches."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect" or not _watches:
        return
    watch, address = _watching(), arguments[1]
    if watch is None or guard_drivers.checked.get():
        return
    if isinstance(address, (str, bytes)):
        path = os.fsdecode(address)
        match = re.search(r"/\.s\.PGSQL\.(\d+)$", path)
        if match and not _allowed(watch, destination.normalised_host(path), int(match[1])):
            _refuse(f"{path} (a socket)", "a socket")
    elif isinstance(address, tuple) and len(address) >= 2 and address[1] in watch.ports:
        host, port = str(address[0]), int(address[1])
        if not _allowed(watch, host, port):
            _refuse(f"{host}:{port}", "a socket")


# Where it happened


def _place() -> str:
    """File and line of the innermost frame that is the service's own code; its env.py if all of it is installed."""
    fallback = ""
    for frame in _frames():
        name = frame.f_code.co_filename
        if name.startswith(("<", *_FOREIGN)):
            continue
        place = f"{name}, line {frame.f_lineno}"
        if not re.search(r"[/\\](site|dist)-packages[/\\]", name):
            return place
        if not fallback and name.endswith("env.py"):
            fallback = place
    return fallback


def _frames() -> Iterator[FrameType]:
    """This stack, and those of the greenlets that wait for it: SQLAlchemy's asyncio part switches between them."""
    frame: FrameType | None = sys._getframe(1)
    greenlet = sys.modules.get("greenlet")
    current = greenlet.getcurrent() if greenlet else None
    while frame is not None or current is not None:
        while frame is not None:
            yield frame
            frame = frame.f_back
        current = current.parent if current is not None else None
        frame = current.gr_frame if current is not None else None


_FOREIGN = (os.path.dirname(os.path.dirname(__file__)) + os.sep, sysconfig.get_path("stdlib") + os.sep)  # noqa: PTH120 - may be in a zip
