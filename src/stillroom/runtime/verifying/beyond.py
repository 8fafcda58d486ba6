"""What lies beyond an image: the revisions that it does not have, as the ledger tells them, up to where its own begin."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from .expected import Expected

__all__ = ["Beyond", "beyond"]

_EXPAND = "expand"


@dataclasses.dataclass(frozen=True)
class Beyond:
    """What was found on the way from the rows of the version table down to revisions that the image has.

    Attributes:
        complete: each revision on the way is in the ledger.
        expanding: those that only add, the oldest first.
        boundary: the oldest that does more, with the reason; None: there is none.
        untold: revisions that the ledger does not know.
        missing_heads: heads of the image that are not below the rows; known only where the way is complete.
    """

    complete: bool
    expanding: tuple[str, ...] = ()
    boundary: tuple[str, str] | None = None
    untold: tuple[str, ...] = ()
    missing_heads: tuple[str, ...] = ()


def beyond(rows: Sequence[str], expected: Expected, ledger: Mapping[str, tuple[str, str, tuple[str, ...]]]) -> Beyond:
    """Walks from the rows down.

    Args:
        rows: of the version table.
        expected: what the image has.
        ledger: revision to (kind, reason, parents).
    """
    passed: list[str] = []
    untold: set[str] = set()
    reached: set[str] = set()
    for start in sorted(rows):
        _walk(start, expected, ledger, passed, untold, reached)
    contracting = [each for each in passed if ledger[each][0] != _EXPAND]
    boundary = (contracting[0], ledger[contracting[0]][1]) if contracting else None
    complete = not untold
    contained = expected.graph.ancestors(reached)
    missing = tuple(each for each in expected.heads if each not in contained) if complete and passed else ()
    expanding = tuple(each for each in passed if each not in contracting)
    return Beyond(complete, expanding, boundary, tuple(sorted(untold)), missing)


def _walk(
    start: str,
    expected: Expected,
    ledger: Mapping[str, tuple[str, str, tuple[str, ...]]],
    passed: list[str],
    untold: set[str],
    reached: set[str],
) -> None:
    """Adds what is on the way, parents before children."""
    seen = {*passed, *untold, *reached}
    waiting = [(start, False)]
    while waiting:
        each, done = waiting.pop()
        if done:
            passed.append(each)
        elif each in expected.links:
            reached.add(each)
        elif each not in seen:
            seen.add(each)
            if each not in ledger:
                untold.add(each)
                continue
            waiting.append((each, True))
            waiting += [(parent, False) for parent in reversed(ledger[each][2])]
