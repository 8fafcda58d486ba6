"""Carries into a baseline what no model shows: catalog items as their DDL, rows as inserts."""

from __future__ import annotations

import graphlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .. import faults
from ..connections import sqltext
from ..schema import catalog, recreate
from . import amend, loss

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["carried", "contents", "roles", "row_inserts"]

MAX_ROWS = 10_000

_SEES_ROWS = re.compile(r"\s*CREATE\s+((CONSTRAINT\s+)?TRIGGER|(OR\s+REPLACE\s+)?RULE|MATERIALIZED\s+VIEW)\b", re.I)

_COLUMNS = """
SELECT quote_ident(a.attname) FROM pg_catalog.pg_attribute a
WHERE a.attrelid = {table}::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum
"""
_SEQUENCES = """
SELECT quote_ident(a.attname), pg_get_serial_sequence({table}, a.attname) FROM pg_catalog.pg_attribute a
WHERE a.attrelid = {table}::regclass AND a.attnum > 0 AND NOT a.attisdropped
AND pg_get_serial_sequence({table}, a.attname) IS NOT NULL
"""
_ROLE = """
SELECT rolcanlogin, concat(
    CASE WHEN rolsuper THEN ' SUPERUSER' END, CASE WHEN rolcreatedb THEN ' CREATEDB' END,
    CASE WHEN rolcreaterole THEN ' CREATEROLE' END, CASE WHEN NOT rolinherit THEN ' NOINHERIT' END,
    CASE WHEN rolreplication THEN ' REPLICATION' END, CASE WHEN rolbypassrls THEN ' BYPASSRLS' END)
FROM pg_catalog.pg_roles WHERE rolname = {name}
"""
_REFERENCES = """
SELECT n.nspname, c.relname, fn.nspname, f.relname
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
WHERE k.contype = 'f' AND k.conrelid <> k.confrelid
"""


def carried(
    old: catalog.Snapshot,
    new: catalog.Snapshot,
    what: loss.Loss,
    inserts: Sequence[str],
    roles: Mapping[str, str] | None = None,
) -> amend.Carried:
    """The statements that make up for a loss.

    Args:
        old, new: the catalogs that the old history and the baseline lead to.
        what: the loss to make up for.
        inserts: from `row_inserts`, for the rows of the loss.
        roles: from `roles`, for the roles of the loss.

    Raises:
        faults.RefusedFault: `cannot-carry-over`, where a model makes a table of the same name in another way.
    """
    items = list(what.items)
    for item in items:
        if item.kind == "table" and (item.kind, item.name) in new:
            raise faults.RefusedFault(
                "cannot-carry-over",
                f"the old history makes the table {item.name} otherwise than its model does ({item.definition.strip()})",
                "say it in the model (postgresql_partition_by, postgresql_with, ...), "
                f"or give it up with --accept-loss 'table:{item.name}'",
            )
    gone = {item.name for item in items if item.kind in ("table", "view", "materialized_view")}
    items += [item for item in old.all if item.relation in gone and item.name not in gone]
    created = recreate.create_sql(old, items)
    # Rows go in before what would change them on the way (triggers, rules), or is made from them (materialized views).
    place = next((at for at, each in enumerate(created) if _SEES_ROWS.match(each)), len(created))
    return amend.Carried(
        (*(roles or {}).values(), *created[:place], *inserts, *created[place:]),
        tuple(recreate.drop_sql(items)),
        frozenset(f"{item.kind}:{item.name}" for item in items),
        tuple(each.removeprefix("label:") for each in what.said if each.startswith("label:")),
    )


def roles(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """Statements that make these roles where they are not there, as they are on the server that is asked.

    Raises:
        faults.RefusedFault: `cannot-carry-over` for one that can log in: its password can't be read.
    """
    found = {}
    for name in names:
        row = connection.exec_driver_sql(_ROLE.format(name=sqltext.literal(name))).one_or_none()
        if row is not None and row[0]:
            raise faults.RefusedFault(
                "cannot-carry-over",
                f"the old history makes the role {name}, which can log in, and its password can't be read",
                f"make it before the first revision, or write that step by hand, and pass --accept-loss 'role:{name}'",
            )
        said = row[1] if row is not None else ""
        made = f"CREATE ROLE {sqltext.identifier(name)}{said}"
        found[name] = (
            f"DO $role$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {sqltext.literal(name)}) "
            f"THEN {made}; END IF; END $role$"
        )
    return found


def contents(connection: Connection, tables: Sequence[str]) -> dict[str, tuple[str, str]]:
    """What the rows of these tables are: table -> a query that gives a digest of them, and the digest now.

    The query names the columns, so that it means the same where a model has added some.
    """
    found = {}
    for table in tables:
        columns = ", ".join(row[0] for row in connection.exec_driver_sql(_COLUMNS.format(table=sqltext.literal(table))))
        rows = f"SELECT row_to_json(r)::text AS line FROM (SELECT {columns} FROM {table}) r"
        query = f"SELECT md5(coalesce(string_agg(line, ',' ORDER BY line), '')) FROM ({rows}) lines"
        found[table] = (query, str(connection.exec_driver_sql(query).scalar()))
    return found


def row_inserts(connection: Connection, tables: Sequence[str]) -> list[str]:
    """Statements that put the rows of these tables back, referenced tables first.

    Args:
        tables: names as a snapshot has them.

    Raises:
        faults.RefusedFault: if a table holds more rows than a revision file should.
    """
    statements = []
    for table in _in_order(connection, tables):
        statements += _inserts(connection, table)
    return statements


def _inserts(connection: Connection, table: str) -> list[str]:
    quoted = sqltext.literal(table)
    columns = ", ".join(row[0] for row in connection.exec_driver_sql(_COLUMNS.format(table=quoted)))
    counted = f"SELECT count(*), jsonb_agg(to_jsonb(t))::text FROM (SELECT * FROM {table} LIMIT {MAX_ROWS + 1}) t"
    count, rows = connection.exec_driver_sql(counted).one()
    if count > MAX_ROWS:
        raise faults.RefusedFault(
            "too-many-rows",
            f"the history puts more than {MAX_ROWS} rows into {table}: too many to carry in a revision file",
            f"load them by a step of their own, and pass --accept-loss 'data:{table}'",
        )
    insert = (
        f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"
        f" SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, {sqltext.literal(rows)})"
    )
    return [insert, *_sequence_moves(connection, table)]


def _sequence_moves(connection: Connection, table: str) -> list[str]:
    """Moves the sequences of serial and identity columns behind the rows that were inserted with their values."""
    return [
        f"SELECT setval({sqltext.literal(sequence)}, (SELECT max({column}) FROM {table}))"
        for column, sequence in connection.exec_driver_sql(_SEQUENCES.format(table=sqltext.literal(table)))
    ]


def _in_order(connection: Connection, tables: Sequence[str]) -> list[str]:
    wanted = {table: set[str]() for table in sorted(tables)}
    named = {catalog.key(table): table for table in wanted}
    for schema, name, other_schema, other_name in connection.exec_driver_sql(_REFERENCES):
        source, target = named.get((schema, name)), named.get((other_schema, other_name))
        if source is not None and target is not None:
            wanted[source].add(target)
    try:
        return list(graphlib.TopologicalSorter(wanted).static_order())
    except graphlib.CycleError as error:
        raise faults.RefusedFault(
            "cyclic-rows",
            f"rows of tables that refer to each other can't be carried over: {' -> '.join(error.args[1])}",
            "write the data step by hand, and pass --accept-loss for these tables",
        ) from error
