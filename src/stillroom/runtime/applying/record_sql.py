"""The operation behind `apply --dry-run`: the SQL that an upgrade would run, recorded while it runs on a scratch database.

The scratch database is brought to the revisions that the service's database is at; it holds the rows that the history
itself makes and no others, so a revision that reads rows and decides by them is recorded for those. Alembic's own
bookkeeping in the version table is kept apart from what a revision does; questions to the server's catalogs are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import facts
from ..connections import sqltext
from ..projects import bootstrap, project
from ..replay import history, walk
from ..scratches import places
from . import situation, upgrade

if TYPE_CHECKING:
    from ..wire import protocol, telling

__all__ = ["record_sql"]


def record_sql(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Records what `upgrade` with the same options would run; changes nothing but a scratch database.

    Options: `to` (default `heads`).

    Returns:
        `revisions`: each with `revision`, `message`, `file`, `statements` (texts without `;`, comments where it leaves
        its transaction), `noted` (likewise: how it is noted in the version table); empty where there is nothing to do.
        `prepare`: statements ahead of the first revision, which make the version table.
        `before`, `after`, `state`, `tables`, `address`.

    Raises:
        faults.Fault: whatever `upgrade` would refuse for; what a revision raises on the scratch database.
    """
    service = facts.ServiceFacts.from_dict(request.service)
    project.enter(service)
    tell.step("look")
    found = situation.look(service)
    target = upgrade.aim(found, str(request.options.get("to") or "heads"), tell)
    went = walk.Walk(keep=True)
    if target.pending:
        with places.on_scratch(service, tell) as place:
            bootstrap.run(service, place.url, tell)
            history.make_version_schema(place.url, found.table)
            for each in found.standing.applied:
                history.upgrade(found.of, place.url, found.table, to=each)
            walk.upgrade(found.of, target.name, went, tell)
    return {
        "prepare": [_version_table(found.table)] if went.revisions and not found.standing.applied else [],
        "revisions": [
            {**found.code.describe(each.revision), "statements": each.lines, "noted": each.noted}
            for each in went.revisions
        ],
        "state": found.standing.state,
        "before": list(found.standing.applied),
        "after": list(target.rows),
        "tables": found.observed.tables,
        "address": found.database,
    }


def _version_table(table: project.VersionTable) -> str:
    """How Alembic makes it, when it is not there yet."""
    key = sqltext.identifier(f"{table.name}_pkc")
    return (
        f"CREATE TABLE IF NOT EXISTS {table.quoted} "
        f"(version_num VARCHAR(32) NOT NULL, CONSTRAINT {key} PRIMARY KEY (version_num))"
    )
