"""Whether the schema is what the last migration run left: what a fingerprint comes to."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from . import verdict
from .ledger_told import Ledger, why_untold
from .verdict import PREFIX, Verdict

__all__ = ["judged"]

_MENDS = {
    "missing": "run migrate once: it makes the ledger, and records what is there",
    "unreadable": "let the service's role read the ledger: declare service_role:, or give the grants by hand",
    "foreign": "rename that schema, then run migrate once: it makes the ledger, and records what is there",
}


def judged(found: Verdict, answer: Mapping[str, Any], ledger: Ledger) -> Verdict:
    """The verdict with depth: itself, `drifted`, or `unproven` where there is nothing to hold the schema against.

    Args:
        found: of the stamp, ready.
        answer: with what `deep.sql` gives.
        ledger: what came along of it.
    """
    deep = answer["deep"]
    if deep.get("same") is True:
        return dataclasses.replace(found, deep=True)
    where = f"database {answer.get('database')}"
    if deep.get("same") is False and deep.get("recorded") is not None:
        return _drifted(found, deep, where)
    majors = sorted({int(each) for each in deep.get("majors") or ()})
    if ledger.state != "readable":
        why = why_untold(ledger.state, ())
        mend = _MENDS.get(str(ledger.state), "run migrate once: it records what is there")
    elif majors:
        why = (
            f"the fingerprint was taken by PostgreSQL {', '.join(map(str, majors))}, and this server runs "
            f"{answer.get('major')}, which may print definitions differently"
        )
        mend = "run migrate once on this server: it renews the fingerprint after an empty diff"
    else:
        why, mend = "no fingerprint is recorded for these revisions", "run migrate once: it records what is there"
    return dataclasses.replace(
        found,
        state=verdict.UNPROVEN,
        ready=False,
        message=f"{PREFIX}the schema of {where} can't be proven to be what its revision says: {why}",
        mend=mend,
    )


def _drifted(found: Verdict, deep: Mapping[str, Any], where: str) -> Verdict:
    from ..ledger import fingerprint

    recorded = deep["recorded"]
    recorded = json.loads(recorded) if isinstance(recorded, str) else recorded
    lines = fingerprint.differences(recorded, deep.get("found") or ())
    more = len(lines) - verdict.SHOWN
    shown = "; ".join(lines[: verdict.SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return dataclasses.replace(
        found,
        state=verdict.DRIFTED,
        ready=False,
        deep=True,
        message=f"{PREFIX}the schema of {where} is not what the last migration left at {', '.join(found.current)}: {shown}",
        mend="somebody changed it by hand: change it back, or put the change into a revision and migrate",
        differences=tuple(lines),
    )
