"""Whether a pooler in transaction mode stands between: then a lock is taken in one session and missed in another.

Two connections that are open at once are two processes of the server. Behind such a pooler they may be one and the same,
and one connection may be two processes, from one statement to the next. That is tried, not guessed from names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import faults
from ..connections import connection, urls
from ..projects import sources

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from . import session

__all__ = ["refuse", "told"]

_ROUNDS = 3
_PID = "SELECT pg_backend_pid()"

# What comes of prepared statements that meet another server process than the one that knows them.
_STATEMENT_LOST = ("26000", "42P05", "08P01")


def refuse(opened: session.Session, url: str) -> None:
    """Tries it with a second connection beside the one that is open.

    Raises:
        faults.RefusedFault: `pooler-in-between`.
        faults.DatabaseFault: whatever connecting gives.
    """
    for _ in range(_ROUNDS):
        before = opened.run(_pid)
        beside, after = connection.run(url, lambda conn: (_pid(conn), opened.run(_pid)))
        if beside == before or after != before:
            raise _refused(url, "statements of one connection reach several server processes")


@contextlib.contextmanager
def told(url: str) -> Iterator[None]:
    """What only a pooler can cause inside of the block is told as that.

    Raises:
        faults.RefusedFault: `pooler-in-between`.
    """
    try:
        yield
    except faults.DatabaseFault as fault:
        state = str(fault.data.get("sqlstate") or "")
        if state in _STATEMENT_LOST and ("prepared statement" in fault.message or "statement pooling" in fault.message):
            raise _refused(url, fault.message) from fault
        raise


def _pid(conn: Connection) -> int:
    return int(conn.exec_driver_sql(_PID).scalar_one())


def _refused(url: str, seen: str) -> faults.RefusedFault:
    return faults.RefusedFault(
        "pooler-in-between",
        f"{urls.address(url)} is a pooler in transaction mode ({seen}): the lock that keeps a second migrator away would "
        "be lost or left behind there",
        "set MIGRATION_DATABASE_URL (to the server itself, or to a pool in session mode; beside other services' variables: "
        f"{sources.DIRECT} before the service's own); services go on using the pooler",
    )
