"""Which tables of a database are the service's, as a condition in SQL."""

from __future__ import annotations

from collections.abc import Iterable

from ..applying import situation
from ..connections import sqltext

__all__ = ["condition"]


def condition(found: situation.Situation, table: str) -> str:
    """True for a table of the service.

    Args:
        found: the service.
        table: how the statement calls the table's row of pg_class; its row of pg_namespace is called `n` there.
    """
    where = found.area
    if where.tables is not None:
        named = (".".join(sqltext.identifier(part) for part in each.split(".")) for each in where.tables)
        return f"{table}.oid IN (SELECT to_regclass(x)::oid FROM unnest(ARRAY[{_listed(named)}]::text[]) AS x)"
    return "true" if where.schemas is None else f"n.nspname = ANY (ARRAY[{_listed(where.schemas)}]::text[])"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sqltext.literal(each) for each in names)
