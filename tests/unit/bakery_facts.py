"""Prints, as JSON lines, what the models of each service of the example fleet hold. A script: see test_bakery_models.

Each service's package is called `app`, so each is imported by a fork of its own.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastapi  # noqa: F401  (imported once, before the forks)
import sqlalchemy as sa
from pgvector.sqlalchemy import Vector
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql.ranges import AbstractRange
from sqlalchemy.orm import Mapper
from sqlalchemy.schema import sort_tables_and_constraints

_TYPES: dict[str, Any] = {
    "jsonb": pg.JSONB,
    "interval": (sa.Interval, pg.INTERVAL),
    "inet": pg.INET,
    "cidr": pg.CIDR,
    "macaddr": pg.MACADDR,
    "range": AbstractRange,
    "text search": pg.TSVECTOR,
    "vector": Vector,
}
_METHODS = {"gist", "brin", "hnsw"}


def main(fleet: Path) -> None:
    """One line for each folder with an `alembic.ini`."""
    for folder in sorted(path.parent for path in fleet.glob("*/alembic.ini")):
        if (child := os.fork()) == 0:
            status = 1
            try:
                _print_facts(folder)
                status = 0
            finally:
                os._exit(status)
        if os.waitpid(child, 0)[1] != 0:
            sys.exit(f"{folder.name}: its models do not import")


def _print_facts(folder: Path) -> None:
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    from app import main, models  # type: ignore[import-not-found]  # the service's own package

    metadata: sa.MetaData = models.Base.metadata
    facts = {
        "service": folder.name,
        "tables": len(metadata.tables),
        "features": sorted(set(_features(metadata, list(models.Base.registry.mappers)))),
        "routes": sorted(route.path for route in main.app.routes if route.include_in_schema),
    }
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _features(metadata: sa.MetaData, mappers: list[Mapper[Any]]) -> Iterator[str]:
    yield "naming convention" if len(metadata.naming_convention) > 1 else "no naming convention"
    if metadata._sequences:
        yield "sequence"
    yield from _of_mappers(metadata, mappers)
    yield from _of_enums(metadata)
    yield from _of_cycles(metadata)
    for table in metadata.tables.values():
        yield from _of_table(table)
        for column in table.columns:
            yield from _of_column(column)
        for index in table.indexes:
            yield from _of_index(index)
        for constraint in table.constraints:
            yield from _of_constraint(table, constraint)


def _of_mappers(metadata: sa.MetaData, mappers: list[Mapper[Any]]) -> Iterator[str]:
    if set(metadata.tables.values()) - {mapper.local_table for mapper in mappers}:
        yield "association table"
    for mapper in mappers:
        if mapper.inherits:
            yield "single-table inheritance" if mapper.single else "joined-table inheritance"


def _of_enums(metadata: sa.MetaData) -> Iterator[str]:
    users: dict[tuple[str | None, str | None], set[sa.Table]] = {}
    for table in metadata.tables.values():
        for column in table.columns:
            kind = column.type.item_type if isinstance(column.type, sa.ARRAY) else column.type
            if isinstance(kind, sa.Enum) and kind.native_enum:
                users.setdefault((kind.schema, kind.name), set()).add(table)
            elif isinstance(kind, sa.Enum):
                yield "enum that is a text with a check"
    for (schema, _), tables in users.items():
        yield "enum"
        yield "enum in public" if schema is None else "enum in another schema"
        if len(tables) > 1:
            yield "enum of two tables"


def _of_cycles(metadata: sa.MetaData) -> Iterator[str]:
    """What has to be added after all tables, because it closes a cycle."""
    late = sort_tables_and_constraints(metadata.tables.values())[-1][1]  # type: ignore[no-untyped-call]
    for key in late:
        if key.use_alter:
            yield "cycle, use_alter"
        else:
            yield "cycle, named" if key.name else "cycle, unnamed"


def _of_table(table: sa.Table) -> Iterator[str]:
    if table.schema:
        yield "schema"
    if table.comment:
        yield "comment on a table"
    if "UNLOGGED" in table._prefixes:
        yield "unlogged table"
    if len(table.primary_key.columns) > 1:
        yield "composite primary key"


def _of_column(column: sa.Column[Any]) -> Iterator[str]:
    yield from (name for name, kind in _TYPES.items() if isinstance(column.type, kind))
    if type(column.type).__module__.startswith("app."):
        yield "type of its own"
    if isinstance(column.type, sa.DateTime) and column.type.timezone:
        yield "timestamp with time zone"
    if isinstance(column.type, sa.ARRAY):
        yield f"array of {_item(column.type.item_type)}"
    if column.comment:
        yield "comment on a column"
    if column.computed is not None:
        yield "computed column"
    if column.identity is not None:
        yield "identity column"
    if column.server_default is not None:
        yield from _of_default(column)


def _of_default(column: sa.Column[Any]) -> Iterator[str]:
    if isinstance(column.type, pg.JSONB):
        yield "jsonb with a server default"
    if column.primary_key and isinstance(column.type, sa.Uuid):
        yield "uuid key with a server default"


def _item(kind: Any) -> str:
    names = {sa.Enum: "enum", sa.Uuid: "uuid", sa.String: "text"}
    return next((name for base, name in names.items() if isinstance(kind, base)), "something else")


def _of_index(index: sa.Index) -> Iterator[str]:
    options = index.dialect_options["postgresql"]
    if len(index.expressions) > 1:
        yield "composite index"
    if options["where"] is not None:
        yield "partial index"
    if options["include"]:
        yield "covering index"
    if options["with"]:
        yield "index with parameters"
    if any(not isinstance(each, sa.Column | sa.UnaryExpression) for each in index.expressions):
        yield "expression index"
    if any(isinstance(each, sa.UnaryExpression) for each in index.expressions):
        yield "descending index"
    if options["using"] == "gin":
        yield from ("gin index on jsonb" if isinstance(each.type, pg.JSONB) else "gin index" for each in index.columns)
    elif options["using"] in _METHODS:
        yield f"{options['using']} index"


def _of_constraint(table: sa.Table, constraint: sa.Constraint) -> Iterator[str]:
    match constraint:
        case sa.CheckConstraint():
            yield "check constraint"
            text = str(constraint.sqltext)
            if any(isinstance(each.type, sa.Numeric) and each.name in text for each in table.columns):
                yield "numeric with a check"
        case sa.UniqueConstraint():
            yield "unique constraint"
            if constraint.dialect_options["postgresql"]["nulls_not_distinct"]:
                yield "unique, nulls not distinct"
            if constraint.deferrable:
                yield "deferrable constraint"
        case pg.ExcludeConstraint():
            yield "exclusion constraint"
        case sa.ForeignKeyConstraint():
            if constraint.referred_table is table:
                yield "self-referencing foreign key"
            if len(constraint.columns) > 1:
                yield "composite foreign key"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
