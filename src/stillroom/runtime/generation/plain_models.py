"""Whether models hold nothing but what autogenerate is known to write out whole.

To ask `metadata.create_all()` what it makes (see `by_models`) costs the server as much as the upgrade does: all tables
once more. Most models need not be asked. They are of plain columns, keys, indexes and checks, and for each of these a
test runs both, the baseline and `create_all`, and finds the same. So this looks for anything else, and is wrong on one
side only: whatever it does not know, by its exact class, by each option, counts as not plain, and is asked.

What is not looked at: what autogenerate compares anyway (the second comparison has to be empty), and what makes no DDL
(Python-side defaults, `info`, `onupdate` in Python, the ORM).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..connections import sqltext
from ..schema import enums

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

__all__ = ["plain", "usual"]

_MAX_NAME = 63
_EVENTS = ("before_create", "after_create")
_MADE_BY_ENUMS = frozenset({"_on_table_create", "_on_metadata_create"})
# Types of `sqlalchemy` and of its dialect, and which of their attributes count: each has to have its usual value.
_CORE_TYPES = (
    "BigInteger Boolean Date DateTime Double Enum Float Integer Interval JSON LargeBinary Numeric SmallInteger String Text "
    "Time Unicode UnicodeText Uuid BIGINT BOOLEAN CHAR DATE FLOAT INTEGER NUMERIC REAL SMALLINT TEXT UUID VARCHAR"
)
_DIALECT_TYPES = (
    "ARRAY BYTEA CIDR DATERANGE DOUBLE_PRECISION ENUM INET INT4RANGE INT8RANGE INTERVAL JSON JSONB MACADDR "
    "NUMRANGE TSRANGE TSTZRANGE TSVECTOR UUID"
)
_USUAL_OF_TYPE = {
    "collation": None,
    "native_enum": True,
    "create_constraint": False,
    "inherit_schema": False,
    "_inherit_schema": False,
    "native": True,
    "second_precision": None,
    "day_precision": None,
}
# What stands behind `postgresql_` in the options of an index or a unique constraint.
_OPTIONS = frozenset({"include", "nulls_not_distinct", "ops", "using", "where", "with"})


def usual(context: MigrationContext) -> bool:
    """Whether Alembic works as it does by itself: no hooks of `env.py` that write operations or render them."""
    from alembic.ddl.postgresql import PostgresqlImpl

    hooks = (context.opts.get(name) for name in ("render_item", "process_revision_directives"))
    return type(context.impl) is PostgresqlImpl and not any(hooks)


def plain(metadatas: Sequence[Any]) -> bool:
    """Whether autogenerate writes out whole what these hold. Conservative: False for anything unknown.

    Args:
        metadatas: `MetaData`, as `env.py` gives them to Alembic.
    """
    from sqlalchemy import MetaData

    if len(metadatas) != 1 or type(metadatas[0]) is not MetaData or metadatas[0]._sequences:
        return False
    if any(hasattr(each, "_compiler_dispatcher") for each in _compiled()):
        return False
    # `create_all` makes enum types of the metadata that no column uses, too.
    unused = {_of_enum(each) for each in _listeners(metadatas[0])} - enums.names(metadatas[0])
    return not unused and all(map(_plain_table, metadatas[0].tables.values()))


@functools.cache
def _compiled() -> tuple[type[Any], ...]:
    """Classes that `@compiles` may have given another text, which may depend on what Alembic does not carry along."""
    from sqlalchemy import schema
    from sqlalchemy.sql import elements, functions

    made = (schema.CreateTable, schema.CreateColumn, schema.CreateIndex, schema.AddConstraint, schema.SetTableComment)
    parts = (schema.PrimaryKeyConstraint, schema.UniqueConstraint, schema.ForeignKeyConstraint, schema.CheckConstraint)
    texts = (schema.Column, elements.TextClause, functions.FunctionElement, functions.now, functions.Function)
    return (*made, *parts, *texts, *_types())


@functools.cache
def _types() -> frozenset[type[Any]]:
    import sqlalchemy
    from sqlalchemy.dialects import postgresql

    # Some are not in every version.
    found = [getattr(sqlalchemy, name, None) for name in _CORE_TYPES.split()]
    found += [getattr(postgresql, name, None) for name in _DIALECT_TYPES.split()]
    return frozenset(each for each in found if each is not None)


def _plain_table(table: Any) -> bool:
    from sqlalchemy import Table

    return (
        type(table) is Table
        and table._prefixes in ([], ["UNLOGGED"])
        and not table.dialect_kwargs
        and getattr(table, "_creator_ddl", None) is None
        and _plain_names(table.name, table.schema)
        and _no_events(table)
        and all(map(_plain_column, table.columns))
        and all(map(_plain_constraint, table.constraints))
        and all(map(_plain_index, table.indexes))
    )


def _plain_names(*names: Any) -> bool:
    """Names that Alembic writes as they are: it forgets about forced quotes."""
    return all(_plain_name(name) for name in names if name is not None)


def _plain_name(name: Any) -> bool:
    from sqlalchemy.sql.elements import conv

    if getattr(name, "quote", None) is not None or not isinstance(name, str):
        return False
    # Those of conventions are shortened, by both sides alike.
    fits = isinstance(name, conv) or len(name.encode()) <= _MAX_NAME
    return fits and not set(name) & set("%:\\\"'()")


def _listeners(owner: Any) -> list[Any]:
    return [each for event in _EVENTS for each in getattr(owner.dispatch, event)]


def _no_events(owner: Any) -> bool:
    """Whether nothing listens to its making but its enum types, which `enums` makes."""
    return None not in map(_of_enum, _listeners(owner))


def _of_enum(listener: Any) -> str | None:
    """The name of the enum type that listens, to be made; None if it is something else."""
    from sqlalchemy import Enum
    from sqlalchemy.dialects.postgresql import ENUM

    method = listener.func if isinstance(listener, functools.partial) else listener
    # Until 2.0 it is SQLAlchemy's own kind of bound method.
    owner = getattr(method, "__self__", None) or getattr(method, "target", None)
    name = getattr(method, "__name__", None) or getattr(method, "name", None)
    if owner is None or type(owner) not in (Enum, ENUM) or name not in _MADE_BY_ENUMS:
        return None
    return sqltext.full_name(owner.schema, str(owner.name))


def _plain_column(column: Any) -> bool:
    from sqlalchemy import Column

    return (
        type(column) is Column
        and _plain_names(column.name)
        and column.key == column.name
        and not column.system
        and not column.dialect_kwargs
        and column.autoincrement in ("auto", True, False)
        and not getattr(column.default, "is_sequence", False)
        and _plain_type(column.type)
        and _plain_default(column.server_default)
        and all(map(_plain_check, column.constraints))
    )


def _plain_type(kind: Any) -> bool:
    if type(kind) not in _types() or getattr(kind, "_variant_mapping", None):
        return False
    # Read from where it is kept: one of the properties is deprecated in SQLAlchemy 2.1.
    if any(vars(kind).get(name, value) != value for name, value in _USUAL_OF_TYPE.items()):
        return False
    item = getattr(kind, "item_type", None)
    return item is None or (_plain_type(item) and not kind.zero_indexes)


def _plain_default(default: Any) -> bool:
    from sqlalchemy import Computed, DefaultClause, Identity

    if default is None or type(default) is Identity:
        return not getattr(default, "dialect_kwargs", None)
    if type(default) is Computed:
        return _plain_expression(default.sqltext)
    if type(default) is not DefaultClause:
        return False
    argument = default.arg
    return type(argument) is str or _plain_expression(argument, percent=True)


def _plain_constraint(constraint: Any) -> bool:
    look = _constraints().get(type(constraint))
    return (
        look is not None
        and _plain_names(constraint.name)
        and getattr(constraint, "comment", None) is None
        and constraint._create_rule is None
        and not constraint._type_bound
        and _no_events(constraint)
        and look(constraint)
    )


@functools.cache
def _constraints() -> dict[type[Any], Callable[[Any], bool]]:
    from sqlalchemy import CheckConstraint, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint

    return {
        PrimaryKeyConstraint: lambda key: not key.dialect_kwargs and not key.deferrable and not key.initially,
        UniqueConstraint: lambda unique: all(map(_plain_option, unique.dialect_kwargs.items())),
        ForeignKeyConstraint: lambda key: not key.dialect_kwargs and not key.link_to_name,
        CheckConstraint: lambda check: (
            not check.dialect_kwargs
            and not check.deferrable
            and not check.initially
            and _plain_expression(check.sqltext)
        ),
    }


def _plain_check(constraint: Any) -> bool:
    from sqlalchemy import CheckConstraint

    return type(constraint) is CheckConstraint and _plain_constraint(constraint)


def _plain_expression(expression: Any, *, percent: bool = False) -> bool:
    """Whether an expression is of SQLAlchemy's own parts only, and its texts are written as they are read.

    Args:
        expression: a clause.
        percent: whether percent signs may stand in texts.
    """
    from sqlalchemy.sql import elements, visitors

    if not isinstance(expression, elements.ClauseElement):
        return False
    for each in visitors.iterate(expression):
        if not _of_sqlalchemy(each) or not _of_sqlalchemy(getattr(each, "type", each)):
            return False
        if isinstance(each, elements.TextClause) and not _plain_text(each, percent):
            return False
    return True


def _plain_text(clause: Any, percent: bool) -> bool:
    """An escaped colon, a parameter, a percent sign: each is written in another way than it is read."""
    return "\\:" not in clause.text and not clause._bindparams and (percent or "%" not in clause.text)


def _of_sqlalchemy(thing: Any) -> bool:
    kind = type(thing)
    return kind.__module__.startswith("sqlalchemy.") and not hasattr(kind, "_compiler_dispatcher")


def _plain_index(index: Any) -> bool:
    from sqlalchemy import Column, Index

    return (
        type(index) is Index
        and _plain_names(index.name)
        and _no_events(index)
        # With SQLAlchemy 1.4 Alembic leaves out those of expressions.
        and all(isinstance(each, Column) or (_modern() and _plain_expression(each)) for each in index.expressions)
        and all(map(_plain_option, index.dialect_kwargs.items()))
    )


@functools.cache
def _modern() -> bool:
    import sqlalchemy

    return not sqlalchemy.__version__.startswith("1.")


def _plain_option(option: tuple[str, Any]) -> bool:
    """Options of other dialects count as unknown, too: whoever says them says more than a plain model."""
    name, value = option
    if not name.startswith("postgresql_") or name.removeprefix("postgresql_") not in _OPTIONS:
        return False
    if name == "postgresql_where":
        return value is None or _plain_expression(value)
    return isinstance(value, str | int | dict | list | tuple | None)
