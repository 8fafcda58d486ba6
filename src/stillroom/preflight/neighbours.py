"""Services that get in each other's way: one version table for two, one database that nobody declared as shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import sharing
from stillroom.registry import model
from stillroom.reports import Finding, Report

__all__ = ["clash_found", "judge_neighbours"]


def judge_neighbours(
    services: Sequence[model.Service], reports: Mapping[str, Report], beside: Mapping[str, str]
) -> dict[str, list[Finding]]:
    """Services that get in each other's way: one version table for two, one database that nobody declared as shared.

    Args:
        services: those that were looked at.
        reports: their reports by name.
        beside: full names of the version tables of services that were not looked at, by name, as far as their source
            tells.

    Returns:
        Further findings by the service's name.
    """
    found: dict[str, list[Finding]] = {}
    for service in services:
        mine = reports[service.name].facts if service.name in reports else {}
        if not mine.get("address") or not mine.get("version_table"):
            continue
        for other in services:
            theirs = reports[other.name].facts if other.name in reports else {}
            if other is service or _place(theirs) != _place(mine):
                continue
            both = _shared(service, other.name, mine, str(theirs.get("version_table") or ""))
            found.setdefault(service.name, []).extend(both)
        for name in service.shares_with:
            if name not in reports and beside.get(name):
                found.setdefault(service.name, []).extend(_beside(service, name, mine, beside[name]))
    return found


def _place(facts: Mapping[str, Any]) -> tuple[Any, ...]:
    """The database, however its host was written."""
    return tuple(facts.get(each) for each in ("host", "port", "database"))


def _beside(service: model.Service, other: str, mine: Mapping[str, Any], table: str) -> list[Finding]:
    """About a neighbour that was not looked at, by the version table that its source names."""
    if table == mine["version_table"]:
        return _shared(service, other, mine, table)
    if f"public.{table}" != mine["version_table"]:
        return []
    message = f"{service.name} notes its revisions in {mine['version_table']}, and {other} may do so as well"
    mend = f"invoke preflight --service {service.name},{other} tells whether it does"
    return [Finding("version table", "warning", message, mend, {"code": "version-table-shared", "with": other})]


def clash_found(clash: sharing.Clash) -> Finding:
    """What is said of two services that make one table."""
    data = {"code": "table-shared", "with": clash.other, "tables": list(clash.tables)}
    return Finding("history", "error", clash.message, clash.mend, data)


def _shared(service: model.Service, other: str, mine: Mapping[str, Any], table: str) -> list[Finding]:
    where = f"{service.name} and {other} use one database, {mine['address']}"
    if mine["version_table"] == table:
        message, mend = sharing.one_version_table(service.name, other, str(mine["address"]), table)
        data = {"code": "version-table-shared", "with": other, "table": table}
        return [Finding("version table", "error", message, mend, data)]
    if other not in service.shares_with:
        return [
            Finding(
                "database",
                "warning",
                f"{where}, and services.yaml does not say so: cleanup, diff and drift would take the tables of one for "
                "leftovers of the other",
                f"give both the same database: in services.yaml (database: {mine.get('database')}), and schemas: each",
                {"code": "sharing-undeclared", "with": other},
            )
        ]
    return []
