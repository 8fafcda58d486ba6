"""Relative revisions, as Alembic counts them: `+1`, `expand@+1`, `1a2b+2`, `head-1`. Pure.

`+N` counts from where the database is; with a label from where that branch is in it. What stands before the sign is a
revision to count from instead.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from .. import faults
from . import revision_graph

__all__ = ["Relative", "lineage", "parse", "steps"]

_RELATIVE = re.compile(r"(?:(?P<label>.+?)@)?(?P<start>\w+)?(?P<count>[+-]\d+)")


class Relative:
    """What a relative revision says.

    Attributes:
        label: the branch to stay in; empty: any.
        start: the revision to count from; empty: where the database is.
        count: how many steps, downwards if negative.
    """

    def __init__(self, label: str, start: str, count: int) -> None:
        self.label = label
        self.start = start
        self.count = count


def parse(text: str) -> Relative | None:
    """What a text says if it is a relative revision, else None."""
    match = _RELATIVE.fullmatch(text)
    return Relative(match["label"] or "", match["start"] or "", int(match["count"])) if match else None


def steps(
    graph: revision_graph.Graph,
    said: Relative,
    applied: Collection[str],
    service: str,
    *,
    start: str | None = None,
    branch: str | None = None,
) -> str:
    """The one revision that is meant.

    Args:
        graph: the revisions of the code.
        said: the relative revision.
        applied: the revisions that the database notes, as far as the code has them.
        service: named in messages.
        start: the id that `said.start` stands for; None: none is said.
        branch: the id that `said.label` stands for; None: none is said.

    Raises:
        faults.ProjectFault: `no-such-revision` if there are not as many; `several-heads` where the way parts;
            `past-revision` if it counts backwards from where the database is.
    """
    text = f"{said.label}@" * bool(said.label) + f"{said.start}{said.count:+}"
    if start is None and said.count <= 0:
        raise faults.RefusedFault(
            "past-revision",
            f"{service}: {text} lies behind where the database is; apply only goes forward",
            "go back by hand in the service's folder: alembic downgrade REVISION",
        )
    among = lineage(graph, branch) if branch is not None else graph.by_id.keys()
    at = start if start is not None else _noted(graph, applied, among, service, text)
    for done in range(abs(said.count)):
        further = _above(graph, at, among) if said.count > 0 else graph.by_id[at].down if at else ()
        at = _only(graph, further, service, text, done)
    return at


def lineage(graph: revision_graph.Graph, start: str) -> frozenset[str]:
    """`start`, what it follows and what follows it, by `down_revision` alone: its branch."""
    return graph.line(start) | {each for each in graph.by_id if start in graph.line(each)}


def _noted(
    graph: revision_graph.Graph, applied: Collection[str], among: Collection[str], service: str, text: str
) -> str:
    """Where the database is within these revisions; the empty text: before the first."""
    rows = [each for each in applied if each in among]
    if not rows:
        active = graph.ancestors(applied) & set(among)
        followed = {parent for each in active for parent in graph.by_id[each].down}
        rows = sorted(active - followed)
    if len(rows) > 1:
        raise faults.ProjectFault(
            "several-heads",
            f"{service}: {text} counts from where the database is, and that is at {', '.join(sorted(rows))}",
            f"say of which branch: {'LABEL@' if '@' not in text else ''}{text} with the label or a revision of it",
        )
    return rows[0] if rows else ""


def _above(graph: revision_graph.Graph, at: str, among: Collection[str]) -> Sequence[str]:
    """What follows next; of the empty text the bases."""
    if not at:
        return [each for each in graph.bases if each in among]
    return [id_ for id_, each in graph.by_id.items() if at in each.down and id_ in among]


def _only(graph: revision_graph.Graph, further: Sequence[str], service: str, text: str, done: int) -> str:
    if len(further) == 1:
        return further[0]
    if further:
        raise faults.ProjectFault(
            "several-heads",
            f"{service}: the way to {text} parts: {' or '.join(sorted(further))}",
            "name the revision, or say of which branch: LABEL@+1",
        )
    there = f"there {'is' if done == 1 else 'are'} {done}" if done else "there is none"
    raise faults.ProjectFault(
        "no-such-revision",
        f"{service}: {text} is more revisions than its history has that way: {there}",
        f"the code has the heads {', '.join(sorted(graph.heads))}",
    )
