"""The operation behind `adopt`: notes the code's heads in a database that is what its history makes, without running it.

For databases that something else has made (`create_all`), and for those whose history was replaced by another that leads
to the same. It compares first, always: a stamp on a database that differs hides the difference until it hurts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import facts, faults
from ..connections import connection, sqltext
from ..projects import project
from ..standing import mixed_histories, state
from . import situation, upgrade

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..wire import protocol, telling

__all__ = ["STAMPED", "WOULD_STAMP", "adopt", "write"]

STAMPED = "stamped"
WOULD_STAMP = "would stamp"


def adopt(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Compares the service's database with what its history makes, and stamps it if they are equal.

    Options: `dry_run` (bool): compares, and writes nothing. `others`: see `mixed_histories.refuse`.

    Returns:
        `outcome` (`stamped`, `would stamp`, `nothing to do`), `before` and `after` (revisions), `state` (before),
        `tables`, `address`.

    Raises:
        faults.Fault: refusals: `adopt-differs` with the difference, `nothing-to-adopt`, `not-at-head`,
            `changed-meanwhile`; `not-stamped` if the database does not say afterwards what was written.
    """
    service = facts.ServiceFacts.from_dict(request.service)
    project.enter(service)
    tell.step("look")
    found = situation.look(service)
    found.need_migrations()
    others = request.options.get("others") or {}
    mixed_histories.refuse(service, found.noted_in, found.standing.applied, found.code.graph.by_id, others)
    if found.standing.state == state.AT_HEAD:
        return _result(found, upgrade.NOTHING, found.standing.applied)
    _adoptable(found)
    match = found.compare(tell)
    if not match.equal:
        raise faults.RefusedFault(
            "adopt-differs",
            f"{service.name}: {found.database} differs from what the history makes in {match.count}: {match.lines[0]}",
            "bring the database in line by hand, or write a revision for the difference (invoke revision); "
            f"or empty it: invoke cleanup --service {service.name}",
            detail="\n".join(match.lines),
            data={"difference": match.lines},
        )
    if request.options.get("dry_run"):
        return _result(found, WOULD_STAMP, found.standing.heads)
    tell.step("stamp")
    _stamp(found, match.column)
    return _result(found, STAMPED, found.standing.heads)


def _adoptable(found: situation.Situation) -> None:
    name, standing = found.service.name, found.standing
    if standing.state == state.EMPTY:
        raise faults.RefusedFault(
            "nothing-to-adopt",
            f"{name}: {found.database} holds no table of the service",
            f"run the history there: invoke apply --service {name}",
        )
    if standing.state == state.BEHIND:
        raise faults.RefusedFault(
            "not-at-head",
            f"{name}: {found.database} is at {', '.join(standing.applied)}, a revision that the code has",
            f"run what is pending: invoke apply --service {name}",
            data={"pending": list(standing.pending)},
        )


def _stamp(found: situation.Situation, column: str) -> None:
    """Writes the heads in one transaction, and reads them again on another connection."""
    found.make_version_schema()
    connection.run(
        found.url,
        lambda conn: write(conn, found, found.standing.heads, column),
        application_name=f"stillroom adopt {found.service.name}"[:63],
    )
    now = found.again().standing
    if now.applied != found.standing.heads:
        raise faults.DatabaseFault(
            "not-stamped",
            f"{found.service.name}: {found.database} is at {', '.join(now.applied) or 'no revision'} after it was "
            f"stamped with {', '.join(found.standing.heads)}",
            "somebody else writes to the version table: run it again when nothing else migrates",
        )


def write(conn: Connection, found: situation.Situation, rows: Sequence[str], column: str) -> None:
    """Writes these rows into the version table, and no others; it is made where it is not there.

    Args:
        conn: in a transaction.
        found: the service; what is noted must be what was found.
        rows: ids.
        column: the type of its column, where it is made.

    Raises:
        faults.RefusedFault: `changed-meanwhile`.
    """
    table = found.table.quoted
    key = sqltext.identifier(f"{found.table.name}_pkc")
    conn.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS {table} (version_num {column} NOT NULL, CONSTRAINT {key} PRIMARY KEY (version_num))"
    )
    conn.exec_driver_sql(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
    there = {row[0] for row in conn.exec_driver_sql(f"SELECT version_num FROM {table}")}
    if there != set(found.standing.applied):
        raise faults.RefusedFault(
            "changed-meanwhile",
            f"{found.service.name}: {found.database} came to {', '.join(sorted(there)) or 'no revision'} while it was "
            "compared",
            f"look again: invoke status --service {found.service.name}",
        )
    conn.exec_driver_sql(f"DELETE FROM {table}")
    listed = ", ".join(f"({sqltext.literal(each)})" for each in rows)
    conn.exec_driver_sql(f"INSERT INTO {table} (version_num) VALUES {listed}")


def _result(found: situation.Situation, outcome: str, after: Sequence[str]) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "state": found.standing.state,
        "before": list(found.standing.applied),
        "after": list(after),
        "tables": found.observed.tables,
        "address": found.database,
    }
