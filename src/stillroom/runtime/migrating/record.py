"""One run in the ledger, from its beginning to its end. A ledger that can't be written stops no migration; it is said."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .. import faults
from ..applying import situation
from ..connections import connection
from ..ledger import entries, fingerprint, tables, writing
from ..projects import project
from ..reading import kinds
from . import lock, settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..reading import revision_file
    from ..standing import observe
    from ..wire import telling

__all__ = ["Record"]


class Record:
    """The entry of a run.

    Args:
        held: the lock, whose session writes.
        found: the service before the run.
        wanted: how it goes about it.
        tell: is told what can't be written.

    Attributes:
        retries: how often a revision was tried again.
        measures: further numbers, by name.
        proven: whether the schema at the end is what the revisions left, so that its fingerprint is recorded.
    """

    def __init__(
        self, held: lock.Lock, found: situation.Situation, wanted: settings.Settings, tell: telling.Tell
    ) -> None:
        self.retries = 0
        self.measures: dict[str, float] = {}
        self.proven = True
        self._lock = held
        self._found = found
        self._wanted = wanted
        self._tell = tell
        self._id: int | None = None
        self._begun = time.monotonic()

    def begin(self, target: Sequence[str]) -> None:
        """Notes that it begins.

        Args:
            target: the rows that the version table is to have.
        """

        def work(conn: Connection) -> int | None:
            ready = tables.ensure(conn)
            if not ready:
                self._tell.warn(f"{self._found.service.name}: {ready.warning}")
                return None
            return writing.begin(conn, self._run(target))

        self._id = self._tried(work)

    def applied(self, revision: str, seconds: float) -> None:
        """Notes a revision that is committed."""
        known = self._found.code.graph.by_id.get(revision)
        parents = () if known is None else tuple(sorted(self._found.code.graph.parents(known)))
        kind, reason = _kind(known)
        entry = entries.AppliedRevision(revision, kind, reason, parents, round(seconds, 3))
        self._write(lambda conn, number: writing.applied(conn, number, entry))

    def done(self, after: Sequence[str], outcome: str = entries.DONE) -> None:
        """Notes that it ended well, where the database is now, and the structure that it has."""
        area = self._found.area

        def work(conn: Connection, number: int) -> None:
            if self.proven:
                print_ = _taken(conn, self._found.table, area)
                writing.record_fingerprint(conn, self._table, after, print_, number)
            self._finish(conn, number, outcome, after)

        self._write(work)

    def failed(self, fault: faults.Fault, after: Sequence[str], *, fatal: bool) -> None:
        """Notes that it failed, or was refused.

        Args:
            fault: why.
            after: where the database is.
            fatal: whether trying again can't help.
        """
        if self._id is None:  # refused before it began: that is noted where there is a ledger, and none is made for it
            self._id = self._tried(self._begun_late)
        outcome = entries.REFUSED if isinstance(fault, faults.RefusedFault) else entries.FAILED
        error = f"{fault.message}; {fault.mend}"
        self._write(lambda conn, number: self._finish(conn, number, outcome, after, fatal=fatal, error=error))

    def terminated(self, after: Sequence[str]) -> None:
        """Notes that it was ended from outside."""
        error = "ended by a signal; what was running was cancelled and rolled back"
        self._write(lambda conn, number: self._finish(conn, number, entries.TERMINATED, after, error=error))

    def _begun_late(self, conn: Connection) -> int | None:
        there = conn.exec_driver_sql(f"SELECT to_regclass('{tables.SCHEMA}.run') IS NOT NULL").scalar()
        ready = bool(there) and tables.ensure(conn)
        return writing.begin(conn, self._run(self._found.standing.heads)) if ready else None

    def _run(self, target: Sequence[str]) -> entries.Run:
        told = entries.origin()
        return entries.Run(
            self._found.service.name,
            self._table,
            tuple(target),
            self._found.standing.applied,
            image=told["image"],
            commit=told["commit"],
            actor=told["actor"],
            host=told["host"],
            last_attempt=self._wanted.last_attempt,
            measures=self.measures,
        )

    @property
    def _table(self) -> str:
        return entries.noted_in(self._found.table.schema or self._found.observed.schema, self._found.table.name)

    def _finish(
        self,
        conn: Connection,
        number: int,
        outcome: str,
        after: Sequence[str],
        *,
        fatal: bool = False,
        error: str | None = None,
    ) -> None:
        writing.finish(
            conn,
            number,
            outcome,
            fatal=fatal,
            last_attempt=self._wanted.last_attempt,
            error=error,
            to_revisions=after,
            seconds=round(time.monotonic() - self._begun, 3),
            lock_wait_seconds=round(self._lock.waited, 3),
            retries=self.retries,
            measures=self.measures,
        )

    def _write(self, work: Callable[[Connection, int], None]) -> None:
        number = self._id
        if number is not None:
            self._tried(lambda conn: work(conn, number))

    def _tried(self, work: Callable[[Connection], Any]) -> Any:
        """What `work` returns, by the session of the lock, or by another where that has ended; None where neither can."""
        try:
            try:
                return self._lock.session.run(work)
            except faults.DatabaseFault as fault:
                if fault.code != "database-unreachable" or self._lock.ended:
                    raise
                return connection.run(self._found.url, work, autocommit=True)
        except faults.DatabaseFault as fault:
            self._tell.warn(f"{self._found.service.name}: the ledger could not be written: {fault.message}", fault.mend)
            return None


def _taken(conn: Connection, table: project.VersionTable, area: observe.Area) -> entries.Fingerprint:
    return fingerprint.take(conn, table.quoted, schemas=area.schemas, tables=area.tables)


def _kind(known: revision_file.Revision | None) -> tuple[str, str]:
    """Whether the image before can live with a revision, and what decided that."""
    if known is None:
        return entries.CONTRACT, "its file was not found"
    kind = kinds.of(known.source, known.name)
    return kind.kind, kind.reason
