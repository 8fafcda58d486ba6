"""What stands in a database, for people who are about to lose it: tables with their rows, and how much else."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy.engine

from ..connections import sqltext
from . import catalog, marker, ownership

__all__ = ["COUNT_UP_TO", "Survey", "TableFacts", "survey"]

COUNT_UP_TO = 1_000_000
"""Rows of a table are counted exactly up to here; counting more would keep people waiting."""

_TABLES = """
SELECT n.name || '.' || quote_ident(c.relname), c.relkind = 'p',
       coalesce((SELECT sum(pg_total_relation_size(p.relid)) FROM pg_partition_tree(c.oid) p WHERE p.isleaf),
                pg_total_relation_size(c.oid))::bigint,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
       AND NOT row_security_active(c.oid) AND c.relkind <> 'f'
FROM pg_class c
JOIN (SELECT oid, quote_ident(nspname) AS name FROM pg_namespace
      WHERE nspname !~ '^pg_' AND nspname <> 'information_schema') n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""
_PLACE = """
SELECT current_database(), current_setting('server_version'), current_user,
       coalesce(host(inet_server_addr()), 'local socket'), coalesce(inet_server_port(), 0)
"""
# Of these kinds, people are told how many there are; the others are parts of them.
_COUNTED = frozenset(
    {
        "view", "materialized_view", "function", "procedure", "aggregate", "type", "domain", "sequence", "trigger",
        "policy", "rule", "partition", "statistics", "collation", "operator", "text_search_configuration",
        "text_search_dictionary",
    }
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class TableFacts:
    """One table.

    Args:
        name: `schema.table` as SQL writes it.
        rows: at most `COUNT_UP_TO`; None if this role may not count them (no right, row security, foreign table).
        more: whether there are more rows than were counted.
        bytes: with indexes and TOAST, of a partitioned table with its partitions.
    """

    name: str
    rows: int | None
    more: bool
    bytes: int

    @property
    def shown_rows(self) -> str:
        """For people: `12,345`, `> 1,000,000`, `?`."""
        if self.rows is None:
            return "?"
        return f"> {self.rows:,}" if self.more else f"{self.rows:,}"


@dataclasses.dataclass(frozen=True)
class Survey:
    """A database, as far as a service owns it.

    Args:
        host, port: of the server, as the URL names them; as the server sees itself if no address was given.
        database: its name.
        role: as which we are connected.
        server_version: as the server shows it.
        marker: the environment that the database is marked with, or None.
        tables: the service's own; partitions are counted with their table.
        others: kind of object -> how many of them are the service's own.
    """

    host: str
    port: int
    database: str
    role: str
    server_version: str
    marker: str | None
    tables: tuple[TableFacts, ...]
    others: dict[str, int]

    @property
    def empty(self) -> bool:
        """Whether nothing of the service is there, neither tables nor anything else."""
        return not self.tables and not self.others

    @property
    def rows(self) -> int:
        """All rows that were counted."""
        return sum(table.rows or 0 for table in self.tables)

    @property
    def holds_data(self) -> bool:
        """Whether any table holds rows; one that could not be counted may, so it does."""
        return any(table.rows is None or table.rows > 0 for table in self.tables)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return dataclasses.asdict(self) | {"empty": self.empty, "holds_data": self.holds_data, "rows": self.rows}


def survey(
    conn: sqlalchemy.engine.Connection, owned: ownership.Ownership, *, host: str | None = None, port: int | None = None
) -> Survey:
    """Looks at what a service owns in the connected database.

    Args:
        conn: a sync connection.
        owned: what the service owns.
        host, port: to show, from the URL: behind a proxy the server calls itself otherwise.
    """
    database, version, role, own_host, own_port = conn.exec_driver_sql(_PLACE).one()
    return Survey(
        host=host or own_host,
        port=port or own_port,
        database=database,
        role=role,
        server_version=version.split(" ")[0],
        marker=marker.read(conn),
        tables=_tables(conn, owned),
        others=_others(conn, owned),
    )


def _tables(conn: sqlalchemy.engine.Connection, owned: ownership.Ownership) -> tuple[TableFacts, ...]:
    found = sorted(tuple(row) for row in conn.exec_driver_sql(_TABLES) if owned.holds_relation(row[0]))
    # Rows of an inheriting table are its own; those of partitions count for the table that they are parts of.
    countable = [(name, name if partitioned else f"ONLY {name}") for name, partitioned, _, may in found if may]
    rows = _count(conn, countable)
    return tuple(
        TableFacts(name, min(rows[name], COUNT_UP_TO) if may else None, may and rows[name] > COUNT_UP_TO, size)
        for name, _, size, may in found
    )


def _count(conn: sqlalchemy.engine.Connection, tables: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Name -> rows, in few round trips."""
    rows: dict[str, int] = {}
    for start in range(0, len(tables), 100):
        selects = [
            f"SELECT {sqltext.literal(name)}, (SELECT count(*) FROM (SELECT FROM {source} LIMIT {COUNT_UP_TO + 1}) t)"
            for name, source in tables[start : start + 100]
        ]
        statement = " UNION ALL ".join(selects)
        # no_parameters: otherwise psycopg looks at percent signs, which a name may hold.
        counted = conn.exec_driver_sql(statement, execution_options={"no_parameters": True})
        rows.update((row[0], row[1]) for row in counted)
    return rows


def _others(conn: sqlalchemy.engine.Connection, owned: ownership.Ownership) -> dict[str, int]:
    items = owned.part(catalog.snapshot(conn)).all
    serials = {item.name for item in items if item.kind == "owned_by"}
    counted = Counter(item.kind for item in items if item.kind in _COUNTED and item.name not in serials)
    return dict(sorted(counted.items()))
