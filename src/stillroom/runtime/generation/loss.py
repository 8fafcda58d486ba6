"""What a regeneration would lose: what the old history leads to and the new baseline does not.

Models do not show triggers, views, functions, partitions, policies, grants and rows; a baseline that is made from
models lacks them. So the old history is replayed, and its outcome compared with the baseline's.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..connections import sqltext
from ..schema import catalog

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["Loss", "count_rows", "judge", "without_owner"]

# Kinds that autogenerate does not compare: a changed one is lost, where a changed column is a changed model.
_UNSEEN_BY_MODELS = frozenset(
    {
        "acl",
        "aggregate",
        "cast",
        "default_acl",
        "domain",
        "domain_constraint",
        "event_trigger",
        "function",
        "materialized_view",
        "operator",
        "option",
        "policy",
        "procedure",
        "publication",
        "publication_schema",
        "publication_table",
        "replica_identity",
        "row_security",
        "rule",
        "statistics",
        "table",
        "trigger",
        "view",
    }
)


@dataclasses.dataclass(frozen=True)
class Loss:
    """What would be lost, and how the schema changes.

    Attributes:
        items: catalog items that the baseline lacks or has otherwise.
        rows: table -> number of rows that the history leaves in it.
        said: what no catalog shows and the files say: branch labels, by which deployments may go (`label:expand`), and
            roles that they make (`role:reader`).
        lines: the whole difference from old to new, for people.
    """

    items: tuple[catalog.Item, ...]
    rows: Mapping[str, int]
    lines: tuple[str, ...]
    said: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Each loss as `kind:name`, the form that `--accept-loss` takes."""
        named = [f"{item.kind}:{item.name}" for item in self.items]
        return [*named, *(f"data:{table}" for table in self.rows), *self.said]

    def unaccepted(self, accepted: Sequence[str]) -> list[str]:
        """The losses that no accepted name or pattern covers."""
        return [
            name
            for name in self.names
            if not any(
                fnmatch.fnmatchcase(each, pattern) for each in (name, name.partition(":")[2]) for pattern in accepted
            )
        ]

    def without(self, accepted: Sequence[str]) -> Loss:
        """The loss that is left when the accepted ones are given up."""
        kept = set(self.unaccepted(accepted))
        items = tuple(item for item in self.items if f"{item.kind}:{item.name}" in kept)
        rows = {table: count for table, count in self.rows.items() if f"data:{table}" in kept}
        return Loss(items, rows, self.lines, tuple(each for each in self.said if each in kept))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"names": self.names, "rows": dict(self.rows), "difference": list(self.lines)}


def judge(
    old: catalog.Snapshot, new: catalog.Snapshot, old_rows: Mapping[str, int], new_rows: Mapping[str, int]
) -> Loss:
    """Compares what two histories lead to.

    Args:
        old, new: catalogs at the heads of the old history and of the baseline.
        old_rows, new_rows: table -> rows that each leaves behind.
    """
    difference = catalog.compare(old, new)
    missing = list(difference.missing)
    missing += [before for before, _ in difference.changed if before.kind in _UNSEEN_BY_MODELS]
    gone = {item.name for item in missing if item.kind in ("table", "view", "materialized_view")}
    items = [item for item in missing if item.name in gone or item.relation not in gone]
    rows = {table: count for table, count in old_rows.items() if count > new_rows.get(table, 0)}
    return Loss(tuple(sorted(items)), rows, tuple(difference.lines()))


def without_owner(snapshot: catalog.Snapshot, role: str) -> catalog.Snapshot:
    """The snapshot without what only says that `role` owns it: whoever runs a revision owns what it makes.

    Args:
        role: as SQL writes it.
    """
    said = f" OWNER TO {role}"
    return catalog.Snapshot(item for item in snapshot.all if item.kind != "owner" or not item.definition.endswith(said))


def count_rows(connection: Connection, tables: Sequence[str]) -> dict[str, int]:
    """Table -> rows, for tables that hold any.

    Args:
        tables: names as a snapshot has them: qualified and quoted as SQL writes them.
    """
    if not tables:
        return {}
    selects = [f"SELECT {sqltext.literal(name)}, count(*) FROM {name}" for name in tables]
    return {row[0]: row[1] for row in connection.exec_driver_sql(" UNION ALL ".join(selects)) if row[1]}
