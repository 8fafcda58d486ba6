"""PostgreSQL enum types of a service's metadata: which are new, changed or gone, and how Alembic is to render them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from .. import faults
from ..connections import sqltext

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

__all__ = ["Changes", "changes", "made_elsewhere", "names", "render_without_creation"]

_LABELS = """
SELECT n.nspname, t.typname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
JOIN pg_catalog.pg_enum e ON e.enumtypid = t.oid
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
GROUP BY 1, 2
"""

Name = tuple[str, str]


@dataclasses.dataclass
class Changes:
    """Statements that bring the database's enum types to the metadata's, and back.

    Attributes:
        before, after: run at the beginning and the end of the upgrade.
        undo_before, undo_after: run at the beginning and the end of the downgrade.
        sentences: what was done, for the report.
    """

    before: list[str] = dataclasses.field(default_factory=list)
    after: list[str] = dataclasses.field(default_factory=list)
    undo_before: list[str] = dataclasses.field(default_factory=list)
    undo_after: list[str] = dataclasses.field(default_factory=list)
    sentences: list[str] = dataclasses.field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.before or self.after)


def changes(context: MigrationContext, metadatas: list[Any]) -> Changes:
    """What autogenerate does not see of enum types.

    Raises:
        faults.JudgedFault: if labels were taken away or reordered, which PostgreSQL can't do in place.
    """
    found = Changes()
    wanted = _wanted(metadatas, context.dialect)
    existing = _existing(context)
    for name, labels in sorted(wanted.items()):
        if name not in existing:
            found.before.append(_create(name, labels))
            found.undo_after.append(f"DROP TYPE {_quoted(name)}")
            found.sentences.append(f"the enum type {name[1]} is created once and dropped by the downgrade")
        elif labels != existing[name]:
            _extend(found, name, existing[name], labels)
    for name in sorted(existing.keys() - wanted.keys()):
        if _used_before(context, name, metadatas):
            found.after.append(f"DROP TYPE {_quoted(name)}")
            found.undo_before.append(_create(name, existing[name]))
            found.sentences.append(f"the enum type {name[1]} is dropped: no model uses it any more")
    return found


def names(metadata: Any) -> set[str]:
    """Names (`schema.type` or `type`) of the enum types that a metadata's columns use."""
    from sqlalchemy.dialects import postgresql

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    return {
        sqltext.full_name(enum.schema, str(enum.name))
        for table in metadata.tables.values()
        for column in table.columns
        for enum in _enums_in(column.type, dialect)
    }


def made_elsewhere(metadatas: Collection[Any], schema: str) -> list[str]:
    """Statements that make the enum types that models use and do not make (`ENUM(…, create_type=False)`).

    Args:
        metadatas: with the models.
        schema: where a type without a schema belongs.
    """
    from sqlalchemy.dialects import postgresql

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    labels: dict[Name, list[str]] = {}
    made: set[Name] = set()
    for metadata in metadatas:
        for table in metadata.tables.values():
            for enum in (each for column in table.columns for each in _enums_in(column.type, dialect)):
                name = (enum.schema or schema, str(enum.name))
                labels[name] = list(enum.enums)
                if getattr(enum, "create_type", True):
                    made.add(name)
    return [_create(name, labels[name]) for name in sorted(labels.keys() - made)]


def render_without_creation(context: MigrationContext) -> None:
    """Makes Alembic render native enums as `postgresql.ENUM(…, create_type=False)`: the type is created on its own."""
    given = context.opts.get("render_item")
    dialect = context.dialect

    def render(kind: str, item: Any, autogen: Any) -> str | bool:
        if given is not None:
            rendered: str | bool = given(kind, item, autogen)
            if rendered is not False:
                return rendered
        enum = _native(item, dialect) if kind == "type" else None
        if enum is None:
            return False
        autogen.imports.add("from sqlalchemy.dialects import postgresql")
        labels = ", ".join(repr(label) for label in enum.enums)
        schema = f", schema={enum.schema!r}" if enum.schema else ""
        return f"postgresql.ENUM({labels}, name={str(enum.name)!r}{schema}, create_type=False)"

    context.opts["render_item"] = render


def _wanted(metadatas: list[Any], dialect: Any) -> dict[Name, list[str]]:
    default = dialect.default_schema_name
    return {
        (enum.schema or default, str(enum.name)): list(enum.enums)
        for metadata in metadatas
        for table in metadata.tables.values()
        for column in table.columns
        for enum in _enums_in(column.type, dialect)
    }


def _enums_in(type_: Any, dialect: Any) -> Iterator[Any]:
    enum = _native(type_, dialect)
    if enum is not None:
        yield enum
        return
    item = getattr(type_, "item_type", None)
    if item is not None:
        yield from _enums_in(item, dialect)


def _native(type_: Any, dialect: Any) -> Any | None:
    """The enum behind a type (a `TypeDecorator` over one included), if PostgreSQL holds it as a type of its own."""
    from sqlalchemy import Enum, types

    if isinstance(type_, types.TypeDecorator):
        type_ = type_.load_dialect_impl(dialect)
        if isinstance(type_, types.TypeDecorator):
            return _native(type_, dialect)
    if isinstance(type_, Enum) and getattr(type_, "native_enum", True) and type_.name:
        return type_
    return None


def _existing(context: MigrationContext) -> dict[Name, list[str]]:
    if context.connection is None:
        return {}
    return {(row[0], row[1]): list(row[2]) for row in context.connection.exec_driver_sql(_LABELS)}


def _extend(found: Changes, name: Name, existing: list[str], wanted: list[str]) -> None:
    if [label for label in wanted if label in existing] != existing:
        gone = [label for label in existing if label not in wanted]
        what = f"labels {', '.join(gone)} are gone" if gone else "its labels are in another order"
        raise faults.JudgedFault(
            "enum-labels-removed",
            f"the enum type {'.'.join(name)}: {what}, which PostgreSQL can't change in place",
            "keep the labels in the model, or write this revision by hand (new type, USING cast, drop the old one)",
        )
    for at, label in enumerate(wanted):
        if label in existing:
            continue
        place = f" AFTER {sqltext.literal(wanted[at - 1])}" if at else f" BEFORE {sqltext.literal(existing[0])}"
        found.before.append(f"ALTER TYPE {_quoted(name)} ADD VALUE IF NOT EXISTS {sqltext.literal(label)}{place}")
        found.sentences.append(f"the enum type {name[1]} gets the label {label} (the downgrade can't take it away)")


def _used_before(context: MigrationContext, name: Name, metadatas: list[Any]) -> bool:
    """Whether only tables of this metadata, or none at all, use a type that the metadata no longer has."""
    if context.connection is None:
        return False
    rows = context.connection.exec_driver_sql(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_attribute a"
        " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid OR t.typarray = a.atttypid"
        " JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace"
        f" WHERE tn.nspname = {sqltext.literal(name[0])} AND t.typname = {sqltext.literal(name[1])}"
        " AND c.relkind IN ('r', 'p') AND NOT a.attisdropped"
    ).all()
    return bool(rows)


def _create(name: Name, labels: list[str]) -> str:
    return f"CREATE TYPE {_quoted(name)} AS ENUM ({', '.join(sqltext.literal(label) for label in labels)})"


def _quoted(name: Name) -> str:
    # The default schema stays unwritten, so that a history does not depend on what it is called.
    if name[0] == "public":
        return sqltext.identifier(name[1])
    return ".".join(sqltext.identifier(part) for part in name)
