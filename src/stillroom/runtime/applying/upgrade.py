"""What an upgrade of a service's own database is to reach, and whether it did: only the database is believed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import faults
from ..reading import made_tables, revision_target
from ..replay import walk
from ..schema import invalid_indexes
from ..standing import state
from . import situation

if TYPE_CHECKING:
    from ..wire import telling

__all__ = ["NOTHING", "UPGRADED", "WOULD_UPGRADE", "Aim", "aim", "answer", "judge"]

UPGRADED = "upgraded"
WOULD_UPGRADE = "would upgrade"
NOTHING = "nothing to do"


@dataclasses.dataclass(frozen=True)
class Aim:
    """What an upgrade is to reach.

    Attributes:
        name: what Alembic is told: an id, or `heads`.
        rows: what the version table has to hold afterwards.
        pending: the revisions to run, in order.
    """

    name: str
    rows: tuple[str, ...]
    pending: tuple[str, ...]


def aim(found: situation.Situation, to: str, tell: telling.Tell) -> Aim:
    """Decides what to run, or refuses.

    Raises:
        faults.Fault: `no-migrations`, `no-such-revision`, `several-heads`; refusals: `unknown-revision`,
            `overlapping-revisions`, `adopt-first`, `unversioned-differs`, `unversioned-unreplayable`, `past-revision`.
    """
    found.need_migrations()
    graph, standing, name = found.code.graph, found.standing, found.service.name
    wanted = revision_target.resolve(graph, to, name, standing.applied)
    found.need_known_revisions()
    found.need_version(tell)
    needed = graph.ancestors(wanted)
    pending = tuple(each for each in standing.pending if each in needed)
    if not pending and to != "heads" and not set(wanted) <= set(standing.applied):
        raise faults.RefusedFault(
            "past-revision",
            f"{name}: {found.database} is at {', '.join(standing.applied)}, which is past {', '.join(wanted)}; "
            "apply only goes forward",
            f"leave it, or go back by hand in the service's folder: alembic downgrade {wanted[0]}",
            data={"revisions": list(standing.applied), "to": list(wanted)},
        )
    told = wanted[0] if len(wanted) == 1 and to != "heads" else to
    return Aim(told, state.rows_after(graph, standing.applied, wanted), pending)


def judge(found: situation.Situation, target: Aim, after: situation.Situation, went: walk.Walk) -> None:
    """Whether the run came to what it was to come to; the database is believed, nobody else.

    Args:
        found: the service before.
        target: what it was to reach.
        after: the service now, asked on a connection of its own.
        went: what was done.

    Raises:
        faults.ProjectFault: `nothing-applied`, `other-revision`, `invalid-index`.
    """
    now, graph = after.standing.applied, found.code.graph
    if after.standing.unknown or graph.ancestors(now) != graph.ancestors(target.rows):
        raise _elsewhere(found, target, now, went)
    _usable(found, went)


def _usable(found: situation.Situation, went: walk.Walk) -> None:
    """Raises if an index that was to be made is there, and unusable since an earlier run."""
    invalid = invalid_indexes.left_by(found.url, went.concurrent)
    if invalid:
        names = ", ".join(each.name for each in invalid)
        raise faults.ProjectFault(
            "invalid-index",
            f"{found.service.name}: the upgrade ended without an error, but in {found.database} the index {names} is "
            "INVALID: an earlier CREATE INDEX CONCURRENTLY failed, and IF NOT EXISTS passed it over; the revision is noted",
            " ".join(each.again for each in invalid),
            data={"invalid": [each.name for each in invalid]},
        )


def _elsewhere(found: situation.Situation, target: Aim, now: Sequence[str], went: walk.Walk) -> faults.ProjectFault:
    """The run ended well, and the database is not where it was to be."""
    moved = set(now) != set(found.standing.applied)
    message = (
        f"{found.service.name}: the upgrade to {target.name} ended without an error, but {found.database} is at "
        f"{_at(now)} instead of {_at(target.rows)}"
    )
    mend = (
        f"env.py must commit, and work on {found.table.quoted}: look for a query before context.configure(), "
        "or for another version_table than the one read from it (declare version_table: in services.yaml)"
    )
    if went.errors:
        error = went.errors[-1]
        where = f" in revision {went.current.revision}" if went.current is not None else ""
        message += f"; the database had refused a statement{where}: {str(error).strip().splitlines()[0]}"
        mend = "env.py swallows exceptions: let them through, then mend the statement"
    elif not went.revisions:
        message += "; no revision was run"
    elif went.held:
        message += (
            "; env.py never committed: it had begun a transaction before context.configure(), so that was up to it"
        )
    return faults.ProjectFault(
        "other-revision" if moved else "nothing-applied",
        message,
        mend,
        data={"before": list(found.standing.applied), "after": list(now), "wanted": list(target.rows)},
    )


def _at(rows: Sequence[str]) -> str:
    return ", ".join(rows) or "no revision"


def answer(before: situation.Situation, target: Aim, after: situation.Situation, outcome: str) -> dict[str, Any]:
    """The answer of the operation: see `migrating.operation`."""
    return {
        "outcome": outcome,
        "unchanged": outcome == NOTHING,
        "state": before.standing.state,
        "before": list(before.standing.applied),
        "after": list(target.rows if outcome == WOULD_UPGRADE else after.standing.applied),
        "applied": [before.code.describe(each) for each in target.pending],
        "tables": after.observed.tables,
        "address": before.database,
        "version_table": before.noted_in,
        **_made(before, target),
    }


def _made(found: situation.Situation, target: Aim) -> dict[str, list[str]]:
    """What neighbours must not make as well; nothing where there are none."""
    service, graph = found.service, found.code.graph
    if not service.neighbours:
        return {"makes": [], "shares": [], "creates": []}
    return {
        "makes": made_tables.of(service, graph),
        "shares": made_tables.of(service, graph, careful=True),
        "creates": made_tables.of(service, graph, target.pending),
    }
