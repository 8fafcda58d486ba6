"""A database that is ahead of the image that is to migrate it: there is nothing to apply, and never anything to clean up.

That is what the migration Job of a release that was rolled back finds. Whether the older image can live with it is the
judgement of `verify`, with the same policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import faults
from ..applying import situation, upgrade
from ..reading import revision_target
from ..standing import state
from ..verifying import of_code, verdict, verification
from ..verifying.verdict import PREFIX
from . import settings

if TYPE_CHECKING:
    from ..wire import telling

__all__ = ["nothing_to_apply"]


def nothing_to_apply(found: situation.Situation, wanted: settings.Settings, tell: telling.Tell) -> upgrade.Aim | None:
    """What was to be reached, where a newer release has gone past it and this image can live with that; this is told.

    Args:
        found: the service, before any lock.
        wanted: with the policy `ahead`; None: nothing is judged.
        tell: gets the warning of `verify`.

    Returns:
        None where the database is not ahead, or the ledger says that it has another history: `upgrade.aim` refuses that.

    Raises:
        faults.RefusedFault: `newer-database`: this image can't live with it, or the policy refuses it, or indexes are to be
            repaired, which is the matter of the image that has the revisions.
        faults.DatabaseFault: `database-unreachable`.
    """
    if wanted.ahead is None or found.standing.state != state.AHEAD:
        return None
    service, rows = found.service, found.standing.applied
    revision_target.resolve(found.code.graph, wanted.to, service.name, rows)
    image = of_code.expected_of(service, found.code, found.table)
    judged = verification.verify(found.url, image, policy=wanted.ahead)
    message = f"{service.name}: {judged.message.removeprefix(PREFIX)}"
    if judged.state == verdict.UNREACHABLE:
        raise faults.DatabaseFault("database-unreachable", message, judged.mend)
    if judged.state != verdict.AHEAD:
        return None
    if not judged.ready:
        raise faults.RefusedFault("newer-database", message, judged.mend, data=judged.to_dict())
    if wanted.repair:
        raise faults.RefusedFault(
            "newer-database", message, "run migrate --repair of the newer image, which knows what the indexes are for"
        )
    for warning in judged.warnings:
        tell.warn(f"{service.name}: {warning}; nothing is to be applied")
    return upgrade.Aim(wanted.to, rows, ())
