"""`downgrade --to REVISION`: explicit; what it loses is told first, and the present revision confirms it."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import faults, log_lines
from ..applying import situation, upgrade
from ..connections import connection, sqltext
from ..ledger import entries
from ..projects import project
from ..reading import known_sql, revision_target
from . import described, migrate, protection, record, retrying, settings, told

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..reading import revision_file, revision_graph

__all__ = ["Loss", "Plan", "carry_out", "plan", "run"]

_HARMLESS = frozenset(
    {"drop_index", "create_index", "drop_constraint", "create_foreign_key", "create_unique_constraint",
     "create_check_constraint", "create_primary_key", "create_table", "add_column", "rename_table",
     "batch_alter_table", "create_table_comment", "drop_table_comment", "f"}
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Loss:
    """What one revision's downgrade takes away.

    Attributes:
        what: `table orders`, `column orders.note`, `what line 12 does (execute)`.
        rows: how many rows, or values, go with it; None: that can't be told.
    """

    what: str
    rows: int | None

    def __str__(self) -> str:
        if self.rows is None:
            return f"{self.what}: what is lost can't be told"
        noun = "value" if self.what.startswith("column") else "row"
        return f"{self.what}: {self.rows} {noun}{'' if self.rows == 1 else 's'} lost"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a downgrade does.

    Attributes:
        current: rows of the version table now; sorted: the confirmation.
        target: rows afterwards.
        reverted: revisions, in the order in which they are undone, with what each takes away.
        to: what Alembic is told.
    """

    current: tuple[str, ...]
    target: tuple[str, ...]
    reverted: tuple[tuple[str, tuple[Loss, ...]], ...]
    to: str

    @property
    def confirmation(self) -> str:
        """What has to be given to have it carried out."""
        return ",".join(self.current)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        reverted = [
            {"revision": each, "losses": [dataclasses.asdict(loss) for loss in losses]}
            for each, losses in self.reverted
        ]
        return {"current": list(self.current), "target": list(self.target), "reverted": reverted}


def run(arguments: argparse.Namespace, log: log_lines.Log, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Plans it, tells the plan, and carries it out if it is confirmed.

    Raises:
        faults.Fault: see `plan`, `carry_out`; `unconfirmed`.
    """
    said = os.environ if environ is None else environ
    wanted = settings.from_environment({**vars(arguments), "to": arguments.to}, said)
    service = described.service(arguments, said)
    project.enter(service)
    tell = told.Told(log, service.name)
    found = migrate.looked(service)
    planned = plan(found, wanted.to)
    for revision, losses in planned.reverted:
        log.info("Would undo revision", revision=revision, loses="; ".join(map(str, losses)) or "nothing")
    protection.refuse(found, "a downgrade", said, arguments.allow_protected, arguments.expect_database)
    if not planned.reverted:
        log.info("Nothing to undo", service=service.name, current_revision=planned.confirmation)
        return {**planned.to_dict(), "outcome": upgrade.NOTHING}
    if arguments.confirm != planned.confirmation:
        given = f"{arguments.confirm!r} was given" if arguments.confirm else "nothing was given"
        raise faults.RefusedFault(
            "unconfirmed",
            f"{service.name}: {found.database} is at {planned.confirmation}, and to confirm that {given}",
            f"if what is listed above may be lost: --confirm {planned.confirmation}",
            data=planned.to_dict(),
        )
    after = carry_out(found, planned, wanted, tell)
    log.info(
        "Downgrade completed successfully", service=service.name, current_revision=",".join(after.standing.applied)
    )
    return {**planned.to_dict(), "outcome": "downgraded"}


def plan(found: situation.Situation, to: str) -> Plan:
    """What a downgrade to a revision undoes, and what is lost with it.

    Raises:
        faults.RefusedFault: `unknown-revision`, `not-below`, `no-way-back`.
        faults.ProjectFault: `no-such-revision`.
    """
    found.need_migrations()
    found.need_known_revisions()
    graph, applied = found.code.graph, found.standing.applied
    there = graph.ancestors(applied)
    undone, named = _undone(found, to, there)
    kept = there - undone
    replaced = {parent for each in kept for parent in graph.parents(graph.by_id[each])}
    order = [each for each in reversed(graph.ordered()) if each.id in undone]
    for each in order:
        if each.body.downgrade_state in ("missing", "raises"):
            raise faults.RefusedFault(
                "no-way-back",
                f"{found.service.name}: revision {each.id} ({each.name}) has no downgrade ({each.body.downgrade_state})",
                "write one, or restore a backup",
            )
    losses = connection.run(
        found.url, lambda conn: tuple((each.id, tuple(_losses(conn, each))) for each in order), autocommit=True
    )
    return Plan(applied, tuple(sorted(kept - replaced)), losses, named)


def carry_out(
    found: situation.Situation, planned: Plan, wanted: settings.Settings, tell: told.Told
) -> situation.Situation:
    """Undoes the revisions of a plan, under the lock; gives the service as it is afterwards.

    Raises:
        faults.RefusedFault: `changed-since-plan`.
        faults.Fault: what a revision raised; `nothing-applied`, where the database is elsewhere afterwards.
    """
    with migrate.locked(found, wanted, tell) as held:
        now = found.again()
        if now.standing.applied != planned.current:
            raise faults.RefusedFault(
                "changed-since-plan",
                f"{found.service.name}: {found.database} was at {planned.confirmation} when this was planned, and is now at "
                f"{', '.join(now.standing.applied)}",
                "plan it again",
            )
        noted = record.Record(held, now, wanted, tell)
        with migrate.noting(noted, now, held):
            noted.measures[entries.UNDOES] = len(planned.reverted)
            noted.begin(planned.target)
            runner = retrying.Runner(held, wanted, noted, tell, back=True)
            after = runner.run(
                now, upgrade.Aim(planned.to, planned.target, tuple(each for each, _ in planned.reverted))
            )
            noted.done(after.standing.applied)
        return after


def _undone(found: situation.Situation, to: str, there: frozenset[str]) -> tuple[frozenset[str], str]:
    """The revisions to undo, and what Alembic is told."""
    graph: revision_graph.Graph = found.code.graph
    if to == "base":
        return there, to
    named = revision_target.resolve(graph, to, found.service.name, found.standing.applied)
    if len(named) != 1 or named[0] not in there:
        raise faults.RefusedFault(
            "not-below",
            f"{found.service.name}: {', '.join(named)} is not applied to {found.database}, which is at "
            f"{', '.join(found.standing.applied) or 'no revision'}",
            "name one revision that is applied, or base; forward goes migrate",
        )
    return frozenset(each for each in there if each != named[0] and named[0] in graph.ancestors([each])), named[0]


def _losses(conn: Connection, revision: revision_file.Revision) -> list[Loss]:
    found: list[Loss] = []
    harmless = known_sql.lines_without_loss(Path(revision.path).read_bytes())
    for each in revision.body.downgrade:
        if each.name == "drop_table" and each.table:
            found.append(Loss(f"table {each.table}", _count(conn, each.table, "*")))
        elif each.name == "drop_column" and each.table and each.subject:
            found.append(Loss(f"column {each.table}.{each.subject}", _count(conn, each.table, each.subject)))
        elif each.name not in _HARMLESS and not (each.name == "execute" and each.line in harmless):
            found.append(Loss(f"what line {each.line} does ({each.name})", None))
    return found


def _count(conn: Connection, table: str, column: str) -> int | None:
    name = ".".join(sqltext.identifier(part) for part in table.split("."))
    if not conn.exec_driver_sql(f"SELECT to_regclass({sqltext.literal(name)}) IS NOT NULL").scalar():
        return None  # a revision above renames it, or makes it again
    counted = column if column == "*" else sqltext.identifier(column)
    if column != "*":
        there = conn.exec_driver_sql(
            f"SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass({sqltext.literal(name)})"
            f" AND attname = {sqltext.literal(column)} AND NOT attisdropped)"
        ).scalar()
        if not there:
            return None
    return int(conn.exec_driver_sql(f"SELECT count({counted}) FROM {name}").scalar_one())
