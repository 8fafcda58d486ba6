"""From the answer of a database, and what an image expects, to a verdict. Pure; whatever is odd is not ready."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import verdict
from .verdict import ALLOW, POLICIES, PREFIX, REFUSE, Verdict

if TYPE_CHECKING:
    from .expected import Expected
    from .ledger_told import Ledger

__all__ = ["ALLOW", "POLICIES", "REFUSE", "judge", "no_migrations", "unreachable"]


def judge(row: str | Sequence[Any], expected: Expected, policy: str = ALLOW) -> Verdict:
    """The verdict.

    Args:
        row: what the statement of `question.question` gave: its one row, or the text in it.
        expected: what the image's files say.
        policy: `allow` or `refuse`: of a database that is ahead, where the ledger does not tell whether the image can live
            with that.

    Raises:
        ValueError: no such policy, or the answer is none.
    """
    if policy not in POLICIES:
        raise ValueError(f"no policy {policy!r}: allowed are {', '.join(POLICIES)}")
    text = row if isinstance(row, str) else row[0]
    answer = json.loads(text) if isinstance(text, str) else text
    if not isinstance(answer, dict) or "rows" not in answer:
        raise ValueError("not the answer to the question of a verification")
    if answer.get("deep") is None and _plainly_at_head(answer, expected):
        return _at_head(answer, expected)
    return _fully_judged(answer, expected, policy)


def _plainly_at_head(answer: Mapping[str, Any], expected: Expected) -> bool:
    """Whether nothing else has to be looked at: a readable table with exactly the rows that are expected."""
    place = answer.get("place")
    return (
        bool(expected.count)
        and place is not None
        and place[2] in ("r", "p")
        and place[3:] == [True, True, False]
        and sorted(answer["rows"]) == list(expected.heads)
        and not answer.get("twice")
        and not answer.get("empty_row")
    )


def _at_head(answer: Mapping[str, Any], expected: Expected) -> Verdict:
    at = ", ".join(expected.heads)
    return Verdict(
        verdict.AT_HEAD,
        True,
        f"the database is at {at}, as this image expects",
        service=expected.service,
        current=expected.heads,
        heads=expected.heads,
        migrations=expected.count,
        tables=int(answer.get("tables") or 0),
    )


def _fully_judged(answer: Mapping[str, Any], expected: Expected, policy: str) -> Verdict:
    """With the ledger, and depth where it was asked for. What is rarely needed is imported here."""
    from . import depth, ledger_told

    ledger = ledger_told.put_together([str(each) for each in answer.get("pieces") or ()])
    found = _judged(answer, expected, policy, ledger)
    run = ledger.for_heads or ledger.newest
    hopeless = not found.ready and ledger_told.is_hopeless(ledger.for_heads)
    told = dataclasses.replace(found, ledger=ledger.state, run=run, hopeless=hopeless)
    if told.state in (verdict.BEHIND, verdict.EMPTY, verdict.UNVERSIONED) and ledger.for_heads is not None:
        told = _with_run(told, answer, expected, ledger, ledger.for_heads)
    if told.ready and answer.get("deep") is not None:
        return depth.judged(told, answer, ledger)
    return told


def _with_run(
    told: Verdict, answer: Mapping[str, Any], expected: Expected, ledger: Ledger, run: Mapping[str, Any]
) -> Verdict:
    """The verdict on a database that a run was to make ready, with what became of that run."""
    from . import ledger_told

    lives = None
    if run["outcome"] == "running" and ledger.locks is not None and answer.get("place") is not None:
        from ..ledger import lock_key

        lives = lock_key.key(str(answer.get("database")), ".".join(answer["place"][:2])) in ledger.locks
    mend = ledger_told.mend_of_run(run, lives, expected.brought_by) or told.mend
    return dataclasses.replace(told, message=told.message + ledger_told.of_run(run, lives), mend=mend)


def no_migrations(expected: Expected) -> Verdict:
    """The verdict on an image without migration files; no database has to be asked."""
    folders = ", ".join(map(str, expected.folders)) or "its versions folder"
    return Verdict(
        verdict.NO_MIGRATIONS,
        False,
        f"{PREFIX}No migration files found for {expected.service} in {folders}",
        "put the migrations folder into the image (COPY, .dockerignore); where there are none yet: invoke regenerate "
        f"--service {expected.service}",
        service=expected.service,
    )


def unreachable(expected: Expected, what: str, mend: str) -> Verdict:
    """The verdict on a database that could not be asked."""
    return Verdict(
        verdict.UNREACHABLE,
        False,
        f"{PREFIX}{what}",
        mend,
        service=expected.service,
        heads=expected.heads,
        migrations=expected.count,
    )


def _judged(answer: Mapping[str, Any], expected: Expected, policy: str, ledger: Ledger) -> Verdict:
    from .said import Said

    if not expected.count:
        return no_migrations(expected)
    said = Said(answer, expected)
    unreadable = said.unreadable()
    if unreadable is not None:
        return unreadable
    if not said.rows:
        return said.without_revision()
    if answer.get("twice") or answer.get("empty_row"):
        return said.odd_rows()
    return _at_head(answer, expected) if said.rows == expected.heads else said.elsewhere(policy, ledger)
