"""Domains of a service's metadata (`postgresql.DOMAIN`): which are new, and how Alembic is to render them.

Alembic makes one with every table that uses it, which fails for the second; with a new column it makes none; and its
downgrade leaves all of them behind. So they are made once, before the tables, and dropped at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..connections import sqltext

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

__all__ = ["changes", "render_without_creation"]

_EXISTING = """
SELECT n.nspname, t.typname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'd'
"""


def changes(context: MigrationContext, metadatas: list[Any]) -> list[tuple[str, str, str]]:
    """The domains that are not there yet, in the order in which they are made.

    Returns:
        For each, the statement that makes it, the one that drops it, and a sentence for the report.
    """
    wanted = {_name(each, context.dialect): each for each in _used(metadatas)}
    if not wanted or context.connection is None:
        return []
    from sqlalchemy.dialects.postgresql.named_types import CreateDomainType

    there = {(row[0], row[1]) for row in context.connection.exec_driver_sql(_EXISTING)}
    found = []
    for name in sorted(wanted.keys() - there):
        domain = wanted[name]
        make = str(CreateDomainType(domain).compile(dialect=context.dialect)).strip()
        if getattr(context.dialect.identifier_preparer, "_double_percents", False):
            make = make.replace("%%", "%")
        schema = f"{sqltext.identifier(domain.schema)}." if domain.schema else ""
        drop = f"DROP DOMAIN {schema}{sqltext.identifier(str(domain.name))}"
        found.append((make, drop, f"the domain {domain.name} is created once and dropped by the downgrade"))
    return found


def render_without_creation(context: MigrationContext) -> None:
    """Makes Alembic render domains as `postgresql.DOMAIN(…, create_type=False)`: they are created on their own."""
    from alembic.autogenerate import render as alembic_render

    given = context.opts.get("render_item")

    def render(kind: str, item: Any, autogen: Any) -> str | bool:
        if given is not None:
            rendered: str | bool = given(kind, item, autogen)
            if rendered is not False:
                return rendered
        if kind != "type" or not _is_domain(item):
            return False
        autogen.imports.add("from sqlalchemy.dialects import postgresql")
        schema = f", schema={item.schema!r}" if item.schema else ""
        of = alembic_render._repr_type(item.data_type, autogen)
        return f"postgresql.DOMAIN({str(item.name)!r}, {of}{schema}, create_type=False)"

    context.opts["render_item"] = render


def _used(metadatas: list[Any]) -> Iterator[Any]:
    for metadata in metadatas:
        for table in metadata.tables.values():
            for column in table.columns:
                item = getattr(column.type, "item_type", column.type)  # of an array
                if _is_domain(item):
                    yield item


def _is_domain(item: Any) -> bool:
    """By its name: SQLAlchemy 1.4 knows none."""
    return any(cls.__name__ == "DOMAIN" and cls.__module__.startswith("sqlalchemy.") for cls in type(item).__mro__)


def _name(domain: Any, dialect: Any) -> tuple[str, str]:
    return (domain.schema or dialect.default_schema_name, str(domain.name))
