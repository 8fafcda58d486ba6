"""The tables of the ledger: made by the first migration run that may, readable by whom the service's role is.

The schema carries a comment by which it is known: what is called `stillroom` without it is somebody else's and is left
alone. Catalog snapshots, counts and fingerprints pass the marked schema over.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ..connections import sqltext

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["MARK", "SCHEMA", "Readiness", "ensure", "grant"]

SCHEMA = "stillroom"
MARK = "stillroom ledger"
"""How the comment of the schema begins."""

_TABLES = ("run", "revision", "fingerprint")

_MAKE = f"""
DO $ledger$ BEGIN
    IF to_regnamespace('{SCHEMA}') IS NULL THEN
        CREATE SCHEMA {SCHEMA};
        COMMENT ON SCHEMA {SCHEMA} IS '{MARK} 1: what migrated this database, and what it left; written by migrate alone';
    END IF;
    CREATE TABLE IF NOT EXISTS {SCHEMA}.run (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        service text NOT NULL,
        version_table text NOT NULL,
        started timestamptz NOT NULL DEFAULT clock_timestamp(),
        finished timestamptz,
        outcome text NOT NULL DEFAULT 'running'
            CHECK (outcome IN ('running', 'done', 'nothing', 'failed', 'refused', 'terminated')),
        fatal boolean NOT NULL DEFAULT false,
        last_attempt boolean NOT NULL DEFAULT false,
        error text,
        from_revisions text[] NOT NULL DEFAULT '{{}}',
        to_revisions text[] NOT NULL DEFAULT '{{}}',
        target text[] NOT NULL DEFAULT '{{}}',
        image text,
        commit text,
        actor text,
        host text,
        seconds double precision,
        lock_wait_seconds double precision,
        retries integer NOT NULL DEFAULT 0,
        measures jsonb NOT NULL DEFAULT '{{}}'
    );
    CREATE INDEX IF NOT EXISTS run_version_table ON {SCHEMA}.run (version_table, id);
    CREATE TABLE IF NOT EXISTS {SCHEMA}.revision (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        version_table text NOT NULL,
        revision text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('expand', 'contract')),
        reason text NOT NULL,
        parents text[] NOT NULL DEFAULT '{{}}',
        run bigint NOT NULL REFERENCES {SCHEMA}.run (id),
        applied timestamptz NOT NULL DEFAULT clock_timestamp(),
        seconds double precision
    );
    CREATE INDEX IF NOT EXISTS revision_version_table ON {SCHEMA}.revision (version_table, id);
    CREATE TABLE IF NOT EXISTS {SCHEMA}.fingerprint (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        version_table text NOT NULL,
        revisions text[] NOT NULL,
        server_major integer NOT NULL,
        digest text NOT NULL,
        items jsonb NOT NULL,
        schemas text[],
        tables text[],
        run bigint REFERENCES {SCHEMA}.run (id),
        made timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE INDEX IF NOT EXISTS fingerprint_version_table ON {SCHEMA}.fingerprint (version_table, id);
END $ledger$
"""

_LOOK = f"""
SELECT n.oid IS NOT NULL,
       coalesce(left(obj_description(n.oid, 'pg_namespace'), {len(MARK)}) = '{MARK}', false),
       has_database_privilege(current_database(), 'CREATE'),
       (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind = 'r'
        AND c.relname IN ('run', 'revision', 'fingerprint')),
       coalesce((SELECT bool_and(has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                                 AND has_table_privilege(c.oid, 'UPDATE')) FROM pg_class c
                 WHERE c.relnamespace = n.oid AND c.relkind = 'r' AND c.relname IN ('run', 'revision', 'fingerprint')
                   AND has_schema_privilege(n.oid, 'USAGE')), false),
       coalesce(has_schema_privilege(n.oid, 'CREATE'), false),
       current_user, current_database()
FROM (VALUES (to_regnamespace('{SCHEMA}')::oid)) AS n (oid)
"""

# Two services that share a database may come here at once, each under a lock of its own.
_MADE_MEANWHILE = frozenset({"23505", "42P06", "42P07", "42710", "XX000"})
_ATTEMPTS = 5


@dataclasses.dataclass(frozen=True)
class Readiness:
    """Whether the ledger can be written; true if so. `warning` says why not, with the line that mends it."""

    ok: bool
    warning: str = ""

    def __bool__(self) -> bool:
        return self.ok


def ensure(conn: Connection) -> Readiness:
    """Makes the ledger where it is not there; nothing is changed where it is.

    Args:
        conn: a connection in autocommit.

    Returns:
        Whether this role can write it. Where it can't, migrations go on without a ledger, and the warning is to be told.
    """
    from sqlalchemy.exc import DBAPIError

    for attempt in range(_ATTEMPTS):
        look = conn.exec_driver_sql(_LOOK).one()
        found = _judged(*look)
        if found is not None:
            return found
        try:
            conn.exec_driver_sql(_MAKE)
        except DBAPIError as error:
            if _state(error) not in _MADE_MEANWHILE or attempt == _ATTEMPTS - 1:
                return Readiness(False, f"the ledger (schema {SCHEMA}) can't be made: {_first_line(error)}")
    return _judged(*conn.exec_driver_sql(_LOOK).one()) or Readiness(
        False, f"the ledger (schema {SCHEMA}) stays incomplete"
    )


def grant(conn: Connection, role: str) -> None:
    """Lets a role read the ledger; nothing happens where there is none.

    Raises:
        sqlalchemy.exc.DBAPIError: this role may not grant it.
    """
    look = conn.exec_driver_sql(_LOOK).one()
    if not (look[0] and look[1]):
        return
    name = sqltext.identifier(role)
    conn.exec_driver_sql(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {name}")
    for table in _TABLES:
        conn.exec_driver_sql(f"GRANT SELECT ON {SCHEMA}.{table} TO {name}")


def _judged(
    there: bool, ours: bool, may_make: bool, tables: int, may_write: bool, may_create: bool, role: str, database: str
) -> Readiness | None:
    """Whether it can be written; None: it is to be made."""
    who, where = sqltext.as_written(role), sqltext.as_written(database)
    if there and not ours:
        return Readiness(
            False,
            f"the schema {SCHEMA} of database {database!r} is not the ledger of migrations (its comment does not say so), "
            f"so none is kept; rename it (ALTER SCHEMA {SCHEMA} RENAME TO ...), and the next run makes the ledger",
        )
    if tables == len(_TABLES):
        if may_write:
            return Readiness(True)
        return Readiness(
            False,
            f"role {role!r} may not write the ledger: GRANT USAGE ON SCHEMA {SCHEMA} TO {who}; "
            f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {SCHEMA} TO {who};",
        )
    if there and not may_create:
        return Readiness(
            False, f"role {role!r} may not complete the ledger: GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO {who};"
        )
    if not there and not may_make:
        return Readiness(
            False, f"role {role!r} may not make the ledger's schema: GRANT CREATE ON DATABASE {where} TO {who};"
        )
    return None


def _state(error: object) -> str | None:
    original = getattr(error, "orig", None)
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)


def _first_line(error: object) -> str:
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
