"""The revisions of a history that a quick look does not settle: parsed, judged as a whole, and at last asked of Alembic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import facts, faults
from ..reading import revision_file, revision_graph, revisions

if TYPE_CHECKING:
    from ..projects import locations

__all__ = ["links"]

_COMPUTED = frozenset({"revision-not-literal", "revision-not-text"})


def links(
    folders: Sequence[Path], recursive: bool, told: facts.ServiceFacts | None, where: locations.Locations | None
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Revision to its `down_revision` and to what it depends on beside that.

    Raises:
        faults.ProjectFault: what leaves open which the heads are.
    """
    graph = revisions.read([each for each in folders if each.is_dir()], recursive=recursive)
    if told is not None and where is not None and _needs_running(graph):
        return _by_alembic(told, where)
    if _unsettled(graph):
        found = [each for each in graph.problems(len(graph.heads)) if each.severity == "error"]
        if found:
            raise faults.ProjectFault(
                found[0].code, found[0].message, found[0].mend, detail="\n".join(str(each) for each in found[1:])
            )
    return {each.id: (each.down, _needs(graph, each)) for each in graph.revisions}


def _needs(graph: revision_graph.Graph, revision: revision_file.Revision) -> tuple[str, ...]:
    return tuple(each for each in graph.parents(revision) if each not in revision.down)


def _unsettled(graph: revision_graph.Graph) -> bool:
    """Whether something is wrong that decides about heads; what revisions do is not looked at."""
    return (
        any(each.severity == "error" for each in graph.faults)
        or len(graph.by_id) != len(graph.revisions)
        or len(graph.ordered()) != len(graph.by_id)
        or any(parent not in graph.by_id for each in graph.revisions for parent in graph.parents(each))
    )


def _needs_running(graph: revision_graph.Graph) -> bool:
    """Whether a file computes who it is, what it follows, or what it depends on."""
    return any(each.code in _COMPUTED for each in graph.faults) or any(each.computed for each in graph.revisions)


def _by_alembic(
    told: facts.ServiceFacts, where: locations.Locations
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """What Alembic finds when it imports the files."""
    from alembic.script import ScriptDirectory

    from ..projects import alembic_config, blame

    with blame.blamed(told.name, "reading its revision files"):
        script = ScriptDirectory.from_config(alembic_config.make(told, where, None))
        found = list(script.walk_revisions())
    return {
        each.revision: (
            tuple(each._normalized_down_revisions),
            tuple(one for one in each._normalized_resolved_dependencies if one not in each._normalized_down_revisions),
        )
        for each in found
    }
