"""What the ledger holds, as values: runs, revisions that they applied, fingerprints of the schema that they left."""

from __future__ import annotations

import dataclasses
import datetime
import getpass
import os
import socket
from collections.abc import Mapping
from typing import Any

__all__ = [
    "CONTRACT",
    "DONE",
    "EXPAND",
    "FAILED",
    "NOTHING",
    "OUTCOMES",
    "REFUSED",
    "RUNNING",
    "STAMPS",
    "TERMINATED",
    "UNDOES",
    "AppliedRevision",
    "Fingerprint",
    "Run",
    "noted_in",
    "origin",
]

RUNNING = "running"
DONE = "done"
NOTHING = "nothing"
FAILED = "failed"
REFUSED = "refused"
TERMINATED = "terminated"
OUTCOMES = (RUNNING, DONE, NOTHING, FAILED, REFUSED, TERMINATED)
"""How a run ended, or that it has not."""

UNDOES = "revisions_to_undo"
STAMPS = "revisions_to_stamp"
_WHAT = {"downgrade": UNDOES, "stamp": STAMPS}

EXPAND = "expand"
CONTRACT = "contract"


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a migration.

    Attributes:
        service: whose.
        version_table: where its revisions are noted, as `noted_in` writes it.
        target: the heads that it was to reach.
        from_revisions, to_revisions: rows of the version table before and after.
        image: digest or name of the image that ran it; None: not told.
        commit: of the code, None: not told.
        actor: who, or what, started it.
        host: the machine or pod.
        last_attempt: nobody will try again after this one (a Job's last retry).
        id, started, finished, outcome, fatal, error, seconds, lock_wait_seconds, retries, measures: kept by the ledger;
            `fatal`: trying again can't help; times are aware; `measures` are JSON-able numbers by name: `UNDOES`, how many
            revisions a downgrade undoes, `STAMPS`, how many a stamp notes.
    """

    service: str
    version_table: str
    target: tuple[str, ...] = ()
    from_revisions: tuple[str, ...] = ()
    to_revisions: tuple[str, ...] = ()
    image: str | None = None
    commit: str | None = None
    actor: str | None = None
    host: str | None = None
    last_attempt: bool = False
    id: int = 0
    started: datetime.datetime | None = None
    finished: datetime.datetime | None = None
    outcome: str = RUNNING
    fatal: bool = False
    error: str | None = None
    seconds: float | None = None
    lock_wait_seconds: float | None = None
    retries: int = 0
    measures: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    @property
    def what(self) -> str:
        """`migrate`; `downgrade`, of one that undoes revisions; `stamp`, of one that runs none."""
        return next((name for name, measure in _WHAT.items() if self.measures.get(measure)), "migrate")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, with `what` it was; times in ISO 8601."""
        told = {**dataclasses.asdict(self), "what": self.what}
        for name in ("started", "finished"):
            told[name] = told[name].isoformat() if told[name] is not None else None
        return {key: list(value) if isinstance(value, tuple) else value for key, value in told.items()}


@dataclasses.dataclass(frozen=True)
class AppliedRevision:
    """A revision that a run applied.

    Attributes:
        revision: its id.
        kind: `expand` or `contract`, see `reading.kinds`.
        reason: what decided that.
        parents: ids that must be applied before it (`down_revision` and `depends_on`): what makes the boundary known to an
            image that has not got the file.
        seconds: how long it took.
    """

    revision: str
    kind: str
    reason: str
    parents: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """The structure of what a service owns, as one digest.

    Attributes:
        digest: SHA-256, hexadecimal, over `items`.
        server_major: of the server that printed the definitions.
        items: (kind, name, definition), sorted; a column is named `schema.table.column`.
        schemas: only these schemas were looked at; None: all of the database.
        tables: only these tables (`schema.table`) were looked at; None: all in `schemas`.
    """

    digest: str
    server_major: int
    items: tuple[tuple[str, str, str], ...] = dataclasses.field(repr=False)
    schemas: tuple[str, ...] | None = None
    tables: tuple[str, ...] | None = None


def noted_in(schema: str, table: str) -> str:
    """A version table as the ledger names it: `schema.table`; a part with a dot or a quote in it is quoted."""
    return ".".join(
        '"' + part.replace('"', '""') + '"' if "." in part or '"' in part else part for part in (schema, table)
    )


def origin(environ: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """`image`, `commit`, `actor` and `host` of a run, as the environment tells them.

    STILLROOM_IMAGE, STILLROOM_COMMIT and STILLROOM_ACTOR are what manifests and pipelines set; the actor is otherwise the
    user of the process, the host its name (a pod's is the pod's).
    """
    told = os.environ if environ is None else environ
    return {
        "image": told.get("STILLROOM_IMAGE") or None,
        "commit": told.get("STILLROOM_COMMIT") or None,
        "actor": told.get("STILLROOM_ACTOR") or _user(),
        "host": told.get("HOSTNAME") or socket.gethostname(),
    }


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return f"uid {os.getuid()}"
