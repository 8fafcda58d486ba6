"""Scratch databases: empty, made for one run, gone afterwards.

Two ways to get one: `CREATE DATABASE` beside the service's own, with its encoding and locale, or a database that
somebody gives (`scratch_url`), which must be empty, is used by one run at a time, and is emptied again of what that run
made. Creating one means making 300 files: where the server has a tablespace called `stillroom_scratch` (in memory, say)
on which the role may create, it goes there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import logging
import re
import secrets
import time
from collections.abc import Iterator

import sqlalchemy
import sqlalchemy.exc
from sqlalchemy.engine import Connection

from .. import faults
from ..connections import connection, kept, urls
from ..housekeeping import ending, makers
from . import scratch_create, scratch_given

__all__ = ["PREFIX", "Scratch", "can_create", "open_scratch", "sweep"]

PREFIX = "stillroom_scratch_"
"""What the name of every scratch database begins with, and nothing else's may."""

_TOKEN_BYTES = 4
_PATIENCE_TENTHS = 150  # of a second, for a session that is told to end while it makes a database
_NAME = re.compile(PREFIX + r"([a-z0-9_]+)_[a-z0-9]+_(\d{14})_[0-9a-f]{8}")
_WHOSE = re.compile(r"made by (\S+) pid \d+.* at (\S+)(?: for (.+))?")
_LONGEST_NAME = 63
_LIVING = 24
_LOG = logging.getLogger("stillroom.scratch")


@dataclasses.dataclass
class Scratch:
    """An open scratch database.

    Attributes:
        name: of the database.
        url: with password; same scheme and options as the URL that it was derived from.
        created: it was made for this run (and is dropped afterwards), not given.
        strategy: `create-database` or `given-url`.
        warnings: what did not go as it should and did not stop the run; the drop may add to it after the block.
    """

    name: str
    url: str
    created: bool
    strategy: str
    warnings: list[str] = dataclasses.field(default_factory=list)
    server_url: str = dataclasses.field(default="", repr=False)
    service: str = ""

    def renew(self) -> None:
        """Makes it empty again, under the same name: the service's code may have kept the URL.

        Raises:
            faults.DatabaseFault: it could not be emptied, or not be made again.
        """
        kept.let_go(self.url)
        if not self.created:
            scratch_given.empty(self.url)
            return

        def work(conn: Connection) -> None:
            facts = scratch_create.facts(conn)
            _drop(conn, self.name)
            scratch_create.create(conn, self.name, self.service, facts, self.warnings)

        connection.run(self.server_url, work, autocommit=True, application_name=_maker(self.name))


@contextlib.contextmanager
def open_scratch(
    service_url: str,
    service: str,
    *,
    scratch_url: str | None = None,
    label: str = "a",
    wait_seconds: float = 120.0,
) -> Iterator[Scratch]:
    """An empty scratch database for the duration of the block.

    Args:
        service_url: the service's own database; it is only asked for its settings and to create the other one.
        service: name of the service, part of the scratch database's name.
        scratch_url: a database to use instead of creating one; it must be empty, and is emptied afterwards.
        label: tells several scratch databases of one run apart.
        wait_seconds: how long to wait for a given database that another run is using.

    Raises:
        faults.DatabaseFault: `no-scratch-database` when the role may not create one; whatever connecting gives.
        faults.RefusedFault: `scratch-not-empty`, `scratch-is-service-database`; `scratch-busy` when the wait is over.
    """
    if scratch_url:
        with scratch_given.borrowed(scratch_url, service_url, service, wait_seconds=wait_seconds) as warnings:
            name = urls.address(scratch_url).database
            # Host and port made explicit: inside the guard the variables that might have given them are gone.
            yield Scratch(name, urls.with_database(scratch_url, name), False, "given-url", warnings)
        return
    scratch = Scratch("", "", True, "create-database", server_url=service_url, service=service)
    debt = ending.owe(lambda: _drop_or_warn(scratch))
    try:
        _create(scratch, label)
        yield scratch
    finally:
        ending.pay(debt)


def can_create(conn: Connection) -> bool:
    """Whether the role of this connection may create databases."""
    return bool(
        conn.execute(
            sqlalchemy.text("SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user")
        ).scalar()
    )


def sweep(service_url: str, older_than_seconds: float = 3600) -> list[str]:
    """Drops what crashed runs left on the server, and returns the names. Making a scratch database does so as well.

    Only databases of our naming, whose owner is a role that we are a member of, to which nobody is connected, and whose
    maker is known to be dead, or that are older than that by the time in their name and the server's clock; 24 times as
    old if the maker is known to live.

    Raises:
        faults.DatabaseFault: the server cannot be reached or asked.
    """
    return connection.run(
        service_url,
        lambda conn: [each.name for each in _sweep(conn, older_than_seconds)],
        autocommit=True,
        application_name="stillroom sweep",
    )


@dataclasses.dataclass(frozen=True)
class _Leftover:
    """A scratch database to which nobody is connected; `being_made`: the session is there that is making it."""

    name: str
    now: str
    comment: str
    being_made: bool

    def is_one(self, conn: Connection, older_than_seconds: float) -> bool:
        """Whether nobody is going to use it any more."""
        named = _NAME.fullmatch(self.name)
        age = _age(named[2], self.now) if named else None
        if age is None:
            return False
        # A living maker may be between two connections, and the server's clock may have jumped since.
        patience = _LIVING if makers.living(self.comment) else 1
        if age >= older_than_seconds * patience or makers.dead(self.comment):
            return True
        # Its maker comments it at once; killed before that, it never will. Asked again: it may just have done so.
        return not self.comment and not self.being_made and not conn.execute(_COMMENT, {"name": self.name}).scalar()

    @property
    def whose(self) -> str:
        """Who has left it, in words."""
        named, told = _NAME.fullmatch(self.name), _WHOSE.search(self.comment)
        service = (told and told[3]) or (named and named[1]) or "?"
        return f"an earlier run for {service}" + (f" ({told[1]}, {told[2]})" if told else "")


def _sweep(conn: Connection, older_than_seconds: float = 3600) -> list[_Leftover]:
    rows = conn.execute(sqlalchemy.text(_LEFTOVERS), {"prefix": PREFIX.replace("_", r"\_") + "%"}).all()
    dropped = []
    for leftover in [_Leftover(*row) for row in rows]:
        if not leftover.is_one(conn, older_than_seconds):
            continue
        # Without FORCE: whoever connected in this moment keeps it.
        with contextlib.suppress(sqlalchemy.exc.DBAPIError):
            conn.exec_driver_sql(f'DROP DATABASE "{leftover.name}"')
            dropped.append(leftover)
    return dropped


_COMMENT = sqlalchemy.text(
    "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database WHERE datname = :name"
)
_LEFTOVERS = """
SELECT d.datname::text, pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISS'),
       coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), ''),
       EXISTS (SELECT 1 FROM pg_catalog.pg_stat_activity a
               WHERE pg_catalog.strpos(a.application_name, pg_catalog.right(d.datname::text, 8)) > 0)
FROM pg_catalog.pg_database d
WHERE d.datname LIKE :prefix AND pg_catalog.pg_has_role(d.datdba, 'MEMBER')
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)
ORDER BY d.datname
"""


def _age(stamp: str, now: str) -> float | None:
    try:
        return (
            datetime.datetime.strptime(now, scratch_create.STAMP)
            - datetime.datetime.strptime(stamp, scratch_create.STAMP)
        ).total_seconds()
    except ValueError:  # fourteen digits that are no time: not our naming
        return None


def _name(service: str, label: str, stamp: str, token: str) -> str:
    tail = f"_{label}_{stamp}_{token}"
    middle = re.sub(r"[^a-z0-9]+", "_", service.lower()).strip("_") or "service"
    return PREFIX + middle[: _LONGEST_NAME - len(PREFIX) - len(tail)] + tail


def _create(scratch: Scratch, label: str) -> None:
    """Makes it, and fills in its name and URL, before it is there."""
    token = secrets.token_hex(_TOKEN_BYTES)

    def work(conn: Connection) -> None:
        facts = scratch_create.facts(conn)
        for leftover in _sweep(conn):
            scratch.warnings.append(
                f"The scratch database {leftover.name}, which {leftover.whose} had left, was dropped"
            )
        name = _name(scratch.service, label, facts.stamp, token)
        scratch.url = urls.with_database(scratch.server_url, name)
        scratch.name = name
        scratch_create.create(conn, name, scratch.service, facts, scratch.warnings)

    connection.run(scratch.server_url, work, autocommit=True, application_name=_maker(token))


def _maker(name: str) -> str:
    """What `pg_stat_activity` calls the session that makes a database of this name."""
    return f"stillroom scratch {name[-2 * _TOKEN_BYTES :]}"


def _drop_or_warn(scratch: Scratch) -> None:
    """Drops it; whatever goes wrong becomes a warning, so that the error that led here is the one people see."""
    if not scratch.name:
        return
    try:
        connection.run(
            scratch.server_url,
            lambda conn: _drop(conn, scratch.name),
            autocommit=True,
            application_name="stillroom scratch drop",
        )
    except faults.Fault as fault:
        warning = (
            f"The scratch database {scratch.name} could not be dropped: {fault.message}. Drop it by hand: "
            f'DROP DATABASE "{scratch.name}"; (or leave it: a later run sweeps it)'
        )
        scratch.warnings.append(warning)
        _LOG.warning(warning)


def _drop(conn: Connection, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise faults.RefusedFault("not-a-scratch-database", f"{name} was not made by us", "Drop it by hand if you must")
    _end_sessions(conn, name)
    force = " WITH (FORCE)" if int((conn.dialect.server_version_info or (0,))[0]) >= 13 else ""
    scratch_create.patiently(lambda: scratch_create.execute(conn, f'DROP DATABASE IF EXISTS "{name}"{force}'))


def _end_sessions(conn: Connection, name: str) -> None:
    """Ends what is still connected and waits a moment: the server itself only looks again after 100 ms.

    A session that was interrupted while it made the database may be about to commit that: it is waited for.
    """
    for pause in (0.002, 0.004, 0.008, 0.016, 0.032, *[0.1] * _PATIENCE_TENTHS):
        _, ended, making = conn.execute(sqlalchemy.text(_END_SESSIONS), {"name": name, "maker": _maker(name)}).one()
        if not ended or (pause > 0.032 and not making):
            return
        time.sleep(pause)


# The service's database may be read-only by default; this connection is not.
_END_SESSIONS = """
SELECT pg_catalog.set_config('default_transaction_read_only', 'off', false),
       pg_catalog.count(pg_catalog.pg_terminate_backend(pid)),
       pg_catalog.count(pid) FILTER (WHERE application_name = :maker)
FROM pg_catalog.pg_stat_activity
WHERE (datname = :name OR application_name = :maker) AND pid <> pg_catalog.pg_backend_pid()
  AND pg_catalog.pg_has_role(usesysid, 'MEMBER')
"""
