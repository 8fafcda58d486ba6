"""A scratch database that somebody gives: empty when we come, used by one run at a time, empty when we leave.

Nothing that was there before is touched: what counts as ours is what has arisen since, by object identity. What was
there is also noted in the database itself, so that the run that follows a killed one can empty it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import getpass
import logging
import os
import pkgutil
import random
import socket
import threading
from collections.abc import Iterator

import sqlalchemy
import sqlalchemy.exc
from sqlalchemy.engine import Connection

from .. import faults
from ..connections import connection, diagnosis, urls
from ..housekeeping import ending
from . import scratch_note

__all__ = ["borrowed", "empty"]

_LOG = logging.getLogger("stillroom.scratch")
_KEY = 7_310_579_862_114_650_211  # any number that nothing else uses; advisory locks are per database
_SHOWN = 8
_ROUNDS = 6
# What was there when it was borrowed, by the address of each database that this process has borrowed.
_in_use: dict[urls.Address, _Loan] = {}

# What may be in a database that counts as empty: what an administrator prepares and no migration of a service makes.
_PREPARED = frozenset(
    {"schema", "extension", "default acl", "publication", "event trigger", "foreign-data wrapper", "server", "language"}
)

# What DROP calls them, where it is not what pg_identify_object calls them.
_WORDS = {
    "aggregate": "ROUTINE",
    "composite type": "TYPE",
    "foreign-data wrapper": "FOREIGN DATA WRAPPER",
    "function": "ROUTINE",
    "procedure": "ROUTINE",
    "statistics object": "STATISTICS",
}


@dataclasses.dataclass(frozen=True, order=True)
class _Object:
    """An object outside of extensions and system schemas; `rank` says in which order it is best dropped."""

    rank: int
    kind: str
    identity: str
    oid: int

    def drop(self) -> str:
        if self.kind == "large object":
            return f"SELECT pg_catalog.lo_unlink({self.oid})"
        if self.kind == "default acl":
            return _resource("scratch_default_acl.sql").replace("{oid}", str(self.oid))
        word = _WORDS.get(self.kind, self.kind.upper())
        return f"DROP {word} IF EXISTS {self.identity} CASCADE"


@contextlib.contextmanager
def borrowed(scratch_url: str, service_url: str, service: str, *, wait_seconds: float) -> Iterator[list[str]]:
    """The given database, ours alone for the duration of the block; the value is the list of warnings, still growing.

    Raises:
        faults.RefusedFault: `scratch-is-service-database`, `scratch-not-empty`, `scratch-busy`.
        faults.DatabaseFault: whatever connecting gives.
    """
    address = urls.address(scratch_url)
    if address == urls.address(service_url):
        raise faults.RefusedFault(
            "scratch-is-service-database",
            f"The given scratch database {address} is the service's own database",
            "Let the scratch variable name another, empty database",
        )
    if address in _in_use:
        raise _busy(address, "this very process")
    loan = _Loan(scratch_url, service)
    debt = ending.owe(loan.give_back)
    try:
        _in_use[address] = loan
        loan.take(wait_seconds)
        yield loan.warnings
    finally:
        ending.pay(debt)


def empty(url: str) -> None:
    """Empties a borrowed database in between, so that it is as it was when it was borrowed.

    Raises:
        faults.DatabaseFault: `scratch-not-emptied` naming what stays.
    """

    before = _in_use[urls.address(url)].before
    left = connection.run(url, lambda conn: _clean(conn, before or frozenset()), autocommit=True)
    if left:
        raise faults.DatabaseFault(
            "scratch-not-emptied",
            f"the given scratch database {urls.address(url)} could not be emptied: {'; '.join(left[:_SHOWN])}",
            "let its role own what is made there, or give another empty database",
        )


class _Loan:
    """A given database, from before it is locked until after it is empty again and unlocked.

    Attributes:
        before: kind and oid of what was there, our note included; None until it is known, and ours.
        warnings: what did not go as it should.
    """

    def __init__(self, url: str, service: str) -> None:
        self.before: frozenset[tuple[str, int]] | None = None
        self.warnings: list[str] = []
        self._url = url
        self._service = service
        self._lock = _Lock(url, service, self.warnings)

    def take(self, wait_seconds: float) -> None:
        """Locks it, recovers what a killed run left in it, and makes sure that it is empty."""
        self._lock.acquire(wait_seconds)
        noted = connection.run(self._url, scratch_note.read)
        if noted is not None:
            self._recover(noted)
        objects = connection.run(self._url, _objects)
        _refuse_unless_empty(urls.address(self._url), objects)
        before = frozenset((each.kind, each.oid) for each in objects) | {scratch_note.OBJECT}
        self.before = before
        with contextlib.suppress(faults.DatabaseFault):  # a killed run's rest is then somebody's to drop by hand
            connection.run(self._url, lambda conn: scratch_note.write(conn, self._service, before))

    def _recover(self, noted: scratch_note.Note) -> None:
        """Whoever wrote the note has lost the lock, so what has arisen since belongs to nobody."""
        arisen = [each for each in connection.run(self._url, _objects) if (each.kind, each.oid) not in noted.before]
        if not arisen:
            return
        address = urls.address(self._url)
        connection.run(self._url, _end_others, autocommit=True)
        if not connection.run(self._url, lambda conn: _clean(conn, noted.before), autocommit=True):
            count = f"{len(arisen)} object{'s' if len(arisen) != 1 else ''}"
            self.warnings.append(
                f"The given scratch database {address} held {count} that {noted.whose} had left in it; it was emptied"
            )

    def give_back(self) -> None:
        """Empties it again, unless it was never ours, and unlocks it; whatever goes wrong is a warning."""
        try:
            if self.before is not None:
                self._clean_or_warn(self.before)
        finally:
            self._lock.release()
            _in_use.pop(urls.address(self._url), None)

    def _clean_or_warn(self, before: frozenset[tuple[str, int]]) -> None:
        def work(conn: Connection) -> list[str]:
            left = _clean(conn, before)
            if not left:
                scratch_note.erase(conn)
            return left

        try:
            left = connection.run(self._url, work, autocommit=True)
        except faults.Fault as fault:
            left = [fault.message]
        if left:
            address = urls.address(self._url)
            warning = f"The given scratch database {address} could not be emptied again: {'; '.join(left[:_SHOWN])}"
            self.warnings.append(warning)
            _LOG.warning(warning)


def _objects(conn: Connection) -> list[_Object]:
    """All but our own note."""
    rows = conn.exec_driver_sql(_resource("scratch_objects.sql"), execution_options={"no_parameters": True}).all()
    found = sorted(_Object(*row) for row in rows)
    if any((each.kind, each.oid) == scratch_note.OBJECT for each in found) and scratch_note.read(conn) is not None:
        return [each for each in found if (each.kind, each.oid) != scratch_note.OBJECT]
    return found


def _resource(name: str) -> str:
    return (pkgutil.get_data(__package__, name) or b"").decode()


def _refuse_unless_empty(address: urls.Address, objects: list[_Object]) -> None:
    found = [f"{each.kind} {each.identity}" for each in objects if each.kind not in _PREPARED]
    if not found:
        return
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise faults.RefusedFault(
        "scratch-not-empty",
        f"The given scratch database {address} is not empty: {', '.join(found[:_SHOWN])}{more}",
        "Give an empty database; it is never emptied of what somebody else made "
        f"(if nothing in it matters: DROP DATABASE {address.database}; CREATE DATABASE {address.database};)",
        data={"objects": found},
    )


# Emptying


def _clean(conn: Connection, before: frozenset[tuple[str, int]]) -> list[str]:
    """Drops what has arisen, one statement each, so that the server's lock table never fills; returns what stays."""
    conn.execute(sqlalchemy.text(_WRITABLE))
    arisen: list[_Object] = []
    for _ in range(_ROUNDS):
        arisen = [each for each in _objects(conn) if (each.kind, each.oid) not in before]
        refused = [_refusal(conn, each) for each in arisen]
        if not any(refused):
            return []
    return [f"{each.kind} {each.identity} ({why})" for each, why in zip(arisen, refused, strict=True) if why]


def _refusal(conn: Connection, thing: _Object) -> str | None:
    try:
        conn.exec_driver_sql(thing.drop(), execution_options={"no_parameters": True})
    except sqlalchemy.exc.DBAPIError as error:
        if diagnosis.sqlstate(error) == "55P03":  # lock_not_available
            _end_others(conn)
        return diagnosis.text(error)
    return None


def _end_others(conn: Connection) -> None:
    """Ends what an interrupted run left at work here; not who is idle, nor who holds or awaits the lock."""
    conn.execute(sqlalchemy.text(_OTHERS))


_WRITABLE = """
SELECT pg_catalog.set_config('default_transaction_read_only', 'off', false),
       pg_catalog.set_config('lock_timeout', '2s', false)
"""
_OTHERS = """
SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND state <> 'idle'
  AND application_name NOT LIKE 'stillroom scratch %' AND pg_catalog.pg_has_role(usesysid, 'MEMBER')
"""


# One run at a time


class _Lock:
    """A session-level advisory lock on a connection of its own, held by a thread, because the work has its own ones."""

    def __init__(self, url: str, service: str, warnings: list[str]) -> None:
        self._url = url
        self._warnings = warnings
        self._name = f"stillroom scratch {service} {getpass.getuser()}@{socket.gethostname()} pid {os.getpid()}"
        self._granted: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._done = threading.Event()
        self._holder: threading.Thread | None = None

    def acquire(self, wait_seconds: float) -> None:
        """Waits until it is ours.

        Raises:
            faults.RefusedFault: `scratch-busy` when the wait is over.
        """
        self._holder = threading.Thread(
            target=self._main, args=(wait_seconds,), name="stillroom-scratch-lock", daemon=True
        )
        self._holder.start()
        self._granted.result()

    def release(self) -> None:
        """Gives it up, or gives up waiting for it."""
        self._done.set()
        if self._holder is not None and self._holder.ident is not None:
            self._holder.join(timeout=10)

    def _main(self, wait_seconds: float) -> None:
        name = self._name.encode()[:63].decode(errors="ignore")
        try:
            connection.run(
                self._url, lambda conn: self._hold(conn, wait_seconds), autocommit=True, application_name=name
            )
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits for it
            if self._granted.done():
                self._warnings.append(f"The connection that held the lock on {urls.address(self._url)} broke: {error}")
            else:
                self._granted.set_exception(error)

    def _hold(self, conn: Connection, wait_seconds: float) -> None:
        _lock(conn, urls.address(self._url), wait_seconds, self._done)
        self._granted.set_result(None)
        self._done.wait()
        if not conn.execute(sqlalchemy.text("SELECT pg_catalog.pg_advisory_unlock(:key)"), {"key": _KEY}).scalar():
            self._warnings.append(
                f"The lock on the given scratch database {urls.address(self._url)} was lost on the way (a pooler in "
                "between?), so another run may have used it, too; give a direct URL"
            )


def _lock(conn: Connection, address: urls.Address, wait_seconds: float, given_up: threading.Event) -> None:
    """Polls: a session that waits inside `pg_advisory_lock` holds a snapshot, for which others wait in turn."""
    if int((conn.dialect.server_version_info or (0,))[0]) >= 14:
        conn.execute(sqlalchemy.text("SET idle_session_timeout = 0"))
    waited, pause = 0.0, 0.05
    while not conn.execute(sqlalchemy.text("SELECT pg_catalog.pg_try_advisory_lock(:key)"), {"key": _KEY}).scalar():
        if waited >= wait_seconds or given_up.is_set():
            raise _busy(address, _holder(conn))
        given_up.wait(pause)
        waited += pause
        pause = min(pause * random.uniform(1.2, 1.6), 1.0)  # noqa: S311 - spread, not secrecy


def _holder(conn: Connection) -> str:
    row = conn.execute(sqlalchemy.text(_HOLDER), {"high": _KEY >> 32, "low": _KEY & 0xFFFFFFFF}).first()
    return f"session {row[0]} ({row[1]!r} from {row[2]}, since {row[3]})" if row else "a session that has just ended"


_HOLDER = """
SELECT a.pid, a.application_name, coalesce(host(a.client_addr), 'a local socket'),
       pg_catalog.to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ')
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND l.classid::bigint = :high AND l.objid::bigint = :low
"""


def _busy(address: urls.Address, holder: str) -> faults.RefusedFault:
    return faults.RefusedFault(
        "scratch-busy",
        f"The given scratch database {address} is in use by {holder}",
        "Wait for it, give each service a scratch database of its own, or end that session: "
        "SELECT pg_terminate_backend(PID)",
    )
