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

from . import connection, ending, faults, kept, makers, scratch_create, scratch_given, urls

__all__ = ["PREFIX", "Scratch", "can_create", "open_scratch", "sweep"]

PREFIX = "stillroom_scratch_"
"""What the name of every scratch database begins with, and nothing else's may."""

_NAME = re.compile(PREFIX + r"[a-z0-9_]+_(\d{14})_[0-9a-f]{8}")
_LONGEST_NAME = 63
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
            scratch_create.create(conn, self.name, facts, self.warnings)

        connection.run(self.server_url, work, autocommit=True, application_name="stillroom scratch renew")


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
    scratch = _create(service_url, service, label)
    try:
        yield scratch
    finally:
        _drop_or_warn(service_url, scratch)


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
    maker is known to be dead, or that are older than that by the time in their name and the server's clock.

    Raises:
        faults.DatabaseFault: the server cannot be reached or asked.
    """
    return connection.run(
        service_url,
        lambda conn: _sweep(conn, older_than_seconds),
        autocommit=True,
        application_name="stillroom sweep",
    )


def _sweep(conn: Connection, older_than_seconds: float = 3600) -> list[str]:
    rows = conn.execute(sqlalchemy.text(_LEFTOVERS), {"prefix": PREFIX.replace("_", r"\_") + "%"}).all()
    dropped = []
    for name, now, comment in rows:
        stamp = _NAME.fullmatch(name)
        if stamp is None or not (_age(stamp[1], now) >= older_than_seconds or makers.dead(comment)):
            continue
        # Without FORCE: whoever connected in this moment keeps it.
        with contextlib.suppress(sqlalchemy.exc.DBAPIError):
            conn.exec_driver_sql(f'DROP DATABASE "{name}"')
            dropped.append(name)
    return dropped


_LEFTOVERS = """
SELECT d.datname::text, pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISS'),
       coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), '')
FROM pg_catalog.pg_database d
WHERE d.datname LIKE :prefix AND pg_catalog.pg_has_role(d.datdba, 'MEMBER')
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)
ORDER BY d.datname
"""


def _age(stamp: str, now: str) -> float:
    try:
        return (
            datetime.datetime.strptime(now, scratch_create.STAMP)
            - datetime.datetime.strptime(stamp, scratch_create.STAMP)
        ).total_seconds()
    except ValueError:  # fourteen digits that are no time: not our naming
        return -1.0


def _name(service: str, label: str, stamp: str) -> str:
    tail = f"_{label}_{stamp}_{secrets.token_hex(4)}"
    middle = re.sub(r"[^a-z0-9]+", "_", service.lower()).strip("_") or "service"
    return PREFIX + middle[: _LONGEST_NAME - len(PREFIX) - len(tail)] + tail


def _create(service_url: str, service: str, label: str) -> Scratch:
    made: list[str] = []
    warnings: list[str] = []

    def work(conn: Connection) -> None:
        facts = scratch_create.facts(conn)
        for name in _sweep(conn):
            warnings.append(f"The scratch database {name}, which an earlier run had left behind, was dropped")
        made.append(_name(service, label, facts.stamp))
        scratch_create.create(conn, made[0], facts, warnings)

    def made_so_far() -> Scratch:
        url = urls.with_database(service_url, made[0])
        return Scratch(made[0], url, True, "create-database", warnings, service_url)

    try:
        connection.run(service_url, work, autocommit=True, application_name=f"stillroom scratch {service}"[:63])
    except BaseException:
        if made:
            _drop_or_warn(service_url, made_so_far())
        raise
    return made_so_far()


def _drop_or_warn(service_url: str, scratch: Scratch) -> None:
    """Drops it; whatever goes wrong becomes a warning, so that the error that led here is the one people see."""
    try:
        with ending.undisturbed():
            connection.run(
                service_url,
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
    """Ends what is still connected and waits a moment: the server itself only looks again after 100 ms."""
    for pause in (0.002, 0.004, 0.008, 0.016, 0.032):
        _, ended = conn.execute(sqlalchemy.text(_END_SESSIONS), {"name": name}).one()
        if not ended:
            return
        time.sleep(pause)


# The service's database may be read-only by default; this connection is not.
_END_SESSIONS = """
SELECT pg_catalog.set_config('default_transaction_read_only', 'off', false),
       (SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity
        WHERE datname = :name AND pid <> pg_catalog.pg_backend_pid() AND pg_catalog.pg_has_role(usesysid, 'MEMBER'))
"""
