"""Indexes that are there and unusable, since a `CREATE INDEX CONCURRENTLY` or `REINDEX` was cut short: told, or repaired.

What a pending revision is to make is dropped, since the revision makes it again. What was noted as done is built again in
place. What a REINDEX leaves (`_ccnew`, `_ccold`) is dropped. All of it concurrently: the service goes on.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import faults
from ..applying import situation
from ..connections import connection
from . import area, lock

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..wire import telling

__all__ = ["Unusable", "find", "repair", "report"]

_LEFT_BY_REINDEX = re.compile(r"_cc(new|old)\d*\Z")

# Those that somebody is building at this moment are not valid yet, and not to be repaired.
_FIND = """
SELECT i.indexrelid::regclass::text, c.relname::text, i.indrelid::regclass::text
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname !~ '^pg_' AND ({mine})
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
ORDER BY 1
"""


@dataclasses.dataclass(frozen=True)
class Unusable:
    """An INVALID index.

    Attributes:
        name: as SQL writes it.
        table: that it is on.
        statement: what repairs it.
    """

    name: str
    table: str
    statement: str


def find(conn: Connection, found: situation.Situation) -> list[Unusable]:
    """The INVALID indexes of a service's tables."""
    rows = conn.exec_driver_sql(
        _FIND.format(mine=area.condition(found, "t")), execution_options={"no_parameters": True}
    ).all()
    return [Unusable(str(name), str(table), _statement(found, str(plain), str(name))) for name, plain, table in rows]


def report(found: situation.Situation, held: lock.Lock, tell: telling.Tell) -> Sequence[Unusable]:
    """Says which there are, and what repairs them."""
    there = held.session.run(lambda conn: find(conn, found))
    for each in there:
        tell.warn(
            f"{found.service.name}: the index {each.name} of {each.table} is INVALID: it slows writes and serves no read",
            f"{each.statement}; (or: migrate --repair)",
        )
    return there


def repair(found: situation.Situation, held: lock.Lock, tell: telling.Tell) -> list[str]:
    """Repairs all of them; gives their names.

    Raises:
        faults.DatabaseFault: what the server refused; `invalid-index` where one stays.
    """
    tell.step("repair")
    there = held.session.run(lambda conn: find(conn, found))
    for each in there:
        # Not by the session of the lock, which has to go on answering meanwhile.
        connection.run(
            found.url,
            functools.partial(_execute, each.statement),
            autocommit=True,
            application_name=f"stillroom repair {found.service.name}"[:63],
        )
    left = held.session.run(lambda conn: find(conn, found))
    if left:
        raise faults.DatabaseFault(
            "invalid-index",
            f"{found.service.name}: {', '.join(each.name for each in left)} in {found.database} stays INVALID after "
            f"{left[0].statement}",
            "look what keeps it from being built (duplicates, where it is unique), mend that, and repair again",
            data={"invalid": [each.name for each in left]},
        )
    return [each.name for each in there]


def _execute(statement: str, conn: Connection) -> None:
    conn.exec_driver_sql(statement)


def _statement(found: situation.Situation, plain: str, name: str) -> str:
    if _LEFT_BY_REINDEX.search(plain) or _is_pending(found, plain):
        return f"DROP INDEX CONCURRENTLY {name}"
    return f"REINDEX INDEX CONCURRENTLY {name}"


def _is_pending(found: situation.Situation, plain: str) -> bool:
    """Whether a revision that is still to run names the index."""
    named = re.compile(rb"(?<!\w)" + re.escape(plain).encode() + rb"(?!\w)")
    graph = found.code.graph
    return any(named.search(graph.by_id[each].source) for each in found.standing.pending)
