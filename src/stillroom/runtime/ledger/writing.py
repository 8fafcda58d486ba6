"""Writing the ledger: what a migration run appends and updates. Each call is one statement on a connection in autocommit.

Whoever writes holds the migration lock of that version table: so a run that is still noted as running when another one
begins has ended without a word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import faults, secrecy
from .entries import OUTCOMES, AppliedRevision, Fingerprint, Run

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["applied", "begin", "finish", "record_fingerprint"]

_BEGIN = """
WITH gone AS (
    UPDATE stillroom.run r SET outcome = 'failed', finished = clock_timestamp(),
           error = 'the process ended without a word (killed, or the machine went away)',
           to_revisions = CASE
               WHEN EXISTS (SELECT FROM stillroom.revision v WHERE v.run = r.id)
               THEN ARRAY(SELECT x.revision
                          FROM (SELECT unnest(r.from_revisions) AS revision
                                UNION SELECT v.revision FROM stillroom.revision v WHERE v.run = r.id) x
                          WHERE NOT EXISTS (SELECT FROM stillroom.revision v
                                            WHERE v.run = r.id AND x.revision = ANY (v.parents))
                          ORDER BY 1)
               ELSE CAST(:from_revisions AS text[]) END
    WHERE version_table = CAST(:version_table AS text) AND outcome = 'running'
)
INSERT INTO stillroom.run (service, version_table, target, from_revisions, image, commit, actor, host, last_attempt,
                           measures)
VALUES (CAST(:service AS text), CAST(:version_table AS text), CAST(:target AS text[]), CAST(:from_revisions AS text[]),
        CAST(:image AS text), CAST(:commit AS text), CAST(:actor AS text), CAST(:host AS text),
        CAST(:last_attempt AS boolean), CAST(:measures AS jsonb))
RETURNING id
"""
_APPLIED = """
INSERT INTO stillroom.revision (version_table, revision, kind, reason, parents, run, seconds)
SELECT version_table, CAST(:revision AS text), CAST(:kind AS text), CAST(:reason AS text), CAST(:parents AS text[]), id,
       CAST(:seconds AS double precision)
FROM stillroom.run WHERE id = CAST(:run AS bigint)
RETURNING id
"""
_FINISH = """
UPDATE stillroom.run SET finished = clock_timestamp(), outcome = CAST(:outcome AS text), fatal = CAST(:fatal AS boolean),
       last_attempt = last_attempt OR CAST(:last_attempt AS boolean), error = CAST(:error AS text),
       to_revisions = CAST(:to_revisions AS text[]),
       seconds = coalesce(CAST(:seconds AS double precision), extract(epoch FROM clock_timestamp() - started)),
       lock_wait_seconds = CAST(:lock_wait_seconds AS double precision), retries = CAST(:retries AS integer),
       measures = CAST(:measures AS jsonb)
WHERE id = CAST(:run AS bigint)
RETURNING id
"""
_FINGERPRINT = """
INSERT INTO stillroom.fingerprint (version_table, revisions, server_major, digest, items, schemas, tables, run)
VALUES (CAST(:version_table AS text), CAST(:revisions AS text[]), CAST(:server_major AS integer), CAST(:digest AS text),
        CAST(:items AS jsonb), CAST(:schemas AS text[]), CAST(:tables AS text[]), CAST(:run AS bigint))
"""


def begin(conn: Connection, run: Run) -> int:
    """Notes that a run begins, and gives its id; one that never said that it ended is noted as failed.

    Where that one got to, its revisions tell; where it noted none, the version table as this run finds it.

    Args:
        conn: in autocommit; the ledger is there (`tables.ensure`).
        run: service, version table, target, revisions before, origin (`entries.origin`), `last_attempt` and `measures` are
            taken.
    """
    values = {
        "service": run.service,
        "version_table": run.version_table,
        "target": sorted(run.target),
        "from_revisions": sorted(run.from_revisions),
        "image": run.image,
        "commit": run.commit,
        "actor": run.actor,
        "host": run.host,
        "last_attempt": run.last_attempt,
        "measures": json.dumps(dict(run.measures), sort_keys=True),
    }
    return int(_one(conn, _BEGIN, values))


def applied(conn: Connection, run_id: int, revision: AppliedRevision) -> None:
    """Notes a revision that a run has applied.

    Raises:
        faults.DatabaseFault: `ledger-lost`, there is no such run.
    """
    values = {
        "run": run_id,
        "revision": revision.revision,
        "kind": revision.kind,
        "reason": revision.reason,
        "parents": list(revision.parents),
        "seconds": revision.seconds,
    }
    _one(conn, _APPLIED, values)


def finish(
    conn: Connection,
    run_id: int,
    outcome: str,
    *,
    fatal: bool = False,
    last_attempt: bool = False,
    error: str | None = None,
    to_revisions: Sequence[str] = (),
    seconds: float | None = None,
    lock_wait_seconds: float | None = None,
    retries: int = 0,
    measures: Mapping[str, Any] | None = None,
) -> None:
    """Notes how a run ended.

    Args:
        conn: in autocommit.
        run_id: what `begin` gave.
        outcome: one of `entries.OUTCOMES`.
        fatal: trying again can't help: whoever waits for this run gives up.
        last_attempt: nobody will try again.
        error: what happened and what to do; passwords are taken out.
        to_revisions: rows of the version table afterwards.
        seconds: how long it took; None: since `begin`.
        lock_wait_seconds: how long it waited for the migration lock.
        retries: how often a revision was tried again after a lock timeout.
        measures: more numbers by name.

    Raises:
        ValueError: no such outcome.
        faults.DatabaseFault: `ledger-lost`, there is no such run.
    """
    if outcome not in OUTCOMES:
        raise ValueError(outcome)
    values = {
        "run": run_id,
        "outcome": outcome,
        "fatal": fatal,
        "last_attempt": last_attempt,
        "error": secrecy.scrubbed(error) if error else None,
        "to_revisions": sorted(to_revisions),
        "seconds": seconds,
        "lock_wait_seconds": lock_wait_seconds,
        "retries": retries,
        "measures": json.dumps(dict(measures or {}), sort_keys=True),
    }
    _one(conn, _FINISH, values)


def record_fingerprint(
    conn: Connection, version_table: str, revisions: Sequence[str], found: Fingerprint, run_id: int | None = None
) -> None:
    """Notes the structure that a run left.

    Args:
        conn: in autocommit.
        version_table: as `entries.noted_in` writes it.
        revisions: the rows of the version table for which it holds.
        found: what `fingerprint.take` gave.
        run_id: what `begin` gave; None: it was proven otherwise (a stamp).
    """
    values = {
        "version_table": version_table,
        "revisions": sorted(revisions),
        "server_major": found.server_major,
        "digest": found.digest,
        "items": json.dumps([list(each) for each in found.items]),
        "schemas": None if found.schemas is None else list(found.schemas),
        "tables": None if found.tables is None else list(found.tables),
        "run": run_id,
    }
    _execute(conn, _FINGERPRINT, values)


def _execute(conn: Connection, statement: str, values: Mapping[str, Any]) -> Any:
    import sqlalchemy

    return conn.execute(sqlalchemy.text(statement), values)


def _one(conn: Connection, statement: str, values: Mapping[str, Any]) -> Any:
    found = _execute(conn, statement, values).scalar()
    if found is None:
        raise faults.DatabaseFault(
            "ledger-lost",
            f"the ledger has no run {values.get('run')} any more: somebody emptied the schema stillroom while it ran",
            "nothing is lost but the note of this run; leave the schema stillroom to migrate",
        )
    return found
