"""What came along of the ledger, put together from its pieces."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Ledger", "is_hopeless", "mend_of_run", "of_run", "put_together", "why_untold"]


@dataclasses.dataclass(frozen=True)
class Ledger:
    """What the ledger says of one version table.

    Attributes:
        state: `readable`, `unreadable`, `missing`, `foreign` (a schema of that name that is none); None: it was not asked.
        for_heads: the newest run that was to reach the heads of this image, or None.
        newest: the newest run at all, or None.
        revisions: revision to (kind, reason, parents), as it was applied last.
        locks: numbers of the advisory locks that sessions hold in this database; None: not known (a standby has none, or
            there are too many).
    """

    state: str | None = None
    for_heads: dict[str, Any] | None = None
    newest: dict[str, Any] | None = None
    revisions: Mapping[str, tuple[str, str, tuple[str, ...]]] = dataclasses.field(default_factory=dict)
    locks: frozenset[int] | None = None


_ENDED = {"failed": "failed", "refused": "was refused", "terminated": "was terminated"}
_RUN = ("id", "service", "outcome", "fatal", "last_attempt", "error", "started", "target")


def put_together(words: Sequence[str]) -> Ledger:
    """The ledger from the words that `ledger.sql` gives: `s` its state, `p` a numbered piece.

    `k` is the number of an advisory lock that is held, or `kall` where there is none more.

    Of the pieces, `h` and `a` are a run each, `r` with four digits a revision each, the newest first.
    """
    texts: dict[str, list[str]] = {}
    for word in sorted(each[1:] for each in words if each[:1] == "p"):
        length = 5 if word[:1] == "r" else 1
        texts.setdefault(word[:length], []).append(word[length + 3 :])
    revisions: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    for key in sorted(each for each in texts if each.startswith("r")):
        told = _json("".join(texts[key]))
        if isinstance(told, list) and len(told) == 4 and told[0] not in revisions:
            revisions[str(told[0])] = (str(told[1]), str(told[2]), tuple(map(str, told[3] or ())))
    runs = [_json("".join(texts.get(each, ()))) for each in ("h", "a")]
    named = [
        dict(zip(_RUN, each, strict=True)) if isinstance(each, list) and len(each) == len(_RUN) else None
        for each in runs
    ]
    state = next((each[1:] for each in words if each[:1] == "s"), None)
    return Ledger(state, named[0], named[1], revisions, _locks(words))


def _locks(words: Sequence[str]) -> frozenset[int] | None:
    told = {each[1:] for each in words if each[:1] == "k"}
    numbers = told - {"all"}
    if "all" not in told or not all(each.removeprefix("-").isdecimal() for each in numbers):
        return None
    return frozenset(map(int, numbers))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # cut short
        return None


def is_hopeless(run: Mapping[str, Any] | None) -> bool:
    """Whether a run failed in a way that no other try can mend, or nobody will try again."""
    return run is not None and run["outcome"] in ("failed", "refused") and bool(run["fatal"] or run["last_attempt"])


def of_run(run: Mapping[str, Any], lives: bool | None = None) -> str:
    """What to add to a message about a database that a run was to make ready.

    Args:
        run: which.
        lives: of one that has not ended: whether its lock is held; None: not known.
    """
    if run["outcome"] == "running":
        if lives:
            return f"; a migration run is under way since {run['started']}"
        gone = ", and its session is gone" if lives is False else ""
        return f"; a migration run began at {run['started']} and has not reported its end{gone}"
    if run["outcome"] in ("failed", "refused", "terminated"):
        lines = str(run["error"] or "").strip().splitlines() or ["no reason noted"]
        error = " ".join(lines[0].split())
        again = ", and it will not be tried again" if is_hopeless(run) else ""
        return f"; the migration run of {run['started']} {_ENDED[run['outcome']]}{again}: {error}"
    return ""


def mend_of_run(run: Mapping[str, Any], lives: bool | None, by: str) -> str | None:
    """What to do where that run is why a database is not ready; None: what its state calls for.

    Args:
        run: which.
        lives: see `of_run`.
        by: what migrates (`expected.JOB`, or what is nearer to whoever asks).
    """
    if run["outcome"] == "running" and not lives:
        return f"run {by} again: it finishes what that run had begun"
    if not is_hopeless(run):
        return None
    if not run["fatal"]:
        return f"see to what it failed for, then run {by} anew"
    if run["outcome"] == "refused":
        return f"see to what it was refused for, then run {by} anew"
    return f"mend the revision (or what else the error names), build a new image of it, then run {by}"


def why_untold(ledger: str | None, untold: Sequence[str]) -> str:
    """Why the ledger does not say what it was asked for: its state, and the revisions that it does not know."""
    said = {
        "missing": "there is no ledger that says what it did",
        "unreadable": "the ledger can't be read by this role (GRANT USAGE ON SCHEMA stillroom and SELECT on its tables)",
        "foreign": "the schema stillroom is no ledger",
    }
    return said.get(str(ledger), f"the ledger does not know {', '.join(untold) or 'it'} (applied without migrate)")
