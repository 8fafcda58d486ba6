"""Things that are in a database by right though no model shows them: autogenerate would drop them, and must not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..connections import sqltext

__all__ = ["leave_out"]


def leave_out(operations: Any, known: Collection[str]) -> None:
    """Takes out of the operations that autogenerate found those that undo what is known to be there.

    Args:
        operations: of an upgrade; or of its downgrade, in which the same things would be made again.
        known: `kind:name`, as the catalog names it.
    """
    from alembic.operations import ops

    if operations is None or not known:
        return
    for each in list(operations.ops):
        if _table(each) in known:
            operations.ops.remove(each)
        elif isinstance(each, ops.ModifyTableOps):
            leave_out(each, known)
            if not each.ops:
                operations.ops.remove(each)
        elif _dropped_name(each) in known:
            operations.ops.remove(each)


def _table(operation: Any) -> str | None:
    """The table that an operation is about, as the catalog names it."""
    name = getattr(operation, "table_name", None)
    if name is None:
        return None
    schema = sqltext.as_written(getattr(operation, "schema", None) or "public")
    return f"table:{schema}.{sqltext.as_written(str(name))}"


def _dropped_name(operation: Any) -> str | None:
    """What an operation drops or makes, as the catalog names it; None where it does neither."""
    from alembic.operations import ops

    schema = sqltext.as_written(getattr(operation, "schema", None) or "public")
    if isinstance(operation, ops.DropIndexOp | ops.CreateIndexOp):
        return f"index:{schema}.{sqltext.as_written(str(operation.index_name))}"
    if isinstance(operation, ops.DropColumnOp):
        table = sqltext.as_written(operation.table_name)
        return f"column:{schema}.{table}.{sqltext.as_written(operation.column_name)}"
    if isinstance(operation, ops.DropTableCommentOp):
        return f"comment:table {schema}.{sqltext.as_written(operation.table_name)}"
    if isinstance(operation, ops.AlterColumnOp) and operation.modify_comment is None and not _alters_more(operation):
        table = sqltext.as_written(operation.table_name)
        return f"comment:column {schema}.{table}.{sqltext.as_written(operation.column_name)}"
    if isinstance(operation, ops.DropConstraintOp):
        table = sqltext.as_written(operation.table_name)
        return f"constraint:{schema}.{table}.{sqltext.as_written(str(operation.constraint_name))}"
    return None


def _alters_more(operation: Any) -> bool:
    """Whether a change of a column is about more than its comment."""
    return (
        operation.modify_type is not None
        or operation.modify_nullable is not None
        or operation.modify_server_default is not False
        or operation.modify_name is not None
    )
