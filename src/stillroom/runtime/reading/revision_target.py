"""Which revisions `--to` means: `heads`, an id, the beginning of one, a branch label, `label@head`, `+1`, `label@+1`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from .. import faults
from . import revision_graph, revision_relative

__all__ = ["resolve"]

_SHORTEST = 4  # Alembic's own limit for the beginning of an id


def resolve(graph: revision_graph.Graph, text: str, service: str, applied: Collection[str] = ()) -> tuple[str, ...]:
    """The ids of the revisions that `text` means, as Alembic would understand it.

    But for a label alone: that means the head of its branch, where Alembic takes the revision that declares it.

    Args:
        graph: the revisions of the code.
        text: what the person wrote.
        service: named in the message.
        applied: the revisions that the database notes, from which `+1` counts.

    Raises:
        faults.ProjectFault: `several-heads` for `head` where there are several, or where `+1` could be either of some;
            `no-such-revision` otherwise.
        faults.RefusedFault: `past-revision` for what counts backwards from the database.
    """
    relative = revision_relative.parse(text) if text not in graph.by_id and text not in graph.by_label else None
    if relative is not None:
        return (_counted(graph, relative, service, applied),)
    label, at, name = text.rpartition("@")
    if at and label not in graph.by_label and label not in graph.by_id:
        raise _unknown(graph, label, service)
    if name in ("head", "heads"):
        return _heads(_of_branch(graph, label) if at else graph.heads, name, service)
    found = _named(graph, name, service)
    if at and not set(found) <= revision_relative.lineage(graph, _start(graph, label)):
        raise faults.ProjectFault(
            "no-such-revision",
            f"{service}: {', '.join(found)} is no revision of the branch {label}",
            f"leave {label}@ out, or name a revision of it: {', '.join(_of_branch(graph, label))}",
        )
    return found


def _named(graph: revision_graph.Graph, name: str, service: str) -> tuple[str, ...]:
    if name in graph.by_id:
        return (name,)
    if name in graph.by_label:
        return _heads(_of_branch(graph, name), "head", service)
    begun = [each for each in graph.by_id if each.startswith(name)] if len(name) >= _SHORTEST else []
    if len(begun) != 1:
        raise _unknown(graph, name, service, begun)
    return (begun[0],)


def _counted(
    graph: revision_graph.Graph, said: revision_relative.Relative, service: str, applied: Collection[str]
) -> str:
    known = [each for each in applied if each in graph.by_id]
    if said.label and said.label not in graph.by_label and said.label not in graph.by_id:
        raise _unknown(graph, said.label, service)
    branch = _start(graph, said.label) if said.label else None
    start = None
    if said.start in graph.by_label:
        start = graph.by_label[said.start].id
    elif said.start:
        within = said.label and (said.count <= 0 or said.start in ("head", "heads"))  # as Alembic does
        (start,) = resolve(graph, f"{said.label}@{said.start}" if within else said.start, service)
    return revision_relative.steps(graph, said, known, service, start=start, branch=branch)


def _start(graph: revision_graph.Graph, label: str) -> str:
    """The revision that a label, or an id in its place, names."""
    return graph.by_label[label].id if label in graph.by_label else label


def _heads(heads: Sequence[str], name: str, service: str) -> tuple[str, ...]:
    if name == "heads" or len(heads) == 1:
        return tuple(sorted(heads))
    raise faults.ProjectFault(
        "several-heads",
        f"{service}: 'head' is not one revision: the code has the heads {', '.join(sorted(heads))}",
        "say --to heads for all of them, or name one",
    )


def _of_branch(graph: revision_graph.Graph, label: str) -> tuple[str, ...]:
    """The heads of the branch that a label (or a revision in it) names."""
    branch = revision_relative.lineage(graph, _start(graph, label))
    return tuple(each for each in graph.heads if each in branch)


def _unknown(graph: revision_graph.Graph, name: str, service: str, begun: Sequence[str] = ()) -> faults.ProjectFault:
    near = list(begun) or difflib.get_close_matches(name, [*graph.by_id, *graph.by_label], n=3)
    several = f": {len(begun)} revisions begin so" if begun else ""
    mend = f"did you mean {' or '.join(near)}?" if near else f"the code has the heads {', '.join(sorted(graph.heads))}"
    return faults.ProjectFault(
        "no-such-revision", f"{service}: {name!r} is no revision or branch label of its history{several}", mend
    )
