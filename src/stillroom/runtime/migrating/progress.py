"""What goes along with an upgrade of a service's own database: limits, the lock, and the ledger, revision by revision."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..replay import walk
from . import limits, lock, record

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

__all__ = ["Progress"]


class Progress:
    """See `walk.Companion`.

    Args:
        service: its name, for whoever looks at the lock.
        held: the lock.
        put: the limits.
        noted: the entry in the ledger; None: nothing is noted there revision by revision.
    """

    def __init__(self, service: str, held: lock.Lock, put: limits.Limits, noted: record.Record | None) -> None:
        self._service = service
        self._lock = held
        self._limits = put
        self._record = noted
        self._begun = 0.0
        self._uncommitted: list[tuple[str, float]] = []

    def begins(self, context: MigrationContext, step: Any) -> None:
        """The lock is there still; the connection is known, and has its limits.

        Raises:
            faults.Fault: `lock-lost`, `limits-not-kept`, `duration-invalid`.
        """
        revision = str(step.revision.revision)
        self._lock.doing = f"{self._service}, revision {revision}"
        self._lock.blockers = ()
        self._lock.check()
        conn = context.connection
        if conn is not None:
            self._lock.watched.add(int(conn.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()))
            self._limits.put_on(conn, step.revision.module, revision)
        self._begun = time.monotonic()

    def returned(self, revision: str) -> None:
        """Before it is noted: nobody else may have begun meanwhile.

        Raises:
            faults.DatabaseFault: `lock-lost`.
        """
        self._lock.check()

    def done(self, ran: walk.Ran, committed: bool) -> None:
        """It goes into the ledger, now or when `env.py` has committed it."""
        self._uncommitted.append((ran.revision, time.monotonic() - self._begun))
        if committed:
            self.committed()

    def committed(self) -> None:
        """What was done is committed by now."""
        waiting, self._uncommitted = self._uncommitted, []
        for revision, seconds in waiting:
            if self._record is not None:
                self._record.applied(revision, seconds)

    def ended(self) -> None:
        """`env.py` has ended: its connections are closed."""
        self._lock.watched.clear()
        self._lock.doing = self._service
