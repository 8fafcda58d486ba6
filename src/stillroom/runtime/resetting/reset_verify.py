"""What is to be so when a service's part of a database was emptied, or exchanged: held against how it was before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy.engine

from .. import faults
from ..schema import catalog, objects, ownership
from . import reset_plan

__all__ = ["Begun", "again", "emptied", "schemas_kept", "unpublished"]


@dataclass(frozen=True)
class Begun:
    """The state before, and what is to be done about it.

    Attributes:
        structure: the catalog before.
        plan: what is dropped.
    """

    structure: catalog.Snapshot
    plan: reset_plan.Plan


def emptied(conn: sqlalchemy.engine.Connection, begun: Begun, owned: ownership.Ownership) -> None:
    """Before the transaction is committed: nothing of the service's is left, nothing else differs."""
    _verify_empty(conn, begun, owned, "nothing was changed")
    difference = catalog.compare(begun.structure, catalog.snapshot(conn))
    own = owned.part(begun.structure)
    stay = {each.name for each in begun.plan.kept if each.is_relation}
    touched = [
        item
        for item in difference.missing
        if item.relation in stay or ((item.kind, item.name) not in own and not _went_along(item, begun.plan))
    ]
    _refuse(begun, catalog.Difference(tuple(touched), difference.added, difference.changed), "nothing was changed")


def again(conn: sqlalchemy.engine.Connection, begun: Begun, owned: ownership.Ownership) -> catalog.Snapshot:
    """After it was committed: nothing of the service's is left, and its schemas are as they were; the structure."""
    _verify_empty(conn, begun, owned, "the reset was committed before this was seen")
    return schemas_kept(conn, begun, owned)


def schemas_kept(conn: sqlalchemy.engine.Connection, begun: Begun, owned: ownership.Ownership) -> catalog.Snapshot:
    """After it was committed: the service's schemas are as they were, whatever is in them by now; the structure."""
    after = catalog.snapshot(conn)
    kept, now = (
        catalog.Snapshot(item for item in structure.all if _about_schemas(item, owned))
        for structure in (begun.structure, after)
    )
    difference = catalog.compare(kept, now)
    _refuse(begun, catalog.Difference(difference.missing, (), difference.changed), "it was committed before")
    return after


def unpublished(conn: sqlalchemy.engine.Connection, begun: Begun, owned: ownership.Ownership) -> tuple[str, ...]:
    """As `schemas_kept`; statements that put the tables back into the publications that have lost them."""
    lost = catalog.compare(begun.structure, schemas_kept(conn, begun, owned)).missing
    return tuple(item.definition for item in lost if item.kind == "publication_table")


def _verify_empty(
    conn: sqlalchemy.engine.Connection, begun: Begun, owned: ownership.Ownership, consequence: str
) -> None:
    left_over = reset_plan.decide(objects.observe(conn), owned)
    if not left_over.drops and _names(left_over.kept) == _names(begun.plan.kept):
        return
    left = ", ".join(map(str, left_over.drops[:5])) or "what belongs to others differs"
    raise faults.DatabaseFault(
        "reset-incomplete",
        f"database {begun.plan.database} is not empty after the reset: {left} ({consequence})",
        "something makes objects there meanwhile: stop it, and try again",
        detail="\n".join(map(str, left_over.drops)),
    )


def _refuse(begun: Begun, wrong: catalog.Difference, consequence: str) -> None:
    if wrong.empty:
        return
    raise faults.DatabaseFault(
        "reset-touched-others",
        f"after the reset of database {begun.plan.database} there differs what is not this service's:"
        f" {wrong.lines()[0]} ({consequence})",
        "if something else changes the database meanwhile: stop it, and try again; if not, report this as a bug",
        detail="\n".join(wrong.lines()),
    )


def _about_schemas(item: catalog.Item, owned: ownership.Ownership) -> bool:
    """Whether an item is about the service's schemas as such, or of the whole database: all that a reset keeps."""
    if item.kind in ("extension", "publication"):
        return True
    about = item.kind in ("schema", "default_acl", "publication_schema") or item.name.startswith("schema ")
    return about and (not item.schema or owned.holds_schema(item.schema))


def _went_along(item: catalog.Item, done: reset_plan.Plan) -> bool:
    """Whether the item is (about) a type, cast or event trigger outside of the service's schemas that went, too."""
    names = {each.shown for each in done.drops if not each.is_relation}
    shown = item.name if item.kind in ("owner", "acl", "comment") else f"{item.kind.replace('_', ' ')} {item.name}"
    return any(shown == name or shown.startswith((f"{name} ", f"{name}.")) for name in names)


def _names(found: Iterable[objects.Object]) -> list[str]:
    return sorted(map(str, found))
