"""The operation behind `apply`: the same migration that a Job runs, asked for by the operator's side."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from .. import facts
from ..applying import situation
from ..applying import upgrade as upgrading
from ..projects import project
from . import migrate, settings

if TYPE_CHECKING:
    from ..wire import protocol, telling

__all__ = ["upgrade"]


def upgrade(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Upgrades the service's database.

    Options: `to` (default `heads`); `plan` (bool): decides, refuses, and runs nothing; `seen`: the revisions that the plan
    was made on (a list, None: not planned); `lock_wait`, `lock_timeout`, `statement_timeout`, `lock_retries`: see
    `settings.Settings`.

    Returns:
        `outcome` (`upgraded`, `nothing to do`, `would upgrade`), `unchanged` (whether there was nothing to do), `before`
        and `after` (revisions), `state` (before), `applied` (revision, message, file of each), `tables`, `address`,
        `version_table` (its full name); and where it shares its database, `makes`, `shares` and `creates`: tables that the
        history makes, that it makes where they are not there, and that the pending revisions make.

    Raises:
        faults.Fault: see `migrate.migrate`.
    """
    service = facts.ServiceFacts.from_dict(request.service)
    wanted = settings.from_environment(_given(request))
    # Nobody waits for a lock so long that the time limit of the operation ends it without a name.
    wanted = dataclasses.replace(wanted, lock_wait=min(wanted.lock_wait, request.time_limit / 2))
    project.enter(service)
    if request.options.get("plan"):
        return _planned(service, wanted, tell)
    done = migrate.migrate(service, wanted, tell, seen=request.options.get("seen"))
    return done.to_dict()


def _given(request: protocol.Request) -> dict[str, Any]:
    given = {name: request.options.get(name) for name in (*settings.VARIABLES, "repair")}
    return {**given, "to": str(request.options.get("to") or "heads")}


def _planned(service: facts.ServiceFacts, wanted: settings.Settings, tell: telling.Tell) -> dict[str, Any]:
    tell.step("look")
    found = situation.look(service)
    target = upgrading.aim(found, wanted.to, tell)
    if not target.pending:
        return upgrading.answer(found, target, found, upgrading.NOTHING)
    if found.to_bootstrap:
        tell.warn(f"{found.database} is empty: what services.yaml names as bootstrap: runs before the first revision")
    return upgrading.answer(found, target, found, upgrading.WOULD_UPGRADE)
