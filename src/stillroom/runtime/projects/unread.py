"""Revision files that Alembic is not told to read: what lies below or beside the version locations.

Projects whose own code sets `version_locations` leave them: by Alembic's own command line such a history looks whole,
and is a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..reading import revision_file, revision_problem, revisions
from ..reading.revision_graph import Graph
from ..reading.revision_problem import Problem
from . import locations

__all__ = ["CAUSES", "problems"]

CAUSES = frozenset({"missing-parent", "unknown-dependency", "unexpected-heads", "no-revisions"})
"""Problems of a history that may only come from files that are not read."""

_MARK = b"down_revision"
_SHOWN = 3


def problems(where: locations.Locations, graph: Graph, *, declared: bool) -> list[Problem]:
    """What is wrong with the version locations, as far as files tell.

    Args:
        where: the project.
        graph: the history that is read.
        declared: whether the registry names the version locations: then files that have nothing to do with it are meant
            to be left out.
    """
    below = _unread(where.version_locations, graph)
    beside = _unread([where.script_location / "versions"], graph)
    kin = _kin(graph, {each.path: each for each in (*below, *beside)}.values())
    if kin:
        return [_unread_kin(kin, graph)]
    if below and not graph.revisions:
        return [_only_below(where, below)]
    if below and not declared:
        return [_strangers(below)]
    return []


def _unread(folders: Sequence[Path], graph: Graph) -> list[revision_file.Revision]:
    read = {each.path for each in graph.revisions}
    files, _ = revisions.listed([each for each in folders if each.is_dir()], recursive=True, without=read)
    candidates = (each for each in files if _MARK in each.source)
    found = (revision_file.read_head(each.source, each.shown, each.path, None) for each in candidates)
    return [each for each in found if isinstance(each, revision_file.Revision)]


def _kin(graph: Graph, unread: Iterable[revision_file.Revision]) -> list[revision_file.Revision]:
    """Those of the unread revisions that hang together with the history that is read.

    A folder that has some of its ids, too, is another reading of it: the history for another kind of database, or what
    a squashed one was made from.
    """
    everything = list(unread)
    parallel = {Path(each.path).parent for each in everything if each.id in graph.by_id}
    others = {each.id: each for each in everything if Path(each.path).parent not in parallel}
    wanted = {parent for each in graph.revisions for parent in graph.parents(each)}
    known = set(graph.by_id) | set(graph.by_label)
    kin: set[str] = set()
    while True:  # parents and children of what is known, until there are no more
        more = {id_ for id_, each in others.items() if id_ in wanted or known & {*each.down, *each.depends_on}} - kin
        if not more:
            return [each for id_, each in others.items() if id_ in kin]
        kin |= more
        known |= more
        wanted |= {parent for id_ in more for parent in (*others[id_].down, *others[id_].depends_on)}


def _named(found: Sequence[revision_file.Revision]) -> str:
    names = [each.name for each in found[:_SHOWN]]
    more = [f"{len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return revision_problem.listed([*names, *more])


def _several(count: int) -> str:
    return f"{count} revision file{'' if count == 1 else 's'}"


_MEND = (
    "Where they belong to it, say so in services.yaml: `recursive_version_locations: true`, or `version_locations: "
    "[FOLDER, ...]` as the project's own code has them; where not, move them elsewhere."
)


def _unread_kin(kin: Sequence[revision_file.Revision], graph: Graph) -> Problem:
    count = len(kin)
    verb = "lies" if count == 1 else "lie"
    return Problem(
        "unread-revisions",
        f"{_several(count)} that belong{'s' if count == 1 else ''} to this history {verb} where nothing is read: "
        f"{_named(kin)}; what is read ({_several(len(graph.revisions))}) is a part of it.",
        _MEND,
        tuple(each.path for each in kin),
        about="down_revision",
    )


def _only_below(where: locations.Locations, below: Sequence[revision_file.Revision]) -> Problem:
    folders = revision_problem.listed(str(each) for each in where.version_locations)
    return Problem(
        "unread-revisions",
        f"There is no revision file in {folders}, and {_several(len(below))} in folders below, where nothing is read: "
        f"{_named(below)}.",
        _MEND,
        tuple(each.path for each in below),
        about="revision",
    )


def _strangers(below: Sequence[revision_file.Revision]) -> Problem:
    return Problem(
        "unread-folder",
        f"{_several(len(below))} in folders below the version locations {'is' if len(below) == 1 else 'are'} not read, "
        f"and no revision that is read has to do with them: {_named(below)}.",
        _MEND,
        tuple(each.path for each in below),
        severity="warning",
        about="revision",
    )
