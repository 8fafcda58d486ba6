"""Reading the ledger: runs and what they applied, the newest first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import tables
from .entries import AppliedRevision, Run

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["FOREIGN", "MISSING", "READABLE", "UNREADABLE", "revisions_of", "runs", "state"]

READABLE = "readable"
UNREADABLE = "unreadable"
MISSING = "missing"
FOREIGN = "foreign"

_STATE = f"""
SELECT CASE WHEN n.oid IS NULL THEN '{MISSING}'
            WHEN coalesce(left(obj_description(n.oid, 'pg_namespace'), {len(tables.MARK)}) <> '{tables.MARK}', true)
            THEN '{FOREIGN}'
            WHEN (SELECT count(*) FROM pg_class c
                  WHERE c.relkind = 'r' AND c.relname IN ('run', 'revision') AND c.relnamespace = n.oid
                    AND has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')) = 2
            THEN '{READABLE}' ELSE '{UNREADABLE}' END
FROM (VALUES (to_regnamespace('{tables.SCHEMA}')::oid)) AS n (oid)
"""
_RUNS = """
SELECT id, service, version_table, started, finished, outcome, fatal, last_attempt, error, from_revisions, to_revisions,
       target, image, commit, actor, host, seconds, lock_wait_seconds, retries, CAST(measures AS text) AS measures
FROM stillroom.run
WHERE CAST(:version_table AS text) IS NULL OR version_table = CAST(:version_table AS text)
ORDER BY id DESC LIMIT CAST(:most AS integer)
"""
_REVISIONS = """
SELECT run, revision, kind, reason, parents, coalesce(seconds, 0)
FROM stillroom.revision WHERE run = ANY (CAST(:runs AS bigint[])) ORDER BY id
"""
_TUPLES = ("from_revisions", "to_revisions", "target")


def state(conn: Connection) -> str:
    """Whether there is a ledger: `readable`; `unreadable` by this role; `missing`: no migration has made one yet.

    `foreign`: a schema of its name is there that is none.
    """
    return str(conn.exec_driver_sql(_STATE).scalar_one())


def runs(conn: Connection, version_table: str | None = None, *, most: int = 20) -> list[Run]:
    """The newest runs, the newest first.

    Args:
        conn: the ledger is readable (`state`).
        version_table: as `entries.noted_in` writes it; None: of every service that shares the database.
        most: how many.
    """
    import sqlalchemy

    found = conn.execute(sqlalchemy.text(_RUNS), {"version_table": version_table, "most": most})
    return [_run(dict(row._mapping)) for row in found]


def revisions_of(conn: Connection, run_ids: list[int]) -> dict[int, list[AppliedRevision]]:
    """What these runs applied, in order, by the id of the run."""
    import sqlalchemy

    found: dict[int, list[AppliedRevision]] = {each: [] for each in run_ids}
    for run, revision, kind, reason, parents, seconds in conn.execute(sqlalchemy.text(_REVISIONS), {"runs": run_ids}):
        found[run].append(AppliedRevision(revision, kind, reason, tuple(parents), float(seconds)))
    return found


def _run(row: dict[str, Any]) -> Run:
    measures = json.loads(row.pop("measures"))
    taken: dict[str, Any] = {key: tuple(value) if key in _TUPLES else value for key, value in row.items()}
    return Run(**taken, measures=measures)
