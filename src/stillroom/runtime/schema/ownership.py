"""What one service owns in a database that it may share with others.

Names are compared by what they mean: `public.user`, as Python has it, is `public."user"`, as a snapshot has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..connections import sqltext
from . import catalog

__all__ = ["Ownership", "derive"]

# About a schema as such: it stays when the schema is emptied.
_OF_SCHEMAS = frozenset({"schema", "publication_schema", "default_acl"})
_ABOUT = frozenset({"owner", "acl", "comment"})

_Key = tuple[str, ...]


@dataclass(frozen=True)
class Ownership:
    """What a service owns.

    Args:
        schemas: its schemas, or those in which its tables are.
        tables: the tables (`schema.table`) that it owns, or None for everything in its schemas.
        types: enum types (`schema.type`) that its metadata names; they matter where `tables` are given.
        version_tables: tables in which its revisions are noted; it owns them, whatever their schema.
        expected: tables that its metadata names, whether or not it owns everything else, too.
    """

    schemas: tuple[str, ...]
    tables: frozenset[str] | None = None
    types: frozenset[str] = frozenset()
    version_tables: frozenset[str] = frozenset()
    expected: frozenset[str] = frozenset()

    @property
    def whole_schemas(self) -> bool:
        """Whether everything in its schemas belongs to the service."""
        return self.tables is None

    def holds_schema(self, schema: str) -> bool:
        """Whether this is one of its schemas, so that it owns what is in it (where it owns whole schemas)."""
        return catalog.key(schema) in self._schemas

    def holds_relation(self, name: str) -> bool:
        """Whether a table (or view, or sequence) `schema.name` belongs to the service."""
        meant = catalog.key(name)
        return meant in self._own_tables or (self.whole_schemas and meant[:1] in self._schemas)

    def holds_type(self, name: str) -> bool:
        """Whether a type `schema.name` belongs to the service."""
        meant = catalog.key(name)
        return meant in self._types or (self.whole_schemas and meant[:1] in self._schemas)

    def expects(self, name: str) -> bool:
        """Whether the service needs this table for itself: its metadata names it, or its revisions are noted there."""
        meant = catalog.key(name)
        return meant in self._own_tables or meant in self._expected

    def holds(self, item: catalog.Item) -> bool:
        """Whether an item of a snapshot is the service's own, to be gone after a reset."""
        about = item.kind in _ABOUT
        if item.kind in _OF_SCHEMAS or (about and item.name.startswith("schema ")):
            return False
        if item.relation:
            return self.holds_relation(item.relation)
        if self.whole_schemas:
            return bool(item.schema) and self.holds_schema(item.schema)
        subject = item.name.partition(" ")[2] if about else item.name
        return catalog.key(subject.split(" ")[0])[:2] in self._types

    def part(self, snapshot: catalog.Snapshot) -> catalog.Snapshot:
        """The service's own part of a snapshot: for comparing, counting, fingerprinting."""
        return catalog.Snapshot(item for item in snapshot.all if self.holds(item))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "schemas": list(self.schemas),
            "tables": None if self.tables is None else sorted(self.tables),
            "types": sorted(self.types),
            "version_tables": sorted(self.version_tables),
            "expected": sorted(self.expected),
        }

    @cached_property
    def _schemas(self) -> frozenset[_Key]:
        return _keys(self.schemas)

    @cached_property
    def _own_tables(self) -> frozenset[_Key]:
        return _keys(self.version_tables) | _keys(self.tables or ())

    @cached_property
    def _types(self) -> frozenset[_Key]:
        return _keys(self.types)

    @cached_property
    def _expected(self) -> frozenset[_Key]:
        return _keys(self.expected)


def derive(
    metadata_tables: Iterable[str],
    metadata_enums: Iterable[str],
    default_schema: str,
    declared_schemas: tuple[str, ...] | None,
    neighbours: bool,
    version_table: str,
) -> Ownership:
    """What a service owns, from what it declares and from its metadata.

    Declared schemas belong to it whole. So do the schemas of its tables when nobody shares the database. Otherwise it
    owns its tables, their version table, and the enum types of its metadata.

    Args:
        metadata_tables: `schema.table` or `table`, quoted or as Python has them.
        metadata_enums: enum types, likewise.
        default_schema: the schema of names without one, `public` mostly.
        declared_schemas: what the registry says, None if nothing.
        neighbours: whether other services use the same database.
        version_table: `schema.table` or `table`.
    """
    tables = frozenset(_written(name, default_schema) for name in metadata_tables)
    types = frozenset(_written(name, default_schema) for name in metadata_enums)
    version = frozenset({_written(version_table, default_schema)})
    if declared_schemas is not None:
        schemas = tuple(sqltext.as_written(schema) for schema in declared_schemas)
        return Ownership(schemas, None, types, version, tables)
    schemas = tuple(sorted({sqltext.as_written(catalog.key(name)[0]) for name in tables} | {default_schema}))
    return Ownership(schemas, tables if neighbours else None, types, version, tables)


def _written(name: str, default_schema: str) -> str:
    """The full name, quoted where need be: `orders` -> `public.orders`, `s.Order` -> `s."Order"`."""
    meant = catalog.key(name)
    return ".".join(sqltext.as_written(part) for part in ((default_schema, *meant) if len(meant) == 1 else meant))


def _keys(names: Iterable[str]) -> frozenset[_Key]:
    return frozenset(catalog.key(name) for name in names)
