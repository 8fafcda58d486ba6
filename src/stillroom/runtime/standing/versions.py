"""The version table of a service: what the database says was applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..connections import sqltext
from ..projects import project

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["applied", "exists"]


def exists(connection: Connection, table: project.VersionTable) -> bool:
    """Whether the version table is there."""
    found = connection.exec_driver_sql(f"SELECT to_regclass({sqltext.literal(table.quoted)}) IS NOT NULL")
    return bool(found.scalar())


def applied(connection: Connection, table: project.VersionTable) -> tuple[str, ...] | None:
    """The revisions that the database is at, sorted; None where there is no version table."""
    if not exists(connection, table):
        return None
    rows = connection.exec_driver_sql(f"SELECT version_num FROM {table.quoted}")
    return tuple(sorted(row[0] for row in rows))
