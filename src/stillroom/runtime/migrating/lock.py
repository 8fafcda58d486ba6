"""The lock: one migrator of a version table at a time, whatever started it.

It stands outside of Alembic, and is had before the revision is read: a lock that is taken later lets the second migrator
run what the first has done already. It is polled, never waited for: a session that waits inside PostgreSQL holds a
snapshot, and `CREATE INDEX CONCURRENTLY` waits for all of those, so that holder and waiter wait for one another.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .. import faults
from ..connections import blocking
from ..ledger import lock_key
from . import lock_holder, session

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..wire import telling

__all__ = ["Lock", "held", "key"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0

_MINE = """
SELECT pg_backend_pid(), EXISTS (
  SELECT FROM pg_catalog.pg_locks l WHERE l.pid = pg_backend_pid() AND l.locktype = 'advisory' AND l.granted
  AND l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = {key})
"""


key = lock_key.key


@dataclasses.dataclass
class Lock:
    """The lock, held.

    Attributes:
        session: the connection that holds it.
        key: its number.
        pid: of the session's server process.
        waited: seconds until it was had.
        watched: server processes of the service's own connections, whose blockers are looked for.
        blockers: who was last seen to keep one of those waiting.
        doing: what is under way, for whoever looks into `pg_stat_activity`.
        ended: a signal to end has come.
    """

    session: session.Session
    key: int
    pid: int
    waited: float
    watched: set[int] = dataclasses.field(default_factory=set)
    blockers: Sequence[blocking.Blocker] = ()
    doing: str = ""
    ended: bool = False

    def check(self) -> None:
        """Whether it is still held; asks the server.

        Raises:
            faults.DatabaseFault: `lock-lost`.
        """
        try:
            kept = self.session.run(self._kept)
        except faults.DatabaseFault as fault:
            raise _lost(fault.message) from fault
        if not kept:
            raise _lost("the session that took it is another one now: a pooler stands between")

    def beat(self, conn: Connection) -> None:
        """What the session does every while: it notes who blocks, and shows what is under way, which stands there then."""
        if self.watched:
            seen = blocking.of_sessions(conn, self.watched)
            if seen:
                self.blockers = seen
        self._kept(conn)

    def cancel(self) -> None:
        """Cancels what the service's own connections are at, if anything."""
        pids = sorted(self.watched)
        if pids:
            listed = ", ".join(map(str, pids))
            self.session.run(
                lambda conn: conn.exec_driver_sql(
                    f"SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity"
                    f" WHERE pid IN ({listed}) AND state = 'active'"
                ).all()
            )

    def release(self) -> None:
        """Gives it back.

        Raises:
            faults.DatabaseFault: `lock-lost`: it was not there any more.
        """
        given = self.session.run(
            lambda conn: conn.exec_driver_sql(f"SELECT pg_catalog.pg_advisory_unlock({self.key})").scalar()
        )
        if not given:
            raise _lost("it was not there any more when it was to be given back")

    def _kept(self, conn: Connection) -> bool:
        about = lock_holder.comment(self.doing, self.watched)
        pid, there = conn.exec_driver_sql(f"{about}{_MINE.format(key=self.key)}").one()
        return bool(there) and int(pid) == self.pid


@contextlib.contextmanager
def held(opened: session.Session, table: str, wait: float, tell: telling.Tell, doing: str = "") -> Iterator[Lock]:
    """Holds the lock for as long as the block lasts.

    Args:
        opened: the session that is to hold it, used for nothing else that is a transaction.
        table: the version table, `schema.name`.
        wait: seconds to wait for whoever holds it.
        tell: is told whom it waits for.
        doing: what is under way first, for those who wait for it.

    Raises:
        faults.DatabaseFault: `migration-locked`, naming the holder; `lock-lost`.
    """
    database, pid = opened.run(
        lambda conn: tuple(conn.exec_driver_sql("SELECT current_database()::text, pg_backend_pid()").one())
    )
    number = key(database, table)
    waited = _acquire(opened, number, f"{table} of {database}", wait, tell)
    lock = Lock(opened, number, pid, waited, doing=doing)
    opened.beat = lock.beat
    try:
        lock.check()
        yield lock
    except BaseException:
        with contextlib.suppress(faults.Fault):
            lock.release()
        raise
    lock.release()


def _acquire(opened: session.Session, number: int, what: str, wait: float, tell: telling.Tell) -> float:
    """Seconds until it was had."""
    begun, pause, told = time.monotonic(), _FIRST_PAUSE, False
    while not opened.run(lambda conn: _try(conn, number)):
        waited = time.monotonic() - begun
        if waited >= wait:
            raise _locked(what, wait, opened.run(lambda conn: lock_holder.find(conn, number)))
        if not told:
            told = True
            tell.step("wait for lock")
            holder = opened.run(lambda conn: lock_holder.find(conn, number))
            tell.warn(f"another migrator is at {what}: {lock_holder.described(holder)}")
        time.sleep(min(pause * random.uniform(0.5, 1.5), wait - waited))  # noqa: S311 - so that they do not ask in step
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    return time.monotonic() - begun


def _try(conn: Connection, number: int) -> bool:
    return bool(conn.exec_driver_sql(f"SELECT pg_catalog.pg_try_advisory_lock({number})").scalar())


def _locked(what: str, wait: float, holder: lock_holder.Holder | None) -> faults.DatabaseFault:
    ends = f"; if it hangs: SELECT pg_terminate_backend({holder.pid});" if holder is not None else ""
    return faults.DatabaseFault(
        "migration-locked",
        f"the lock for {what} was not to be had within {wait:g} s: it is held by {lock_holder.described(holder)}",
        f"let that migration end and run this again, or wait longer (--lock-wait){ends}",
        data={"holder": None if holder is None else holder.to_dict()},
    )


def _lost(why: str) -> faults.DatabaseFault:
    return faults.DatabaseFault(
        "lock-lost",
        f"the migration lock was lost on the way: {why}",
        "run it again; behind a pooler set MIGRATION_DATABASE_URL to an address of the server itself",
    )
