"""What a run still owes that was cut short after its last revision: its entry in the ledger, and rights of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..applying import situation
from ..connections import connection, sqltext
from ..ledger import entries, tables
from . import grants, session

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["owed", "unfinished"]


def owed(found: situation.Situation) -> bool:
    """Whether a database that is where it is to be still lacks something; asked without a lock, on a connection."""
    return connection.run(
        found.url, lambda conn: _unfinished(conn, found) or bool(grants.lacking(conn, found)), autocommit=True
    )


def unfinished(opened: session.Session, found: situation.Situation) -> bool:
    """Whether the newest run is noted as running; under the lock that means that it ended without a word."""
    return opened.run(lambda conn: _unfinished(conn, found))


def _unfinished(conn: Connection, found: situation.Situation) -> bool:
    may = f"has_table_privilege(to_regclass('{tables.SCHEMA}.run'), 'SELECT')"
    there = conn.exec_driver_sql(
        f"SELECT to_regclass('{tables.SCHEMA}.run') IS NOT NULL AND {may}"
        f" AND has_schema_privilege(to_regnamespace('{tables.SCHEMA}'), 'USAGE')"
    ).scalar()
    if not there:
        return False
    name = sqltext.literal(entries.noted_in(found.table.schema or found.observed.schema, found.table.name))
    newest = conn.exec_driver_sql(
        f"SELECT outcome FROM {tables.SCHEMA}.run WHERE version_table = {name} ORDER BY id DESC LIMIT 1"
    ).scalar()
    return newest == entries.RUNNING
