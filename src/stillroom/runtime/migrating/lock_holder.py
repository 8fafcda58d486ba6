"""Who holds the migration lock, and what that one is at.

The session that holds it does little beside: every second it asks whether the lock is still there. In that statement it
says, as a comment, what is under way, and which other sessions do it; so whoever waits can tell people of those.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["APPLICATION", "Holder", "Seen", "comment", "described", "find"]

APPLICATION = "stillroom migrate"
"""How the name of a session that holds the lock begins."""

_COMMENT = re.compile(r"/\* stillroom migrates: (?P<doing>.*?)(?:; sessions: (?P<pids>[\d ]+))? \*/")

_SESSIONS = """
SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.state, ''),
       CASE WHEN a.state IS NULL THEN '' ELSE left(regexp_replace(a.query, '[[:space:]]+', ' ', 'g'), 500) END,
       extract(epoch FROM clock_timestamp() - a.backend_start)::bigint,
       extract(epoch FROM clock_timestamp() - CASE a.state WHEN 'active' THEN a.query_start ELSE a.state_change END)::bigint
FROM pg_catalog.pg_stat_activity a
"""
_HOLDER = (
    _SESSIONS
    + """
JOIN pg_catalog.pg_locks l ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = {key}
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
"""
)
_WORKING = _SESSIONS + "WHERE a.datname = current_database() AND a.pid IN ({pids}) ORDER BY a.pid"
_LONGEST = 160
_AGAIN = (0.05, 0.2, 0.4, 0.6)


@dataclasses.dataclass(frozen=True)
class Seen:
    """A session, as `pg_stat_activity` shows it.

    Attributes:
        pid: of its server process.
        application: what it calls itself.
        state: `active`, `idle`, `idle in transaction`, …; "" where this role may not see it.
        query: its present or last statement, on one line; "" where that is nothing but bookkeeping of the lock, or not to
            be seen.
        connected: seconds since it was connected; None: not to be seen.
        since: seconds since it is in this state; None: not to be seen.
    """

    pid: int
    application: str
    state: str
    query: str
    connected: int | None
    since: int | None


@dataclasses.dataclass(frozen=True)
class Holder(Seen):
    """The session that holds the lock.

    Attributes:
        doing: what it says that is under way; "" of one that says nothing, or is none of ours.
        working: the sessions in which that happens.
    """

    doing: str = ""
    working: tuple[Seen, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        told = dataclasses.asdict(self)
        return {**told, "working": list(told["working"])}


def comment(doing: str, pids: Iterable[int]) -> str:
    """What the holder's statements begin with.

    Args:
        doing: what is under way; "": nothing is said.
        pids: server processes of the sessions that do it.
    """
    if not doing:
        return ""
    listed = " ".join(map(str, sorted(pids)))
    sessions = f"; sessions: {listed}" if listed else ""
    return f"/* stillroom migrates: {doing.replace('*/', '')}{sessions} */ "


def find(conn: Connection, key: int) -> Holder | None:
    """Who holds the lock of this number; None: nobody any more.

    One of ours that is at something else just now (it writes its ledger) is looked at again.
    """
    for pause in (*_AGAIN, None):
        row = conn.exec_driver_sql(_HOLDER.format(key=key)).first()
        if row is None:
            return None
        holder = Holder(*row)
        said = _COMMENT.search(holder.query)
        ours = holder.application.startswith(APPLICATION)
        if said is not None or not ours or pause is None:
            break
        time.sleep(pause)
    if said is None:
        return dataclasses.replace(holder, query="" if ours else holder.query[:_LONGEST])
    pids = [int(each) for each in (said["pids"] or "").split()]
    return dataclasses.replace(holder, query="", doing=said["doing"], working=_working(conn, pids))


def _working(conn: Connection, pids: list[int]) -> tuple[Seen, ...]:
    if not pids:
        return ()
    rows = conn.exec_driver_sql(_WORKING.format(pids=", ".join(map(str, pids)))).all()
    return tuple(dataclasses.replace(seen, query=seen.query[:_LONGEST]) for seen in (Seen(*row) for row in rows))


def described(holder: Holder | None) -> str:
    """Who that is, for people."""
    if holder is None:
        return "a session that has ended since"
    told = [f"session {holder.pid}"]
    told += [f"application {holder.application!r}"] if holder.application else []
    told += [f"connected for {holder.connected} s"] if holder.connected is not None else []
    if holder.doing:
        told.append(f"at {holder.doing}")
    elif holder.query:
        told.append(_state(holder))
    return "; ".join([", ".join(told), *(f"there session {each.pid} is {_state(each)}" for each in holder.working)])


def _state(seen: Seen) -> str:
    """`active for 3 s: SELECT …`, `idle for 3 s, last query: SELECT …`."""
    if not seen.state:
        return "not to be seen by this role"
    state = f"{seen.state} for {seen.since} s"
    return f"{state}: {seen.query}" if seen.state == "active" else f"{state}, last query: {seen.query}"
