"""Which sessions hold locks on objects that somebody waits for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy.engine

__all__ = ["Blocker", "holders", "mend", "of_sessions", "sentence"]

_HOLDERS = """
SELECT coalesce(a.pid, 0), coalesce(a.application_name, ''), coalesce(a.usename::text, ''),
       coalesce(a.state, a.backend_type, 'prepared transaction'),
       coalesce(left(regexp_replace(a.query, '[[:space:]]+', ' ', 'g'), 120), ''),
       coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.state_change, a.backend_start)), 0)::bigint,
       coalesce(p.gid, ''),
       string_agg(DISTINCT CASE l.locktype WHEN 'relation' THEN l.relation::regclass::text ELSE l.locktype END, ', '),
       coalesce(pg_has_role(a.usesysid, 'MEMBER') OR pg_has_role('pg_signal_backend', 'MEMBER'), false)
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_prepared_xacts p ON l.pid IS NULL AND p.transaction::text = split_part(l.virtualtransaction, '/', 2)
WHERE l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.locktype = 'relation' AND l.relation IN ({oids}) OR l.locktype = 'object' AND l.objid IN ({oids}))
GROUP BY a.pid, a.application_name, a.usename, a.usesysid, a.state, a.backend_type, a.query, a.xact_start,
         a.state_change, a.backend_start, p.gid
ORDER BY 6 DESC, 1
"""

_OF_SESSIONS = """
SELECT coalesce(a.pid, 0), coalesce(a.application_name, ''), coalesce(a.usename::text, ''),
       coalesce(a.state, a.backend_type, 'prepared transaction'),
       coalesce(left(regexp_replace(a.query, '[[:space:]]+', ' ', 'g'), 120), ''),
       coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.state_change, a.backend_start)), 0)::bigint,
       CASE WHEN b.pid = 0 THEN coalesce((
           SELECT min(p.gid) FROM pg_prepared_xacts p
           JOIN pg_locks l ON l.pid IS NULL AND p.transaction::text = split_part(l.virtualtransaction, '/', 2)
           WHERE l.granted AND l.relation IS NOT DISTINCT FROM w.relation), '') ELSE '' END,
       coalesce(CASE w.locktype WHEN 'relation' THEN w.relation::regclass::text ELSE w.locktype END, ''),
       coalesce(pg_has_role(a.usesysid, 'MEMBER') OR pg_has_role('pg_signal_backend', 'MEMBER'), false)
FROM unnest(ARRAY[{pids}]::int[]) AS s(pid)
CROSS JOIN LATERAL (SELECT DISTINCT unnest(pg_blocking_pids(s.pid)) AS pid) AS b
LEFT JOIN pg_stat_activity a ON a.pid = b.pid
LEFT JOIN LATERAL (SELECT locktype, relation FROM pg_locks WHERE pid = s.pid AND NOT granted LIMIT 1) AS w ON true
ORDER BY 6 DESC, 1
"""


@dataclass(frozen=True)
class Blocker:
    """A session, or a prepared transaction, that holds a lock.

    Args:
        pid: of its server process; 0 for a prepared transaction.
        application: what it calls itself.
        role: as which it is connected; "" where that may not be seen.
        state: `active`, `idle in transaction`, …
        query: its present or last query, on one line, at most 120 characters.
        seconds: for how long its transaction lasts.
        prepared: the name of a prepared transaction; "" for a session.
        objects: what it holds locks on.
        may_end: whether this role may end it.
    """

    pid: int
    application: str
    role: str
    state: str
    query: str
    seconds: int
    prepared: str
    objects: str
    may_end: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


def holders(conn: sqlalchemy.engine.Connection, oids: Collection[int]) -> list[Blocker]:
    """Sessions that hold locks on any of these objects of the connected database, the longest first.

    Args:
        oids: object ids of tables, views, sequences, functions, types.
    """
    if not oids:
        return []
    listed = ", ".join(str(int(oid)) for oid in sorted(oids))
    return [Blocker(*row) for row in conn.exec_driver_sql(_HOLDERS.format(oids=listed))]


def of_sessions(conn: sqlalchemy.engine.Connection, pids: Collection[int]) -> list[Blocker]:
    """Who keeps these sessions waiting at this moment, by holding a lock or by having asked for it before; longest first.

    Args:
        pids: server processes of the sessions that may be waiting.
    """
    if not pids:
        return []
    listed = ", ".join(str(int(pid)) for pid in sorted(pids))
    return [Blocker(*row) for row in conn.exec_driver_sql(_OF_SESSIONS.format(pids=listed))]


def sentence(blockers: Collection[Blocker]) -> str:
    """Who they are, for people; says so if there is nobody any more."""
    return "; ".join(map(_described, blockers)) or "a session that has ended since"


def mend(blockers: Collection[Blocker]) -> str:
    """What to do about them."""
    if not blockers:
        return "try again"
    ends = " ".join(
        f"ROLLBACK PREPARED '{each.prepared}';" if each.prepared else f"SELECT pg_terminate_backend({each.pid});"
        for each in blockers
    )
    others = sorted({each.role or "its role" for each in blockers if not each.may_end and not each.prepared})
    by_whom = f" (as a superuser or {', '.join(others)}: this role may not)" if others else ""
    return f"let it finish, stop the service that it belongs to, or end it{by_whom}: {ends}"


def _described(each: Blocker) -> str:
    if each.prepared:
        return f"prepared transaction {each.prepared!r} on {each.objects}"
    application = f", application {each.application!r}" if each.application else ""
    role = f", role {each.role}" if each.role else ""
    query = f", query: {each.query}" if each.query else ""
    return f"session {each.pid}{application}{role}, {each.state} for {each.seconds} s, holds {each.objects}{query}"
