"""Amends what autogenerate found before it is written: what PostgreSQL needs and Alembic leaves out.

- schemas and extensions that the models use are made first, if they are not there;
- domains are made once, and dropped again by the downgrade;
- enum types are made once, before the tables, and dropped again by the downgrade (Alembic makes one per table, which
  fails for a shared type, and its downgrade leaves all of them behind);
- foreign keys of a cycle, and those marked `use_alter`, are added after the tables (Alembic renders the first inline,
  which fails, and leaves the second out);
- sequences of their own are created (Alembic does not see them);
- checks of single columns are written out (Alembic loses them, see `checks`);
- so are indexes of expressions (with SQLAlchemy 1.4 Alembic loses them).
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from .. import facts
from ..connections import sqltext
from ..projects import project
from ..schema import domains, enums
from . import checks

if TYPE_CHECKING:
    from alembic.operations.ops import MigrateOperation, MigrationScript
    from alembic.runtime.migration import MigrationContext

__all__ = ["Amended", "Carried", "Prerequisites", "amend"]

# PostgreSQL types and operator classes that come with an extension (from the extensions' own documentation).
_EXTENSION_OF_TYPE = {
    "vector": "vector",
    "halfvec": "vector",
    "sparsevec": "vector",
    "citext": "citext",
    "hstore": "hstore",
    "ltree": "ltree",
    "lquery": "ltree",
    "cube": "cube",
    "geometry": "postgis",
    "geography": "postgis",
    "raster": "postgis_raster",
}
_EXTENSION_OF_WORD = {
    "gin_trgm_ops": "pg_trgm",
    "gist_trgm_ops": "pg_trgm",
    "uuid_generate_v4": "uuid-ossp",
    "uuid_generate_v1mc": "uuid-ossp",
    "gen_salt": "pgcrypto",
    "gen_random_bytes": "pgcrypto",
    "unaccent": "unaccent",
}
_MAX_NAME = 63


@dataclasses.dataclass(frozen=True)
class Prerequisites:
    """What has to exist before the tables, and stays when they go."""

    schemas: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Carried:
    """Statements that are put into a baseline as they are, since no model shows what they make.

    Attributes:
        upgrade: in the order in which they run, after everything else.
        downgrade: in the order in which they run, before everything else.
        names: what they make, as `kind:name`; the comparison with the models leaves it out.
        labels: branch labels that the baseline gets.
    """

    upgrade: tuple[str, ...] = ()
    downgrade: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    labels: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Amended:
    """What was done to a revision.

    Attributes:
        prerequisites: what it makes first, if it is not there.
        mended: sentences for the report.
    """

    prerequisites: Prerequisites = dataclasses.field(default_factory=Prerequisites)
    mended: tuple[str, ...] = ()


def amend(
    context: MigrationContext,
    script: MigrationScript,
    service: facts.ServiceFacts,
    carried: Carried,
) -> Amended:
    """Amends the operations of one revision in place, and says what was done."""
    upgrade, downgrade = script.upgrade_ops, script.downgrade_ops
    if upgrade is None or downgrade is None:
        return Amended()
    metadatas = project.metadatas(context)
    prerequisites = Prerequisites()
    mended = checks.write_out(context, upgrade.ops, downgrade.ops)
    mended += _write_indexes(context, upgrade.ops, downgrade.ops)
    mended += _free_cycles(upgrade.ops, downgrade.ops)
    changes = enums.changes(context, metadatas)
    for make, drop, sentence in domains.changes(context, metadatas):
        changes.before.append(make)
        changes.undo_after.insert(0, drop)  # it may be one of an enum type
        changes.sentences.append(sentence)
    enums.render_without_creation(context)
    domains.render_without_creation(context)
    if upgrade.ops or changes:
        prerequisites = _prerequisites(context, metadatas, service)
        first = [sqltext.create_schema(name) for name in prerequisites.schemas]
        first += [f"CREATE EXTENSION IF NOT EXISTS {sqltext.identifier(name)}" for name in prerequisites.extensions]
        first += _new_sequences(context, metadatas, downgrade.ops)
        upgrade.ops[0:0] = _executed([*first, *changes.before])
        upgrade.ops.extend(_executed(changes.after))
        downgrade.ops[0:0] = _executed(changes.undo_before)
        downgrade.ops.extend(_executed(changes.undo_after))
        mended += changes.sentences
    upgrade.ops.extend(_executed(list(carried.upgrade)))
    downgrade.ops[0:0] = _executed(list(carried.downgrade))
    return Amended(prerequisites, tuple(mended))


def _executed(statements: list[str]) -> list[MigrateOperation]:
    from alembic.operations import ops

    return [ops.ExecuteSQLOp(sqltext.for_text(statement)) for statement in statements]


def _write_indexes(
    context: MigrationContext, upgrade: list[MigrateOperation], downgrade: list[MigrateOperation]
) -> list[str]:
    """Adds the indexes of expressions that new tables have and autogenerate leaves out.

    Returns:
        A sentence for each.
    """
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import ops

    filters = AutogenContext(context, autogenerate=False)
    created = {
        sqltext.full_name(each.schema, each.table_name) for each in upgrade if isinstance(each, ops.CreateTableOp)
    }
    parts = [part for each in upgrade for part in (each.ops if isinstance(each, ops.ModifyTableOps) else [each])]
    written = {str(each.index_name) for each in parts if isinstance(each, ops.CreateIndexOp)}
    mended = []
    for index in _expression_indexes(project.metadatas(context), created):
        if str(index.name) in written or not filters.run_object_filters(index, index.name, "index", False, None):
            continue
        upgrade.append(ops.CreateIndexOp.from_index(index))
        downgrade.insert(0, ops.DropIndexOp.from_index(index))
        mended.append(f"the index {index.name} of {index.table.fullname} is written out, though it has an expression")
    return mended


def _expression_indexes(metadatas: list[Any], created: set[str]) -> list[Any]:
    from sqlalchemy import Column

    indexes = [
        index
        for metadata in metadatas
        for name, table in metadata.tables.items()
        if name in created
        for index in table.indexes
        if not all(isinstance(each, Column) for each in index.expressions)
    ]
    return sorted(indexes, key=lambda index: (index.table.fullname, str(index.name)))


def _free_cycles(upgrade: list[MigrateOperation], downgrade: list[MigrateOperation]) -> list[str]:
    """Takes foreign keys to tables that are created later out of `create_table`, and adds them at the end.

    Returns:
        A sentence for each.
    """
    from alembic.operations import ops
    from sqlalchemy import ForeignKeyConstraint

    mended: list[str] = []
    created: set[str] = set()
    later = {sqltext.full_name(each.schema, each.table_name) for each in upgrade if isinstance(each, ops.CreateTableOp)}
    for each in list(upgrade):
        if not isinstance(each, ops.CreateTableOp):
            continue
        own = sqltext.full_name(each.schema, each.table_name)
        created.add(own)
        keys = [item for item in each.columns if isinstance(item, ForeignKeyConstraint)]
        # They come out of a set: sorted, so that two runs write the same file.
        for key in sorted(keys, key=lambda item: (item.column_keys, item.referred_table.fullname)):
            target = key.referred_table.fullname
            if not key.use_alter and (target in created or target not in later):
                continue
            each.columns = [item for item in each.columns if item is not key]
            _add_later(key, upgrade, downgrade)
            mended.append(f"the foreign key of {own} to {target} is added after both tables exist")
    return mended


def _add_later(key: Any, upgrade: list[MigrateOperation], downgrade: list[MigrateOperation]) -> None:
    from alembic.operations import ops

    created = ops.CreateForeignKeyOp.from_constraint(key)
    created.kw.pop("use_alter", None)
    if created.constraint_name is None:
        created.constraint_name = "_".join([key.parent.name, *key.column_keys, "fkey"])[:_MAX_NAME]
    upgrade.append(created)
    downgrade.insert(
        0, ops.DropConstraintOp(created.constraint_name, key.parent.name, type_="foreignkey", schema=key.parent.schema)
    )


def _prerequisites(context: MigrationContext, metadatas: list[Any], service: facts.ServiceFacts) -> Prerequisites:
    dialect = context.dialect
    default = dialect.default_schema_name
    schemas = {table.schema for metadata in metadatas for table in metadata.tables.values() if table.schema}
    words = {
        word
        for metadata in metadatas
        for table in metadata.tables.values()
        for word in re.findall(r"\w+", " ".join(_texts(table, dialect)).lower())
    }
    extensions = set(service.extensions)
    extensions |= {_EXTENSION_OF_WORD[word] for word in words & _EXTENSION_OF_WORD.keys()}
    extensions |= {
        _EXTENSION_OF_TYPE[word]
        for metadata in metadatas
        for table in metadata.tables.values()
        for word in _type_words(table, dialect) & _EXTENSION_OF_TYPE.keys()
    }
    present = _present(context)
    return Prerequisites(
        tuple(sorted(schemas - {default} - present.schemas_with_history)),
        tuple(sorted(extensions - present.extensions)),
    )


@dataclasses.dataclass(frozen=True)
class _Present:
    schemas_with_history: set[str]
    extensions: set[str]


def _present(context: MigrationContext) -> _Present:
    """What the database has already: an incremental revision makes only what is new."""
    connection = context.connection
    if connection is None:
        return _Present(set(), set())
    extensions = {row[0] for row in connection.exec_driver_sql("SELECT extname FROM pg_catalog.pg_extension")}
    schemas = {
        row[0]
        for row in connection.exec_driver_sql(
            "SELECT DISTINCT n.nspname FROM pg_catalog.pg_namespace n"
            " JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid WHERE c.relkind IN ('r', 'p')"
        )
    }
    history = bool(context.get_current_heads())
    return _Present(schemas if history else set(), extensions if history else set())


def _texts(table: Any, dialect: Any) -> list[str]:
    """Text in which a function or operator class of an extension may be named."""
    texts = []
    for column in table.columns:
        default = getattr(column.server_default, "arg", None)
        if default is not None:
            texts.append(str(default))
    for index in table.indexes:
        texts += [str(value) for value in (index.dialect_kwargs.get("postgresql_ops") or {}).values()]
        texts += [str(expression) for expression in index.expressions]
    return texts


def _type_words(table: Any, dialect: Any) -> set[str]:
    words = set()
    for column in table.columns:
        inner = getattr(column.type, "item_type", column.type)
        # A type that can't be compiled without a bind has no name that could belong to an extension.
        compiled = getattr(inner, "get_col_spec", None)
        text = compiled() if callable(compiled) else getattr(inner, "__visit_name__", "")
        words.update(re.findall(r"\w+", str(text).lower()))
    return words


def _new_sequences(context: MigrationContext, metadatas: list[Any], downgrade: list[MigrateOperation]) -> list[str]:
    """`CREATE SEQUENCE` for sequences of their own that the database lacks; their drop goes to the downgrade."""
    from sqlalchemy.schema import CreateSequence, DropSequence

    connection = context.connection
    if connection is None:
        return []
    existing = {
        (row[0], row[1])
        for row in connection.exec_driver_sql(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S'"
        )
    }
    default = context.dialect.default_schema_name
    statements = []
    for metadata in metadatas:
        for sequence in sorted(metadata._sequences.values(), key=lambda each: str(each.name)):
            if (sequence.schema or default, sequence.name) in existing:
                continue
            statements.append(str(CreateSequence(sequence).compile(dialect=context.dialect)))
            downgrade.extend(_executed([str(DropSequence(sequence).compile(dialect=context.dialect))]))
    return statements
