"""What an image expects, from its code as it was read for a migration: so that `migrate` and `verify` judge by the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import facts
from . import expected

if TYPE_CHECKING:
    from ..projects import project
    from ..standing import observe

__all__ = ["expected_of"]


def expected_of(
    service: facts.ServiceFacts, code: observe.Code, table: project.VersionTable, brought_by: str = expected.JOB
) -> expected.Expected:
    """What the statement of a verification is made for.

    Args:
        service: whose.
        code: its revisions.
        table: where its revisions are noted.
        brought_by: what brings its database there, for messages.
    """
    graph = code.graph
    links = {
        each.id: (each.down, tuple(one for one in graph.parents(each) if one not in each.down))
        for each in graph.revisions
    }
    return expected.Expected(
        service.name,
        tuple(sorted(graph.effective_heads)),
        len(links),
        table.name,
        table.schema,
        service.schemas,
        code.where.version_locations,
        recursive=code.where.recursive,
        brought_by=brought_by,
        links=links,
    )
