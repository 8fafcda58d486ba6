"""What a driver or a server says, as a fault with a stable code and a way out.

database-unreachable   nobody answers there, or the server is starting or stopping
database-missing       the server has no such database
authentication-failed  wrong password, unknown role, or no line in pg_hba.conf
permission-denied      the role may not do this; the mend is the GRANT
too-many-connections   of the server, the role or the database
server-disk-full       the server has no room left on a disk
server-out-of-memory   the server has no room left in memory, or in its table of locks
lock-timeout           another session holds the lock
statement-failed       anything else that the server refuses
driver-missing         the driver of the URL is not installed
greenlet-missing       SQLAlchemy 2.1 no longer brings it
"""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any

import sqlalchemy
import sqlalchemy.exc
from sqlalchemy.engine import URL

from .. import faults
from . import urls

__all__ = [
    "OF_THE_SERVER",
    "database_fault",
    "dialect_missing",
    "driver_missing",
    "greenlet_missing",
    "sqlstate",
    "text",
]

OF_THE_SERVER = frozenset({"database-unreachable", "server-disk-full", "server-out-of-memory", "too-many-connections"})
"""Codes of what the server lacks: no revision, and no model, is to blame for that."""

_PACKAGES = {"asyncpg": "asyncpg", "psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}

_CODES = {
    "28P01": "authentication-failed",
    "28000": "authentication-failed",
    "3D000": "database-missing",
    "42501": "permission-denied",
    "53100": "server-disk-full",
    "53200": "server-out-of-memory",
    "53300": "too-many-connections",
    "55P03": "lock-timeout",
    "57P01": "database-unreachable",
    "57P02": "database-unreachable",
    "57P03": "database-unreachable",
}

# libpq gives no SQLSTATE for a connection that fails, only the server's text.
_TEXTS = (
    ("3D000", re.compile(r"database \".*\" does not exist")),
    ("28P01", re.compile(r"password authentication failed|no password supplied|authentication failed")),
    (
        "28000",
        re.compile(r"role \".*\" does not exist|no pg_hba\.conf entry|is not permitted to log in|pg_hba\.conf rejects"),
    ),
    ("53300", re.compile(r"too many (clients|connections)|remaining connection slots")),
    ("53100", re.compile(r"No space left on device|could not (write|extend).*disk full", re.IGNORECASE)),
    ("57P03", re.compile(r"the database system is (starting up|shutting down|in recovery|not (yet )?accepting)")),
    ("42501", re.compile(r"permission denied")),
    (
        "57P01",
        re.compile(r"terminating connection due to|closed the connection unexpectedly|connection already closed"),
    ),
    ("55000", re.compile(r"is not currently accepting connections")),
)


def database_fault(error: BaseException, url: str | URL, *, connecting: bool = False) -> faults.DatabaseFault | None:
    """The fault that an exception of SQLAlchemy or a driver stands for; None when it is not about the database.

    Args:
        error: what was raised, by SQLAlchemy or the driver itself; its causes are looked at, too.
        url: whose connection it was, for host, port, database and role; its password is taken out of every text.
        connecting: it was raised while the connection was being made, so that network errors are about the database.
    """
    if isinstance(error, faults.Fault):
        return None
    original = _original(error)
    if original is None and not connecting:
        return None
    if original is None:
        original = error
    if connecting and not _is_network(original) and not _is_driver_error(original) and sqlstate(original) is None:
        return None
    return _Finding(original, error, urls.parse(url), connecting).fault()


def sqlstate(error: BaseException) -> str | None:
    """The five characters of PostgreSQL's error code; None where the driver gives none."""
    for each in _chain(error):
        state = getattr(each, "sqlstate", None) or getattr(each, "pgcode", None)
        if isinstance(state, str):
            return state
    return None


def driver_missing(driver: str, error: BaseException) -> faults.DatabaseFault:
    """The fault for a driver that does not import."""
    return faults.DatabaseFault(
        "driver-missing",
        f"The database driver {driver} does not import: {error}",
        f"pip install '{_PACKAGES.get(driver, driver)}'",
    )


def dialect_missing(driver: str, error: BaseException) -> faults.DatabaseFault:
    """The fault for a driver that the installed SQLAlchemy is too old for."""
    return faults.DatabaseFault(
        "driver-missing",
        f"SQLAlchemy {sqlalchemy.__version__} knows no driver {driver}: {error}",
        "pip install 'sqlalchemy>=2', or name another driver in the URL (postgresql+asyncpg, postgresql+psycopg2)",
    )


def greenlet_missing(error: BaseException) -> faults.DatabaseFault:
    """The fault for SQLAlchemy's asyncio part without greenlet."""
    return faults.DatabaseFault(
        "greenlet-missing",
        f"asyncpg needs greenlet, which SQLAlchemy 2.1 no longer brings by itself: {error}",
        "pip install 'sqlalchemy[asyncio]'",
    )


class _Finding:
    """One error, seen with its URL; picks code, message and mend."""

    def __init__(self, original: BaseException, shown: BaseException, url: URL, connecting: bool) -> None:
        self.url = url
        self.address = urls.address(url)
        self.role = url.username or "(default role)"
        self.text = urls.scrubbed(text(original), url)
        self.state = sqlstate(shown) or _state_by_text(self.text)
        self.connecting = connecting
        self.statement = getattr(shown, "statement", None)

    def fault(self) -> faults.DatabaseFault:
        code = self._code()
        message, mend = getattr(self, "_" + code.replace("-", "_"))()
        detail = urls.scrubbed(str(self.statement).strip()[:2000], self.url) if self.statement else ""
        data = {
            "sqlstate": self.state,
            "host": self.address.host,
            "port": self.address.port,
            "database": self.address.database,
            "role": self.url.username,
        }
        return faults.DatabaseFault(code, message, mend, detail=detail, data=data)

    def _code(self) -> str:
        state = self.state or ""
        if state in _CODES:
            return _CODES[state]
        if state.startswith("08") or (self.connecting and not state):
            return "database-unreachable"
        return "statement-failed"

    def _database_unreachable(self) -> tuple[str, str]:
        return (
            f"No PostgreSQL answers for {self.address}: {self.text}",
            f"Check that the server runs and can be reached from here: pg_isready -h {self.address.told} "
            f"-p {self.address.port}",
        )

    def _database_missing(self) -> tuple[str, str]:
        return (
            f"The server {self.address.told}:{self.address.port} has no database {self.address.database!r}",
            f"Create it: createdb -h {self.address.told} -p {self.address.port} {self.address.database}"
            f" (or correct the name in the URL)",
        )

    def _authentication_failed(self) -> tuple[str, str]:
        return (
            f"Role {self.role!r} may not log in to {self.address}: {self.text}",
            "Check user and password of the URL ('@', '/' and '%' in a password must be percent-encoded), "
            "and the server's pg_hba.conf",
        )

    def _permission_denied(self) -> tuple[str, str]:
        return (f"Role {self.role!r} lacks a right in {self.address}: {self.text}", _grant(self.text, self))

    def _too_many_connections(self) -> tuple[str, str]:
        return (
            f"{self.address} takes no more connections (role {self.role!r}): {self.text}",
            "Run fewer services at once (--jobs 1), close idle sessions, or raise max_connections "
            f"(or the limit: ALTER ROLE {_quoted(self.role)} CONNECTION LIMIT -1)",
        )

    def _server_disk_full(self) -> tuple[str, str]:
        return (
            f"The disk of {self.address} is full: {self.text}",
            "Make room on the server's disk (that of the tablespace which the message names, or of pg_wal), then again; the "
            "statement was rolled back",
        )

    def _server_out_of_memory(self) -> tuple[str, str]:
        locks = "lock" in self.text.lower() or "shared memory" in self.text.lower()
        return (
            f"The server of {self.address} is out of memory: {self.text}",
            "Raise max_locks_per_transaction on the server (and restart it), or run fewer services at once (--jobs 1)"
            if locks
            else "Run fewer services at once (--jobs 1), or give the server more memory; the statement was rolled back",
        )

    def _lock_timeout(self) -> tuple[str, str]:
        return (
            f"A lock in {self.address} was not to be had in time: {self.text}",
            "Wait for the session that holds it, or end it; who blocks: "
            "SELECT pid, pg_blocking_pids(pid), query FROM pg_stat_activity WHERE pg_blocking_pids(pid) <> '{}'",
        )

    def _statement_failed(self) -> tuple[str, str]:
        state = f" (SQLSTATE {self.state})" if self.state else ""
        return (f"{self.address} refused a statement: {self.text}{state}", "See the statement below the message")


_SCRATCH = "stillroom_scratch_"
_NAME = r"(?P<name>.+?)(?:;|$)"
_GRANTS = (
    (re.compile(f"permission denied for schema {_NAME}"), "GRANT USAGE, CREATE ON SCHEMA {name} TO {role}"),
    (re.compile(f"permission denied for database {_NAME}"), "GRANT CONNECT, CREATE ON DATABASE {name} TO {role}"),
    (re.compile(f"permission denied for (?:table|view|relation) {_NAME}"), "GRANT ALL ON {name} TO {role}"),
    (re.compile(f"permission denied for sequence {_NAME}"), "GRANT ALL ON SEQUENCE {name} TO {role}"),
    (re.compile("permission denied to create database(?P<name>)"), "ALTER ROLE {role} CREATEDB"),
    (re.compile(f"permission denied to create extension {_NAME}"), "CREATE EXTENSION {name} -- as a superuser, once"),
    (re.compile(f"must be owner of (?P<kind>[a-z ]+) {_NAME}"), "ALTER {kind} {name} OWNER TO {role}"),
)


def _grant(said: str, finding: _Finding) -> str:
    for pattern, mend in _GRANTS:
        match = pattern.search(said)
        if match and "EXTENSION" in mend and finding.address.database.startswith(_SCRATCH):
            return (
                f"a scratch database that role {_quoted(finding.role)} makes can't have it: make an empty database with "
                f"CREATE EXTENSION {match['name'].strip(chr(34))}; in it, as a superuser, and name it by "
                "scratch_url_variable: in services.yaml"
            )
        if match:
            facts = {"kind": "", **match.groupdict(), "role": _quoted(finding.role)}
            line = mend.format(**{**facts, "name": _quoted(match["name"].strip("\"'")), "kind": facts["kind"].upper()})
            if "SCHEMA" in line:
                return f"{line}; (or: ALTER DATABASE {_quoted(finding.address.database)} OWNER TO {facts['role']};)"
            return f"{line};"
    return f"Grant role {_quoted(finding.role)} what the message names"


def _quoted(name: str) -> str:
    if re.fullmatch(r"[a-z_][a-z0-9_$]*", name):
        return name
    return '"' + name.replace('"', '""') + '"'


def _original(error: BaseException) -> BaseException | None:
    """The driver's own exception, if there is one in the chain of causes."""
    for each in _chain(error):
        if isinstance(each, sqlalchemy.exc.DBAPIError):
            return each.orig or each
        if _is_driver_error(each):
            return each
    return None


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: Any = error
    while isinstance(current, BaseException) and current not in found:
        found.append(current)
        current = getattr(current, "orig", None) or current.__cause__
    return found


def _is_driver_error(error: BaseException) -> bool:
    """An exception class that one of the drivers, or SQLAlchemy's adapter of it, defines."""
    return any(
        cls.__module__.split(".")[0] in urls.DRIVERS or "_dbapi" in cls.__qualname__ for cls in type(error).__mro__
    )


def _is_network(error: BaseException) -> bool:
    return isinstance(error, (OSError, EOFError, asyncio.TimeoutError, TimeoutError, socket.gaierror))


def _state_by_text(said: str) -> str | None:
    for state, pattern in _TEXTS:
        if pattern.search(said):
            return state
    return None


def text(error: BaseException) -> str:
    """What a driver said, its first lines on one line, without SQLAlchemy's prefix and statement; not yet scrubbed."""
    original = _original(error) or error
    said = re.sub(r"^<class '[^']*'>: ", "", str(original).strip())
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    kept = [line for line in lines if not re.match(r"(LINE \d+:|\^|CONTEXT:|\[SQL|\(Background)", line)][:3]
    return "; ".join(kept) or type(original).__name__
