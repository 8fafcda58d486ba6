"""What a failed upgrade leaves behind, told honestly: which revisions stay, and whether a part of the failed one does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import faults
from ..housekeeping import aside
from ..replay import walk
from ..schema import invalid_indexes
from ..wire import telling
from . import matching, situation

__all__ = ["failure"]


def failure(found: situation.Situation, fault: faults.Fault, went: walk.Walk, tell: telling.Tell) -> faults.Fault:
    """The fault to raise for an upgrade that failed.

    The database is asked where it is. If the revision had committed a part of itself, its catalog is also compared with
    what the revisions noted there make of an empty database.

    Args:
        found: the service before the upgrade.
        fault: what was raised.
        went: what was done until then.
        tell: for progress.
    """
    now = found.again().standing
    applied = [each for each in found.standing.pending if each not in now.pending]
    at = ", ".join(now.applied) or "no revision"
    data = {**fault.data, "cause": fault.code, "applied": applied, "at": list(now.applied)}
    if went.current is None:
        done = f"; applied: {', '.join(applied)}" if applied else "; nothing was applied"
        fault.message += f"{done}, {found.database} is at {at}"
        fault.data = data
        return fault
    failed = found.code.describe(went.current.revision)
    data["revision"], data["file"] = failed["revision"], failed["file"]
    before = f"applied before it: {', '.join(applied)}" if applied else "nothing was applied before it"
    message = f"{fault.message} (file {failed['file']}); {before}, {found.database} is at {at}"
    stays = went.current.committed
    invalid = invalid_indexes.left_by(found.url, went.concurrent)
    if invalid:
        return _unusable(found, fault, message, invalid, stays, data)
    if not stays:
        message += "; its transaction was rolled back"
        return type(fault)("revision-failed", message, fault.mend, detail=fault.detail, data=data)
    data["statements"] = stays
    data["difference"] = _difference(found, now.applied, tell)
    return type(fault)(
        "half-applied",
        f"{message}; revision {failed['revision']} is half applied: {_counted(stays)} ran outside a transaction and stay",
        f"{fault.mend}; write the revision so that it can run again (IF NOT EXISTS), then: "
        f"invoke apply --service {found.service.name}",
        detail="\n".join([*stays, *_titled(data["difference"]), fault.detail]).strip(),
        data=data,
    )


def _unusable(
    found: situation.Situation,
    fault: faults.Fault,
    message: str,
    invalid: Sequence[invalid_indexes.Index],
    stays: Sequence[str],
    data: dict[str, Any],
) -> faults.Fault:
    names = ", ".join(each.name for each in invalid)
    ran = f", and {_counted(stays)} that ran outside a transaction" if stays else ""
    return type(fault)(
        "half-applied",
        f"{message}; revision {data['revision']} is half applied: the index {names} stays, INVALID{ran}",
        f"{invalid_indexes.mend(invalid)} (IF NOT EXISTS would pass over it), remove what made it fail, then: "
        f"invoke apply --service {found.service.name}",
        detail="\n".join([*stays, "", fault.detail]).strip(),
        data={**data, "statements": list(stays), "invalid": [each.name for each in invalid]},
    )


def _counted(statements: Sequence[str]) -> str:
    return "1 statement" if len(statements) == 1 else f"{len(statements)} statements"


def _titled(lines: Sequence[str]) -> list[str]:
    return ["", "the database, against what its noted revisions make:", *lines, ""] if lines else [""]


def _difference(found: situation.Situation, rows: Sequence[str], tell: telling.Tell) -> list[str]:
    """How the database differs from what its noted revisions make; empty, too, where that can't be told."""
    aside.forget(found.service.path)
    try:
        return matching.against_history(found.of, found.url, found.table, tell, to=rows).lines
    except faults.Fault as fault:
        tell.warn(f"what stays of the revision could not be compared: {fault.message}")
        return []
