"""The tables that a history makes, told from its source: where two services share a database, one of them must not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from .. import facts
from . import revision_file, revision_graph

__all__ = ["of"]

_SQL = re.compile(
    rb'\bCREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?P<looks>IF\s+NOT\s+EXISTS\s+)?(?P<name>(?:"?\w+"?\.)?"?\w+"?)\s*\(',
    re.IGNORECASE,
)
_DOWNGRADE = re.compile(rb"^def downgrade\b", re.MULTILINE)
# A revision that looks first whether a table is there means to share it.
_LOOKS = re.compile(rb"has_table|get_table_names|if_not_exists\s*=\s*True|checkfirst")


def of(
    service: facts.ServiceFacts,
    graph: revision_graph.Graph,
    among: Collection[str] | None = None,
    *,
    careful: bool = False,
) -> list[str]:
    """Full names of the tables that these revisions make, and that no later one drops, sorted.

    Args:
        service: a table without a schema is in its first schema, or in `public`.
        graph: its history.
        among: ids of the revisions that count; None: all.
        careful: those that are made only where they are not there yet, instead of those that are made in any case.
    """
    default = service.schemas[0] if service.schemas and "public" not in service.schemas else "public"
    made: set[str] = set()
    for each in graph.ordered():
        if among is None or each.id in among:
            made.update(_full(name, default) for name, looks in _created(each) if looks == careful)
        made.difference_update(
            _full(operation.table, default) for operation in each.outline.upgrade if operation.name == "drop_table"
        )
    return sorted(made)


def _created(revision: revision_file.Revision) -> Iterator[tuple[str, bool]]:
    """Each table that it makes, and whether it looks first."""
    looks = _LOOKS.search(revision.source) is not None
    for operation in revision.outline.upgrade:
        if operation.name == "create_table" and operation.table:
            yield operation.table, looks
    for match in _SQL.finditer(_DOWNGRADE.split(revision.source)[0]):
        yield match["name"].decode("utf-8", "replace").replace('"', ""), looks or match["looks"] is not None


def _full(name: str, default: str) -> str:
    return name if "." in name else f"{default}.{name}"
