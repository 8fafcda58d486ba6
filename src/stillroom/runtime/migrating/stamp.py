"""`stamp`: notes a revision in a database that is proven to be what it makes; a stamp that is not true hides the truth."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Any

from .. import faults, log_lines
from ..applying import adopt, situation, upgrade
from ..connections import connection
from ..ledger import entries
from ..projects import project
from ..reading import revision_target
from ..standing import state
from . import described, migrate, proving, record, settings, told

__all__ = ["run", "stamp"]

_SHORTEST_COLUMN = 32
_BASE = "base"


def run(arguments: argparse.Namespace, log: log_lines.Log, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Proves and stamps.

    Raises:
        faults.Fault: see `stamp`.
    """
    said = os.environ if environ is None else environ
    wanted = settings.from_environment(vars(arguments), said)
    service = described.service(arguments, said)
    project.enter(service)
    found = migrate.looked(service)
    done = stamp(found, wanted, told.Told(log, service.name))
    now = ",".join(done["after"])
    if done["outcome"] == upgrade.NOTHING:
        log.info(f"Database is at {now} already - nothing was stamped", service=service.name)
    else:
        log.info("Stamp completed successfully", service=service.name, current_revision=now, proof=done["proof"])
    return done


def stamp(found: situation.Situation, wanted: settings.Settings, tell: told.Told) -> dict[str, Any]:
    """Stamps a service's database.

    Returns:
        `outcome` (`stamped`, `nothing to do`), `before` and `after` (revisions), `proof` (`fingerprint`, `history`,
        `models`, or "" where nothing had to be proven).

    Raises:
        faults.WrongRequest: `stamp-base`: `base`, where a revision is noted or there are tables.
        faults.RefusedFault: `stamp-unproven` with the difference; `nothing-to-adopt` where there is no table.
        faults.Fault: it could not be compared; `not-stamped`; what the lock raises.
    """
    found.need_migrations()
    graph, service = found.code.graph, found.service
    if wanted.to == _BASE and _BASE not in graph.by_id and _BASE not in graph.by_label:
        return _nothing_noted(found)
    rows = state.rows_after(graph, (), revision_target.resolve(graph, wanted.to, service.name))
    if found.standing.applied == rows:
        _still_proven(found, rows)
        return _told(found, rows, upgrade.NOTHING, "")
    if not found.observed.tables:
        raise faults.RefusedFault(
            "nothing-to-adopt",
            f"{service.name}: {found.database} holds no table of the service",
            "run the history there: migrate",
        )
    with migrate.locked(found, wanted, tell) as held:
        now = found.again()
        proof = held.session.run(lambda conn: proving.by_fingerprint(conn, now, rows)) or proving.by_comparison(
            now, tell, rows
        )
        if not proof.holds:
            raise faults.RefusedFault(
                "stamp-unproven",
                f"{service.name}: {found.database} is not what {', '.join(rows)} makes: it differs (by {proof.by}) in "
                f"{len(proof.lines)}: {proof.lines[0]}",
                "bring it in line, or write a revision for the difference; nothing was stamped",
                detail="\n".join(proof.lines),
                data={"difference": list(proof.lines), "by": proof.by},
            )
        noted = record.Record(held, now, wanted, tell)
        with migrate.noting(noted, now, held):
            noted.measures[entries.STAMPS] = len(rows)
            noted.begin(rows)
            _write(now, rows)
            noted.done(rows)
    return _told(found, rows, "stamped", proof.by)


def _nothing_noted(found: situation.Situation) -> dict[str, Any]:
    """What `--to base` comes to: true of a database where nothing is, and else never to be proven."""
    if not found.standing.applied and not found.observed.tables:
        return _told(found, (), upgrade.NOTHING, "")
    noted = ", ".join(found.standing.applied)
    raise faults.WrongRequest(
        "stamp-base",
        f"{found.service.name}: base is where nothing is applied, and {found.database} "
        + (f"is at {noted}" if noted else f"holds tables of the service ({found.observed.tables})"),
        "to go back there, undoing what is applied: downgrade --to base; to note what is there: stamp --to REVISION",
    )


def _still_proven(found: situation.Situation, rows: Sequence[str]) -> None:
    """Raises where a run left a fingerprint at these rows, and the schema is another one by now."""
    proof = connection.run(found.url, lambda conn: proving.by_fingerprint(conn, found, rows))
    if proof is not None and not proof.holds:
        raise faults.RefusedFault(
            "stamp-unproven",
            f"{found.service.name}: {found.database} is at {', '.join(rows)} already, and is not what the last migration "
            f"left there: it differs in {len(proof.lines)}: {proof.lines[0]}",
            "bring it in line, or write a revision for the difference (python -m stillroom.runtime verify --deep lists it "
            "all); nothing was stamped",
            detail="\n".join(proof.lines),
            data={"difference": list(proof.lines), "by": proof.by},
        )


def _write(found: situation.Situation, rows: Sequence[str]) -> None:
    width = max(_SHORTEST_COLUMN, *map(len, rows))
    found.make_version_schema()
    connection.run(found.url, lambda conn: adopt.write(conn, found, rows, f"character varying({width})"))
    after = found.again().standing.applied
    if set(after) != set(rows):
        raise faults.DatabaseFault(
            "not-stamped",
            f"{found.service.name}: {found.database} is at {', '.join(after) or 'no revision'} after it was stamped with "
            f"{', '.join(rows)}",
            "somebody else writes to the version table: run it again when nothing else migrates",
        )


def _told(found: situation.Situation, rows: Sequence[str], outcome: str, proof: str) -> dict[str, Any]:
    return {"outcome": outcome, "before": list(found.standing.applied), "after": list(rows), "proof": proof}
