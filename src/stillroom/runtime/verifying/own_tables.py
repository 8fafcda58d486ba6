"""Whose the tables of a shared database are, as far as files tell: asked only where no revision is noted.

A service that shares its database need not say which schemas are its own for this: its revision files name the tables that
they make.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import TYPE_CHECKING

from .. import facts
from ..reading import made_tables, revisions

if TYPE_CHECKING:
    from .expected import Expected

__all__ = ["all_of_others"]


def all_of_others(expected: Expected, names: Collection[str]) -> bool:
    """Whether none of these tables may be one that the history of an image makes; not so where its files name none.

    Args:
        expected: of the image.
        names: `schema.table` of each table that is there.
    """
    made = _made_by(expected)
    return bool(made) and not any(each in made or each[each.index(".") :] in made for each in names)


@functools.lru_cache(maxsize=8)
def _made_by(expected: Expected) -> frozenset[str]:
    """Names of the tables that a history makes, by `create_table` or SQL in its files; `.table` where no schema is named."""
    service = facts.ServiceFacts(expected.service, "", None, schemas=("",))
    graph = revisions.read(expected.folders, recursive=expected.recursive)
    return frozenset(name for careful in (False, True) for name in made_tables.of(service, graph, careful=careful))
