"""Limits of the service's own connections while revisions run: set by SQL, since poolers refuse or lose startup options.

lock_timeout        a waiting ALTER makes everybody after it wait: it gives up early and is tried again
statement_timeout   a statement that takes for ever is an outage, too
client_connection_check_interval (from PostgreSQL 14 on)   a statement ends when its migrator was killed

A revision may say otherwise in its file: `stillroom_lock_timeout = "30s"`, `stillroom_statement_timeout = "2h"`.
What works CONCURRENTLY, outside of a transaction, is spared the lock_timeout: nobody waits behind it, it waits for
transactions that were there before, and cut short it leaves an INVALID index behind.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import faults
from . import settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["LOCK_TIMEOUT", "STATEMENT_TIMEOUT", "Limits"]

LOCK_TIMEOUT = "stillroom_lock_timeout"
STATEMENT_TIMEOUT = "stillroom_statement_timeout"
"""Names in a revision file."""

_CONCURRENTLY = re.compile(r"\s*(CREATE\s+(UNIQUE\s+)?INDEX|DROP\s+INDEX|REINDEX\b.*?)\s+CONCURRENTLY\b", re.I | re.S)
_CHECKED_SECONDS = 2
_CHECK = f"""
SELECT pg_catalog.set_config(name, '{_CHECKED_SECONDS}s', false) FROM pg_catalog.pg_settings
WHERE name = 'client_connection_check_interval' AND setting::int = 0
"""


class Limits:
    """The limits, put on connections as revisions begin.

    Args:
        wanted: of all revisions.
    """

    def __init__(self, wanted: settings.Settings) -> None:
        self._wanted = wanted
        self._lock_timeout = wanted.lock_timeout
        self._lifted: set[int] = set()

    def put_on(self, conn: Connection, module: Any, revision: str) -> None:
        """Sets them for a revision that is about to run, and asks the server whether they hold.

        Args:
            conn: that the revision runs on.
            module: of the revision's file.
            revision: its id, for messages.

        Raises:
            faults.WrongRequest: `duration-invalid`, in the revision's file.
            faults.DatabaseFault: `limits-not-kept`.
        """
        lock = self._declared(module, LOCK_TIMEOUT, revision, self._wanted.lock_timeout)
        statement = self._declared(module, STATEMENT_TIMEOUT, revision, self._wanted.statement_timeout)
        self._lock_timeout = lock
        for name, value in (("lock_timeout", lock), ("statement_timeout", statement)):
            milliseconds = round(value * 1000)
            conn.exec_driver_sql(f"SET {name} = {milliseconds}")
            shown = str(conn.exec_driver_sql(f"SHOW {name}").scalar())
            if round(settings.seconds(shown, name) * 1000) != milliseconds:
                raise faults.DatabaseFault(
                    "limits-not-kept",
                    f"{name} was set to {milliseconds} ms for revision {revision}, and the server says {shown}",
                    "a pooler stands between: set MIGRATION_DATABASE_URL to an address of the server itself",
                )
        if conn.dialect.server_version_info and conn.dialect.server_version_info >= (14,):
            conn.exec_driver_sql(_CHECK).all()

    @contextlib.contextmanager
    def sparing_concurrent(self) -> Iterator[None]:
        """While the block runs, what works CONCURRENTLY outside of a transaction waits for locks as long as it has to."""
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        event.listen(Engine, "before_cursor_execute", self._before)
        event.listen(Engine, "after_cursor_execute", self._after)
        try:
            yield
        finally:
            event.remove(Engine, "before_cursor_execute", self._before)
            event.remove(Engine, "after_cursor_execute", self._after)

    def _declared(self, module: Any, name: str, revision: str, default: float) -> float:
        said = getattr(module, name, None)
        return default if said is None else settings.seconds(said, f"{name} in revision {revision}")

    def _before(self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        if _CONCURRENTLY.match(statement):
            self._lifted.add(id(conn.engine))
            cursor.execute("SET lock_timeout = 0")
        elif id(conn.engine) in self._lifted:  # it had failed, and the revision went on
            self._again(conn, cursor)

    def _after(self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        if id(conn.engine) in self._lifted:
            further = conn.connection.cursor()
            self._again(conn, further)
            further.close()

    def _again(self, conn: Any, cursor: Any) -> None:
        self._lifted.discard(id(conn.engine))
        cursor.execute(f"SET lock_timeout = {round(self._lock_timeout * 1000)}")
