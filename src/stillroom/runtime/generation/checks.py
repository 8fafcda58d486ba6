"""Checks that belong to one column: Alembic writes a table's own checks, and loses those of its columns in silence.

`Column("amount", Numeric, CheckConstraint("amount > 0"))` is the same to PostgreSQL as a check of the table. So in
`create_table` it is lifted to the table. With `add_column` it is added after the column, and so are the table's named
checks that speak of the new column.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..connections import sqltext

if TYPE_CHECKING:
    from alembic.operations.ops import AddColumnOp, MigrateOperation, ModifyTableOps
    from alembic.runtime.migration import MigrationContext

__all__ = [
    "created",
    "created_again",
    "drop_first",
    "final_name",
    "name_of",
    "names_taken",
    "of_table",
    "words",
    "write_out",
]

_MAX_NAME = 63
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_WORD = re.compile(r'"((?:[^"]|"")*)"|(\w+)')
_NAMES = """
SELECT c.conname FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE n.nspname = {schema}
"""


def write_out(
    context: MigrationContext, upgrade: list[MigrateOperation], downgrade: list[MigrateOperation]
) -> list[str]:
    """Adds the checks that Alembic leaves out, in place.

    Returns:
        A sentence for each.
    """
    from alembic.operations import ops

    mended: list[str] = []
    for each in upgrade:
        if isinstance(each, ops.CreateTableOp):
            mended += _lift(each)
        elif isinstance(each, ops.ModifyTableOps):
            mended += _add(context, each, downgrade)
    return mended


def _lift(created: Any) -> list[str]:
    from sqlalchemy import Column

    mended = []
    for column in [item for item in created.columns if isinstance(item, Column)]:
        for check in _of_column(column):
            # A copy: the model stays as it is.
            created.columns.append(check._copy())
            table = sqltext.full_name(created.schema, created.table_name)
            mended.append(f"the check {_called(check)} of the column {table}.{column.name} is written as the table's")
    return mended


def _of_column(column: Any) -> list[Any]:
    """They come out of a set: sorted, so that two runs write the same file."""
    from sqlalchemy import CheckConstraint

    return sorted((item for item in column.constraints if isinstance(item, CheckConstraint)), key=_called)


def of_table(table: Any) -> list[Any]:
    """All checks that a model has, those of its columns among them; sorted."""
    from sqlalchemy import CheckConstraint

    own = [item for item in table.constraints if isinstance(item, CheckConstraint)]
    columns = [check for column in table.columns for check in _of_column(column) if check not in own]
    return sorted([*own, *columns], key=_called)


def _called(check: Any) -> str:
    return str(check.name) if _named(check) else f"({check.sqltext})"


def _named(check: Any) -> bool:
    return isinstance(check.name, str)


def _add(context: MigrationContext, modified: ModifyTableOps, downgrade: list[MigrateOperation]) -> list[str]:
    from alembic.operations import ops

    added = [each for each in modified.ops if isinstance(each, ops.AddColumnOp)]
    if not added:
        return []
    taken = names_taken(context, modified.schema)
    # With Alembic's plugin for checks, some are there already.
    taken |= {str(each.constraint_name) for each in modified.ops if isinstance(each, ops.CreateCheckConstraintOp)}
    mended = []
    for each in added:
        for check in _left_out(context, each, taken):
            name = name_of(context, each.table_name, each.column.table, check, taken)
            taken.add(str(name))
            modified.ops.append(created(name, modified.table_name, check, schema=modified.schema))
            drop_first(
                ops.DropConstraintOp(name, modified.table_name, type_="check", schema=modified.schema), downgrade
            )
            table = sqltext.full_name(modified.schema, modified.table_name)
            mended.append(f"the check {name} is added after the column {table}.{each.column.name}")
    return mended


def created(name: Any, table: str, check: Any, *, schema: str | None) -> MigrateOperation:
    """The operation that adds a check of a model under this name."""
    made: MigrateOperation = _operation()(name, table, check.sqltext, schema=schema, **_options(check))
    return made


def created_again(name: str, table: str, condition: str, *, schema: str | None, no_inherit: bool) -> MigrateOperation:
    """The operation that adds a check as the database has it: its condition, in PostgreSQL's words."""
    from sqlalchemy import text
    from sqlalchemy.sql.elements import conv

    said = {"postgresql_no_inherit": True} if no_inherit else {}
    made: MigrateOperation = _operation()(conv(name), table, text(sqltext.for_text(condition)), schema=schema, **said)
    return made


def name_of(context: MigrationContext, table_name: str, table: Any, check: Any, taken: set[str]) -> Any:
    """What a check is to be called: as the model says, or a name that is not taken."""
    return check.name if _named(check) else _given(context, table_name, table, check, taken)


def _options(check: Any) -> dict[str, Any]:
    said = {"deferrable": check.deferrable, "initially": check.initially, **check.dialect_kwargs}
    return {name: value for name, value in said.items() if value is not None}


def _left_out(context: MigrationContext, added: AddColumnOp, taken: set[str]) -> Iterator[Any]:
    """The checks that come with a new column and are not there yet."""
    from sqlalchemy import CheckConstraint

    column = added.column
    others = [item for item in getattr(column.table, "constraints", ()) if isinstance(item, CheckConstraint)]
    for check in [*_of_column(column), *sorted(others, key=_called)]:
        if final_name(context, check) in taken:
            continue
        if check in column.constraints or (
            _named(check) and not check._type_bound and column.name in words(context, check)
        ):
            yield check


def final_name(context: MigrationContext, check: Any) -> str | None:
    """The name as the statement has it, by conventions and shortened if need be; None if PostgreSQL is to give one."""
    from alembic.util import sqla_compat

    return sqla_compat._get_constraint_final_name(check, context.dialect)


def words(context: MigrationContext, check: Any) -> set[str]:
    """The words of its condition that may be names of columns."""
    text = _LITERAL.sub(" ", context.impl.render_ddl_sql_expr(check.sqltext))
    return {quoted.replace('""', '"') or plain for quoted, plain in _WORD.findall(text)}


def _given(context: MigrationContext, table_name: str, table: Any, check: Any, taken: set[str]) -> Any:
    """A convention's name, or the one that PostgreSQL would give: of the table, the column if it is one, and `check`."""
    from sqlalchemy.sql.elements import conv

    final = final_name(context, check)
    if final is not None:
        return conv(final)
    said = words(context, check)
    columns = [each.name for each in table.columns if each.name in said]
    number = 0
    while True:
        label = f"check{number or ''}"
        name = _fitted(table_name, columns[0] if len(columns) == 1 else "", label)
        if name not in taken:
            return conv(name)
        number += 1


def _fitted(table: str, column: str, label: str) -> str:
    """Both parts, joined with the label; as long as that is too long, the longer one loses a character."""
    room = _MAX_NAME - len(label) - 1 - bool(column)
    parts = [table.encode(), column.encode()]
    while sum(map(len, parts)) > room:
        longer = 0 if len(parts[0]) > len(parts[1]) else 1
        parts[longer] = parts[longer][:-1]
    return "_".join([*(part.decode(errors="ignore") for part in parts if part), label])


def names_taken(context: MigrationContext, schema: str | None) -> set[str]:
    """The names of all constraints in a schema; None: where tables without one go."""
    if context.connection is None:
        return set()
    written = "current_schema()" if schema is None else sqltext.literal(schema)
    return {row[0] for row in context.connection.exec_driver_sql(_NAMES.format(schema=written))}


def drop_first(dropped: Any, downgrade: list[MigrateOperation]) -> None:
    """Puts the drop of a check before those of columns."""
    from alembic.operations import ops

    for each in downgrade:
        if isinstance(each, ops.ModifyTableOps) and (each.table_name, each.schema) == (
            dropped.table_name,
            dropped.schema,
        ):
            each.ops.insert(0, dropped)
            return
    downgrade.insert(0, dropped)


@functools.cache
def _operation() -> type[Any]:
    """`op.create_check_constraint` as an operation that is rendered; Alembic has had a renderer only since 1.20."""
    from alembic.autogenerate import render
    from alembic.operations import ops

    class AddedCheck(ops.CreateCheckConstraintOp):
        """A check that is added to a table."""

    def rendered(autogen: Any, added: AddedCheck) -> str:
        arguments = [repr(render._render_gen_name(autogen, added.constraint_name))]
        if not autogen._has_batch:
            arguments.append(repr(str(added.table_name)))
        condition = autogen.migration_context.impl.render_ddl_sql_expr(added.condition)
        arguments.append(repr(sqltext.for_text(condition)))
        if added.schema and not autogen._has_batch:
            arguments.append(f"schema={str(added.schema)!r}")
        arguments += [f"{name}={value!r}" for name, value in added.kw.items()]
        return f"{render._alembic_autogenerate_prefix(autogen)}create_check_constraint({', '.join(arguments)})"

    render.renderers.dispatch_for(AddedCheck)(rendered)
    return AddedCheck
