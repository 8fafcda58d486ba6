"""The fingerprint of a schema: its tables, columns, types, defaults, constraints, indexes and enums, as one digest.

Equal structure gives an equal digest, whatever the order in which things were made or restored. Servers of different
major versions print some definitions differently, so a fingerprint holds for the major version that took it.
"""

from __future__ import annotations

import functools
import json
import pkgutil
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..connections import sqltext
from .entries import Fingerprint

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["clauses", "differences", "take"]

_PLACES = re.compile(r"\b(?:SCHEMAS|TABLES|NOT_TABLE)\b")
_TAKE = """
WITH {clauses}
SELECT t.major, t.digest,
       coalesce((SELECT jsonb_agg(jsonb_build_array(i.kind, i.name, i.definition)) FROM item i), '[]')::text
FROM taken t
"""


def take(
    conn: Connection,
    version_table: str,
    *,
    schemas: Sequence[str] | None = None,
    tables: Sequence[str] | None = None,
) -> Fingerprint:
    """The fingerprint of the connected database as it is now.

    Args:
        conn: a sync connection, best in autocommit: the statement changes settings for its transaction.
        version_table: quoted (`project.VersionTable.quoted`); it is left out, as the ledger is.
        schemas: only these; None: all.
        tables: only these (`schema.table`, or `table` in the connection's default schema); None: all in `schemas`.
    """
    if tables is not None and any("." not in each for each in tables):
        default = str(conn.exec_driver_sql("SELECT coalesce(current_schema(), 'public')").scalar())
        tables = [each if "." in each else f"{default}.{each}" for each in tables]
    oid = f"to_regclass({sqltext.literal(version_table)})"
    statement = _TAKE.format(clauses=clauses(_array(schemas), _array(tables), oid))
    # no_parameters: otherwise psycopg looks at percent signs, which a name may hold.
    row = conn.exec_driver_sql(statement, execution_options={"no_parameters": True}).one()
    items = sorted((str(kind), str(name), str(definition)) for kind, name, definition in json.loads(row[2]))
    return Fingerprint(
        str(row[1]),
        int(row[0]),
        tuple(items),
        None if schemas is None else tuple(schemas),
        None if tables is None else tuple(tables),
    )


def clauses(schemas: str, tables: str, not_table: str) -> str:
    """The `WITH` clauses that give `item` (kind, name, definition) and `taken` (digest, major).

    Args:
        schemas, tables: SQL expressions of type text[]; NULL there means all.
        not_table: an SQL expression of type oid or regclass: what is left out.
    """
    said = {"SCHEMAS": schemas, "TABLES": tables, "NOT_TABLE": not_table}
    return _PLACES.sub(lambda match: said[match[0]], _text())


def differences(recorded: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> list[str]:
    """What has to be said of two lists of items: one line an item that is missing, more, or otherwise; sorted by name."""
    before = {(kind, name): definition for kind, name, definition in recorded}
    after = {(kind, name): definition for kind, name, definition in found}
    gone_tables = {name for kind, name in before.keys() - after.keys() if kind == "table"}
    new_tables = {name for kind, name in after.keys() - before.keys() if kind == "table"}
    lines = []
    for kind, name in sorted(before.keys() | after.keys(), key=lambda each: (each[1], each[0])):
        was, now = before.get((kind, name)), after.get((kind, name))
        if was == now or (kind != "table" and _within(name, gone_tables if now is None else new_tables)):
            continue  # what a missing table had is missing with it
        if now is None:
            lines.append(f"{kind} {name} is missing ({_short(was)})")
        elif was is None:
            lines.append(f"{kind} {name} is not of the migrations ({_short(now)})")
        else:
            lines.append(f"{kind} {name} is {_short(now)} instead of {_short(was)}")
    return lines


def _within(name: str, tables: set[str]) -> bool:
    return any(name.startswith(f"{table}.") for table in tables)


def _short(definition: str | None, limit: int = 100) -> str:
    flat = " ".join((definition or "").split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def _array(names: Sequence[str] | None) -> str:
    if names is None:
        return "NULL::text[]"
    return f"ARRAY[{', '.join(map(sqltext.literal, names))}]::text[]"


@functools.lru_cache(maxsize=1)
def _text() -> str:
    """`fingerprint.sql` without its comments."""
    text = (pkgutil.get_data(__package__ or "", "fingerprint.sql") or b"").decode()
    return "\n".join(line for line in text.splitlines() if line and not line.startswith("--"))
