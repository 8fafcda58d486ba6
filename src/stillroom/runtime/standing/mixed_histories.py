"""Two services that note their revisions in one table: what is done to it for one of them would be done to the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .. import facts, faults

__all__ = ["refuse"]


def refuse(
    service: facts.ServiceFacts,
    table: str,
    rows: Collection[str],
    known: Collection[str],
    others: Mapping[str, str],
) -> None:
    """Raises where the version table holds what only a neighbour's history has. Pure.

    Args:
        service: whose turn it is.
        table: full name of its version table.
        rows: of the table.
        known: ids of the service's own revisions.
        others: ids of its neighbours' revisions to the neighbours' names, as the operator's side read them.

    Raises:
        faults.RefusedFault: `version-table-shared`.
    """
    for each in sorted(set(rows) - set(known)):
        if each in others:
            own = f"{service.name.replace('-', '_')}_alembic_version"
            raise faults.RefusedFault(
                "version-table-shared",
                f"{service.name}: its version table {table} holds revision {each} of {others[each]}: the two note their "
                "revisions in one table, and what is done to it for one is done to the other",
                f"give each its own: context.configure(..., version_table={own!r}) in env.py (online and offline) and "
                f"version_table: {own} in services.yaml; or a schema each with version_table_schema",
                data={"with": others[each], "table": table},
            )
