"""What a revision asks of rows that are there already. The proof can't tell: its tables are empty.

A new column that is NOT NULL without a default fails on any row; NOT NULL, unique, a check or a foreign key on a table that
is there fail on rows that break it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..connections import sqltext

if TYPE_CHECKING:
    from alembic.operations.ops import MigrateOperation

__all__ = ["warnings"]

_FILLED = "give the column server_default=, or add it nullable, fill it, and set NOT NULL in a later step"
_UNPROVEN = "; the proof runs on empty tables"


class _Place(NamedTuple):
    """A table, by name and schema."""

    table: str
    schema: str | None

    def __str__(self) -> str:
        return sqltext.full_name(self.schema, self.table)


def warnings(operations: Sequence[MigrateOperation]) -> list[tuple[str, str]]:
    """What of these operations may fail on rows that are there: a sentence and the mend for each. Pure.

    Args:
        operations: of an upgrade, as autogenerate and what amends it leave them. Tables that they create hold no rows.
    """
    from alembic.operations import ops

    parts = list(_parts(operations))
    made = {_Place(each.table_name, each.schema) for each in parts if isinstance(each, ops.CreateTableOp)}
    empty = {
        (_Place(each.table_name, each.schema), str(each.column.name))
        for each in parts
        if isinstance(each, ops.AddColumnOp) and each.column.nullable and not _is_filled(each.column)
    }
    found = []
    for each in parts:
        place = _place(each)
        if place is None or place in made:
            continue
        said = _of_column(each, place) or _of_constraint(each, place, {name for of, name in empty if of == place})
        if said is not None:
            found.append(said)
    return found


def _parts(operations: Sequence[MigrateOperation]) -> Iterator[Any]:
    for each in operations:
        inner = getattr(each, "ops", None)
        if inner is None:
            yield each
        else:
            yield from _parts(inner)


def _place(operation: Any) -> _Place | None:
    """The table that an operation is about."""
    from alembic.operations import ops

    if isinstance(operation, ops.CreateForeignKeyOp):
        return _Place(str(operation.source_table), operation.kw.get("source_schema"))
    name = getattr(operation, "table_name", None)
    return _Place(str(name), getattr(operation, "schema", None)) if name else None


def _is_filled(column: Any) -> bool:
    """Whether the server has a value for it in rows that are there: a default, an identity, an expression, a domain's."""
    return column.server_default is not None or getattr(column.type, "default", None) is not None


def _of_column(operation: Any, place: _Place) -> tuple[str, str] | None:
    from alembic.operations import ops

    if isinstance(operation, ops.AddColumnOp):
        column = operation.column
        if column.nullable or _is_filled(column):
            return None
        name = f"{place}.{column.name}"
        return f"the new column {name} is NOT NULL without a default: fails where {place} has rows{_UNPROVEN}", _FILLED
    if isinstance(operation, ops.AlterColumnOp) and operation.modify_nullable is False:
        name = f"{place}.{operation.column_name}"
        return (
            f"{name} becomes NOT NULL: may fail on rows that are there{_UNPROVEN}",
            f"fill it first, in this revision: UPDATE {place} SET {operation.column_name} = … "
            f"WHERE {operation.column_name} IS NULL",
        )
    return None


def _of_constraint(operation: Any, place: _Place, empty: set[str]) -> tuple[str, str] | None:
    """Args: empty: new columns of the table that are NULL in every row, which neither keys nor uniqueness look at."""
    from alembic.operations import ops

    if isinstance(operation, ops.CreateCheckConstraintOp):
        what, mend = f"check {operation.constraint_name}", "mend rows that break it first"
    elif isinstance(operation, ops.CreateUniqueConstraintOp) or (
        isinstance(operation, ops.CreateIndexOp) and operation.unique
    ):
        columns = [str(getattr(each, "name", each)) for each in operation.columns]
        if empty & set(columns) and not operation.kw.get("postgresql_nulls_not_distinct"):
            return None
        kind = "unique index" if isinstance(operation, ops.CreateIndexOp) else "unique constraint"
        named = getattr(operation, "index_name", None) or getattr(operation, "constraint_name", None)
        what = " ".join(filter(None, [kind, named and str(named), f"({', '.join(columns)})"]))
        mend = "mend rows that are there twice first"
    elif isinstance(operation, ops.CreateForeignKeyOp):
        if empty & set(operation.local_cols):
            return None
        what = f"foreign key ({', '.join(operation.local_cols)})"
        mend = "mend rows that refer to nothing first"
    else:
        return None
    return f"the new {what} of {place}: may fail on rows that are there{_UNPROVEN}", f"{mend}, in this revision"
