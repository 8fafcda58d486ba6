"""Whose the tables of a shared database are, as far as files tell: asked only where no revision is noted.

A service that shares its database need not say which schemas are its own for this: its revision files name the tables that
they make.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from .. import facts
from ..reading import made_tables, revisions

if TYPE_CHECKING:
    from .expected import Expected

__all__ = ["made_by"]


@functools.lru_cache(maxsize=8)
def made_by(expected: Expected, schema: str) -> frozenset[str]:
    """Full names of the tables that the history of an image makes, by `create_table` or SQL in the files.

    Args:
        expected: of the image.
        schema: where a table goes whose schema is not named.
    """
    service = facts.ServiceFacts(expected.service, "", None, schemas=(schema,))
    graph = revisions.read(expected.folders, recursive=expected.recursive)
    return frozenset(name for careful in (False, True) for name in made_tables.of(service, graph, careful=careful))
