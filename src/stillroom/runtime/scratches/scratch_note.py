"""The note in a given scratch database: who is using it, and what was there before.

A run that is killed can't empty it again. The next one, which alone holds the lock, finds the note, and takes what has
arisen since for what it is. The note is a large object of a fixed number: any role may make one, in any database, and
neither Alembic nor our own look at a schema sees it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable

import sqlalchemy
from sqlalchemy.engine import Connection

from . import scratch_create

__all__ = ["OBJECT", "Note", "erase", "read", "write"]

_NUMBER = 3_105_798_621  # any number that nothing else uses
_TITLE = "stillroom scratch"

OBJECT = ("large object", _NUMBER)
"""Its kind and oid, as `scratch_objects.sql` tells them."""


@dataclasses.dataclass(frozen=True)
class Note:
    """What it says.

    Attributes:
        whose: the run that wrote it, in words.
        before: kind and oid of each object that was there.
    """

    whose: str
    before: frozenset[tuple[str, int]]


def read(conn: Connection) -> Note | None:
    """The note; None if there is none, or one that this role may not read."""
    text = conn.execute(sqlalchemy.text(_READ), {"number": _NUMBER}).scalar()
    if not text or not text.startswith(_TITLE):
        return None
    said = json.loads(text.removeprefix(_TITLE))
    whose = f"an earlier run for {said['service']} ({said['by']}, {said['at']})"
    return Note(whose, frozenset((kind, oid) for kind, oid in said["before"]) | {OBJECT})


def write(conn: Connection, service: str, before: Iterable[tuple[str, int]]) -> None:
    """Writes it, in place of the one that is there.

    Args:
        conn: in a transaction.
        service: for which the database is borrowed.
        before: kind and oid of each object that is there now.
    """
    now = conn.execute(sqlalchemy.text(_NOW)).scalar()
    said = {"service": service, "by": scratch_create.person(), "at": now, "before": sorted(before)}
    erase(conn)
    text = f"{_TITLE} {json.dumps(said)}".encode("ascii")
    conn.execute(sqlalchemy.text(_WRITE), {"number": _NUMBER, "content": text.hex()})


def erase(conn: Connection) -> None:
    """Takes it away, if it is there."""
    conn.execute(sqlalchemy.text(_ERASE), {"number": _NUMBER})


_READ = """
SELECT pg_catalog.convert_from(pg_catalog.lo_get(oid), 'SQL_ASCII') FROM pg_catalog.pg_largeobject_metadata
WHERE oid = CAST(CAST(:number AS bigint) AS oid) AND pg_catalog.pg_has_role(lomowner, 'USAGE')
"""
_NOW = """
SELECT pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
FROM pg_catalog.set_config('transaction_read_only', 'off', true)
"""
_WRITE = """
SELECT pg_catalog.lo_from_bytea(CAST(CAST(:number AS bigint) AS oid), pg_catalog.decode(:content, 'hex'))
"""
_ERASE = """
SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata
WHERE oid = CAST(CAST(:number AS bigint) AS oid) AND pg_catalog.pg_has_role(lomowner, 'USAGE')
"""
