"""How long a revision id may be: the width of the version table's column, as far as sources tell.

Alembic makes it VARCHAR(32). Projects with longer ids widen it: in env.py, where it holds from the start, or in a
revision, where it holds for this one and what follows. Long ids before that fail when the row is written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection

from .revision_file import Revision
from .revision_graph import Graph

__all__ = ["DEFAULT", "limits", "room", "written"]

DEFAULT = 32
"""What Alembic makes it."""

_NAME = "version_num"
_REACH = 300  # characters behind the column's name in which its type stands
_SIZED = re.compile(
    r"(?:VARCHAR2?|CHARACTER\s+VARYING|CHAR|String|Unicode)\s*\(\s*(?:length\s*=\s*)?(\d+)", re.IGNORECASE
)
_UNLIMITED = re.compile(r"\b(?:TEXT|(?:sa\.)?(?:Text|String|Unicode|UnicodeText)\(\s*\))", re.IGNORECASE)


def written(source: str) -> int:
    """The width that this source gives the column; 0 if it does not touch it."""
    found = 0
    for place in re.finditer(rf"\b{_NAME}\b", source):
        behind = source[place.end() : place.end() + _REACH]
        found = max([found, *(int(each) for each in _SIZED.findall(behind))])
        if _UNLIMITED.search(behind) and not _SIZED.search(behind):
            found = sys.maxsize
    return found


def limits(graph: Graph, env_source: str, declared: int | None = None) -> Callable[[Revision], int]:
    """How long the id of each revision may be.

    Args:
        graph: the history.
        env_source: the text of env.py.
        declared: what the registry or the database says; then only a revision can make it wider.
    """
    everywhere = declared if declared is not None else written(env_source) or DEFAULT
    widening = {
        each.id: written(each.source.decode("utf-8", "replace"))
        for each in graph.revisions
        if _NAME.encode() in each.source
    }

    def limit(revision: Revision) -> int:
        if len(revision.id) <= everywhere:
            return everywhere
        before = graph.ancestors([revision.id])
        return max([everywhere, *(width for id_, width in widening.items() if id_ in before)])

    return limit


def room(graph: Graph, env_source: str, declared: int | None, after: Collection[str]) -> int:
    """How long the id of a new revision may be.

    Args:
        graph, env_source, declared: as for `limits`.
        after: what it follows; empty for a base.
    """
    before = graph.ancestors(after)
    widened = [written(each.source.decode("utf-8", "replace")) for each in graph.revisions if each.id in before]
    return max([declared if declared is not None else written(env_source) or DEFAULT, *widened])
