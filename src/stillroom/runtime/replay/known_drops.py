"""Things that are in a database by right though no model shows them: autogenerate would drop them, and must not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..schema import catalog

__all__ = ["Key", "key", "leave_out"]

Key = tuple[str, ...]


def key(known: str) -> Key:
    """What a `kind:name` of the catalog means, however it is quoted (`user` is, being a keyword): kind, then name."""
    kind, _, name = known.partition(":")
    if kind == "comment":  # `comment:table public.orders`
        word, _, name = name.partition(" ")
        kind = f"comment {word}"
    return (kind, *catalog.key(name))


def leave_out(operations: Any, known: Collection[str]) -> None:
    """Takes out of the operations that autogenerate found those that undo what is known to be there.

    Args:
        operations: of an upgrade; or of its downgrade, in which the same things would be made again.
        known: `kind:name`, as the catalog names it.
    """
    _leave_out(operations, frozenset(map(key, known)))


def _leave_out(operations: Any, known: frozenset[Key]) -> None:
    from alembic.operations import ops

    if operations is None or not known:
        return
    for each in list(operations.ops):
        if _table(each) in known:
            operations.ops.remove(each)
        elif isinstance(each, ops.ModifyTableOps):
            _leave_out(each, known)
            if not each.ops:
                operations.ops.remove(each)
        elif _dropped_name(each) in known:
            operations.ops.remove(each)


def _table(operation: Any) -> Key | None:
    """The table that an operation is about, as the catalog names it."""
    name = getattr(operation, "table_name", None)
    if name is None:
        return None
    return ("table", _schema(operation), str(name))


def _dropped_name(operation: Any) -> Key | None:
    """What an operation drops or makes, as the catalog names it; None where it does neither."""
    from alembic.operations import ops

    schema = _schema(operation)
    if isinstance(operation, ops.DropIndexOp | ops.CreateIndexOp):
        return ("index", schema, str(operation.index_name))
    if isinstance(operation, ops.DropColumnOp):
        return ("column", schema, operation.table_name, operation.column_name)
    if isinstance(operation, ops.DropTableCommentOp):
        return ("comment table", schema, operation.table_name)
    if isinstance(operation, ops.AlterColumnOp) and operation.modify_comment is None and not _alters_more(operation):
        return ("comment column", schema, operation.table_name, operation.column_name)
    if isinstance(operation, ops.DropConstraintOp):
        return ("constraint", schema, operation.table_name, str(operation.constraint_name))
    return None


def _schema(operation: Any) -> str:
    return str(getattr(operation, "schema", None) or "public")


def _alters_more(operation: Any) -> bool:
    """Whether a change of a column is about more than its comment."""
    return (
        operation.modify_type is not None
        or operation.modify_nullable is not None
        or operation.modify_server_default is not False
        or operation.modify_name is not None
    )
