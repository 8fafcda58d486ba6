"""Which revisions `--to` means: `heads`, `head`, an id, the beginning of one, a branch label, `label@head`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from . import faults, revision_graph

__all__ = ["resolve"]

_SHORTEST = 4  # Alembic's own limit for the beginning of an id


def resolve(graph: revision_graph.Graph, text: str, service: str) -> tuple[str, ...]:
    """The ids of the revisions that `text` means, as Alembic would understand it.

    Args:
        graph: the revisions of the code.
        text: what the person wrote.
        service: named in the message.

    Raises:
        faults.ProjectFault: `several-heads` for `head` where there are several; `no-such-revision` otherwise.
    """
    label, at, name = text.rpartition("@")
    if at and label not in graph.by_label and label not in graph.by_id:
        raise _unknown(graph, label, service)
    heads = _of_branch(graph, label) if at else graph.heads
    if name in ("head", "heads"):
        return _heads(heads, name, service)
    if name in graph.by_id:
        return (name,)
    if name in graph.by_label:
        return _heads(_of_branch(graph, name), "head", service)
    begun = [each for each in graph.by_id if each.startswith(name)] if len(name) >= _SHORTEST else []
    if len(begun) != 1:
        raise _unknown(graph, name, service, begun)
    return (begun[0],)


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
    start = graph.by_label[label].id if label in graph.by_label else label
    return tuple(each for each in graph.heads if start in _line(graph, each))


def _line(graph: revision_graph.Graph, head: str) -> set[str]:
    found: set[str] = set()
    waiting = [head]
    while waiting:
        each = waiting.pop()
        if each in graph.by_id and each not in found:
            found.add(each)
            waiting += graph.by_id[each].down
    return found


def _unknown(graph: revision_graph.Graph, name: str, service: str, begun: Sequence[str] = ()) -> faults.ProjectFault:
    near = list(begun) or difflib.get_close_matches(name, [*graph.by_id, *graph.by_label], n=3)
    several = f": {len(begun)} revisions begin so" if begun else ""
    mend = f"did you mean {' or '.join(near)}?" if near else f"the code has the heads {', '.join(sorted(graph.heads))}"
    return faults.ProjectFault(
        "no-such-revision", f"{service}: {name!r} is no revision or branch label of its history{several}", mend
    )
