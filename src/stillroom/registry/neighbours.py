"""Services that share a database, and what two of them must not both claim without saying so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from stillroom.registry import resolve
from stillroom.registry.mistakes import shown

__all__ = ["FIELDS", "clashes"]

FIELDS = ("database", "schemas", "version_table", "version_table_schema")
"""The fields that tell what a service claims."""

_Table = tuple[str | None, str]


@dataclasses.dataclass
class _Claims:
    """Who claims one schema of one database: the first service of all, without, and by version table."""

    first: str
    untold: str | None = None
    tables: dict[_Table, str] = dataclasses.field(default_factory=dict)


def clashes(drafts: Sequence[resolve.Draft]) -> Iterator[tuple[resolve.Draft, str]]:
    """The services that claim what an earlier one in the same database claims, each with a sentence.

    Two services may claim one schema if each names a version table of its own: so they say it. Without `schemas:` a
    service claims `public`, since that is where its tables land.
    """
    schemas: dict[tuple[str, str], _Claims] = {}
    tables: dict[tuple[str, str, str], str] = {}
    for draft in drafts:
        text = _schema_clash(draft, schemas) or _table_clash(draft, tables)
        if text:
            yield draft, text


def _schema_clash(draft: resolve.Draft, seen: dict[tuple[str, str], _Claims]) -> str | None:
    values = draft.values
    table: _Table | None = (
        (values["version_table_schema"], values["version_table"]) if values["version_table"] else None
    )
    text = None
    for schema in values["schemas"] or ("public",):
        claims = seen.setdefault((values["database"], schema), _Claims(draft.name))
        other = claims.first if table is None else claims.untold or claims.tables.get(table)
        if other is not None and other != draft.name and text is None:
            text = (
                f"{_shares(draft, other)}, and both claim the schema {shown(schema)}: give each its own `schemas:`, "
                "or, if they mean to share it, each its own `version_table:`"
            )
        if table is None:
            claims.untold = claims.untold or draft.name
        else:
            claims.tables.setdefault(table, draft.name)
    return text


def _table_clash(draft: resolve.Draft, seen: dict[tuple[str, str, str], str]) -> str | None:
    schema, table = draft.values["version_table_schema"], draft.values["version_table"]
    if schema is None or table is None:
        return None
    other = seen.setdefault((draft.values["database"], schema, table), draft.name)
    if other == draft.name:
        return None
    return f"{_shares(draft, other)}, and both have the version table {shown(f'{schema}.{table}')}: give each its own"


def _shares(draft: resolve.Draft, other: str) -> str:
    return f"shares the database {shown(draft.values['database'])} with '{other}'"
