"""The operation `history_files`: the revision files as the target has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import facts
from ..reading import revisions
from . import locations, project

if TYPE_CHECKING:
    from ..wire import protocol, telling

__all__ = ["history_files"]


def history_files(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Name and content of each revision file, read and not executed."""
    service = facts.ServiceFacts.from_dict(request.service)
    project.enter(service)
    tell.step("read history")
    where = locations.of(service)
    graph = revisions.read(where.version_locations, recursive=where.recursive)
    files = [
        {
            "name": locations.shown(where.version_locations, where.folder_of(each.path), each.name),
            "content": each.source.decode("utf-8", "replace"),
        }
        for each in graph.revisions
    ]
    return {"files": files, "heads": list(graph.heads), **where.to_dict()}
