"""What a run still owes that was cut short after its last revision: its entry in the ledger, and rights of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..applying import situation
from ..connections import connection, sqltext
from ..ledger import entries, tables
from . import grants, proving, session, settings

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["owed", "to_note"]


def owed(found: situation.Situation, wanted: settings.Settings) -> bool:
    """Whether a database that is where it is to be still lacks something; asked without a lock, on a connection."""
    return connection.run(
        found.url, lambda conn: _to_note(conn, found, wanted) or bool(grants.lacking(conn, found)), autocommit=True
    )


def to_note(opened: session.Session, found: situation.Situation, wanted: settings.Settings) -> bool:
    """Whether the ledger lacks something: the end of a run that was killed, or the fingerprint."""
    return opened.run(lambda conn: _to_note(conn, found, wanted))


def _to_note(conn: Connection, found: situation.Situation, wanted: settings.Settings) -> bool:
    """Under the lock, a run that is noted as running is one that ended without a word."""
    if _unfinished(conn, found):
        return True
    return wanted.prove and not proving.is_recorded(conn, found, found.standing.applied)


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
