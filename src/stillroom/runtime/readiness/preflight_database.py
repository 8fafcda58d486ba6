"""Preflight: one connection to the service's database, everything that is to be known of it, and a pooler in between."""

from __future__ import annotations

import dataclasses
import json
import pkgutil
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from .. import faults
from ..connections import connection, sqltext, urls
from ..projects import project
from ..schema import marker
from .preflight_findings import Findings

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["State", "default_schema", "judge_failure", "judge_server", "observe", "short_version", "version_table_row"]

_OLDEST_SERVER = 13
_NO_SUCH_STATEMENT = ("42P05", "26000")  # there already; not there
_POOLER_SECONDS = 3.0


@dataclasses.dataclass(frozen=True)
class State:
    """What was seen of the database.

    Attributes:
        address: where it is, as the URL has it.
        facts: the value of preflight_state.sql.
        connect_ms: how long it took to connect, in milliseconds.
        answer_ms: how long the one statement took.
        told_pid: the backend's process id as the driver was told when it connected; a pooler tells one of its own.
        applied: (schema, table) of each version table that can be read, to the revisions in it.
        marker: the environment that the database says it belongs to, or None.
        pooler: None: there is none; else "transaction", "session" or "" (could not be told).
    """

    address: urls.Address
    facts: dict[str, Any]
    connect_ms: float
    answer_ms: float
    told_pid: int | None
    applied: dict[tuple[str, str], tuple[str, ...]]
    marker: str | None
    pooler: str | None


def observe(url: str) -> State:
    """Asks the database, on one connection, by three statements.

    Raises:
        faults.DatabaseFault: if it does not answer.
    """
    begun = time.perf_counter()
    address = urls.address(url)

    def work(conn: Connection) -> State:
        connected = time.perf_counter()
        facts = _ask(conn)
        answered = time.perf_counter()
        told = _told_pid(conn)
        pooler = _pooling(conn, url) if told not in (None, facts["pid"]) else None
        return State(
            address,
            facts,
            round((connected - begun) * 1000, 1),
            round((answered - connected) * 1000, 1),
            told,
            _applied(conn, facts["version_tables"]),
            marker.read(conn),
            pooler,
        )

    # Autocommit: between two statements a pooler may then give the server connection to somebody else.
    return connection.run(url, work, autocommit=True, application_name="stillroom preflight")


def judge_failure(found: Findings, fault: faults.DatabaseFault, variable: str) -> None:
    """A database that can't be asked; prepared statements that vanish, or are there already, are a pooler's doing."""
    if fault.data.get("sqlstate") not in _NO_SUCH_STATEMENT:
        found.fault("database", fault)
        return
    found.error(
        "pooler",
        f"a pooler in transaction mode stands between, and {variable} has a driver with prepared statements: "
        f"{fault.message}",
        f"let {variable} name the server itself while migrating (PgBouncer listens on 6432 mostly, PostgreSQL on 5432)",
        code="pooler",
    )


def version_table_row(facts: dict[str, Any], table: project.VersionTable) -> dict[str, Any] | None:
    """What the database knows of the version table; None if it is not there."""
    schema = table.schema or default_schema(facts)
    rows = [each for each in facts["version_tables"] if each["name"] == table.name and each["schema"] == schema]
    return rows[0] if rows else None


def default_schema(facts: dict[str, Any]) -> str:
    """Where unqualified names go; a schema on which the role lacks USAGE is passed over by PostgreSQL itself."""
    if facts["default_schema"]:
        return str(facts["default_schema"])
    path = [part.strip().strip('"') for part in str(facts["search_path"]).split(",")]
    named = [part for part in path if part and part != "$user"]
    return named[0] if named else "public"


def judge_server(found: Findings, state: State, variable: str) -> None:
    """Findings on the server itself: that it answers, its version, that it can be written to, a pooler."""
    facts = state.facts
    found.ok(
        "database",
        f"{state.address} answers role {facts['role']} (connected in {state.connect_ms:g} ms, "
        f"answer in {state.answer_ms:g} ms)",
        connect_ms=state.connect_ms,
        answer_ms=state.answer_ms,
    )
    _version(found, facts)
    if facts["standby"]:
        found.error(
            "primary",
            f"{state.address} is a standby: nothing can be written there",
            f"let {variable} name the primary server",
            code="standby",
        )
    elif facts["read_only"]:
        found.error(
            "primary",
            f"transactions of role {facts['role']} on {state.address} are read-only (default_transaction_read_only)",
            f"ALTER ROLE {sqltext.as_written(facts['role'])} SET default_transaction_read_only = off; "
            f"(or: ALTER DATABASE {sqltext.as_written(facts['database'])} RESET default_transaction_read_only;)",
            code="read-only",
        )
    _judge_pooler(found, state, variable)


def _version(found: Findings, facts: dict[str, Any]) -> None:
    version, major = short_version(facts), facts["version_num"] // 10000
    if major < _OLDEST_SERVER:
        found.warning(
            "server",
            f"PostgreSQL {version} is older than {_OLDEST_SERVER}, the oldest that this is tested with",
            f"upgrade the server to PostgreSQL {_OLDEST_SERVER} or newer",
            version=version,
        )
    else:
        found.ok("server", f"PostgreSQL {version}", version=version)


def short_version(facts: dict[str, Any]) -> str:
    """The server's version without what its packager adds."""
    return str(facts["version"]).split(" ")[0]


def _ask(conn: Connection) -> dict[str, Any]:
    text = (pkgutil.get_data(__package__, "preflight_state.sql") or b"").decode()
    value = conn.exec_driver_sql(text, execution_options={"no_parameters": True}).scalar_one()
    facts: dict[str, Any] = json.loads(value)
    return facts


def _applied(conn: Connection, tables: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[str, ...]]:
    """What stands in the version tables; there is one, mostly."""
    readable = [each for each in tables if each["read"]]
    if not readable:
        return {}
    found: dict[tuple[str, str], tuple[str, ...]] = {(each["schema"], each["name"]): () for each in readable}
    parts = [
        f"SELECT {sqltext.literal(each['schema'])}, {sqltext.literal(each['name'])}, version_num::text "
        f"FROM {sqltext.identifier(each['schema'])}.{sqltext.identifier(each['name'])}"
        for each in readable
    ]
    statement = " UNION ALL ".join(parts) + " ORDER BY 1, 2, 3"
    for schema, table, revision in conn.exec_driver_sql(statement, execution_options={"no_parameters": True}):
        found[schema, table] += (revision,)
    return found


# A pooler answers the start of a connection itself, with a process id that it makes up.


def _told_pid(conn: Connection) -> int | None:
    driver: Any = conn.connection
    # Before SQLAlchemy 1.4.24 it has another name.
    driver = getattr(driver, "dbapi_connection", None) or driver.connection
    driver = getattr(driver, "_connection", driver)
    if hasattr(driver, "get_server_pid"):
        return int(driver.get_server_pid())
    info = getattr(driver, "info", None)
    pid = getattr(info, "backend_pid", None)
    return int(pid) if pid else None


def _pooling(conn: Connection, url: str) -> str:
    """How the pooler shares server connections: a setting of this one's session is, or isn't, seen by another client."""
    mark = secrets.token_hex(8)
    set_mark = "SELECT pg_catalog.set_config('stillroom.probe', {}, false)"
    conn.exec_driver_sql(set_mark.format(sqltext.literal(mark)))
    seen: list[str | None] = []

    def look() -> None:
        statement = "SELECT pg_catalog.current_setting('stillroom.probe', true)"

        def work(other: Connection) -> None:
            for _ in range(3):
                seen.append(other.exec_driver_sql(statement).scalar())

        try:
            connection.run(url, work, autocommit=True, connect_timeout=_POOLER_SECONDS)
        except faults.Fault:
            seen.clear()

    # A pool of one connection in session mode never answers while we hold that one.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(_POOLER_SECONDS)
    answered = list(seen)
    conn.exec_driver_sql(set_mark.format("''"))
    if mark in answered:
        return "transaction"
    return "session" if answered else ""


def _judge_pooler(found: Findings, state: State, variable: str) -> None:
    if state.told_pid is None:
        found.skipped("pooler", "the driver does not tell who answered the connection")
        return
    if state.pooler is None:
        found.ok("pooler", "no pooler in between")
        return
    facts = state.facts
    how = {
        "transaction": "a pooler in transaction mode stands between: server connections change hands between "
        "transactions, so that advisory locks are orphaned, settings leak, and prepared statements fail",
        "session": "a pooler in session mode stands between: it may cut long statements and hide who holds a lock",
        "": "a pooler stands between (its mode could not be told): in transaction mode advisory locks are orphaned, "
        "settings leak, and prepared statements fail",
    }[state.pooler]
    direct = f"{facts['address']}:{facts['port']}" if facts["address"] else "the socket of the PostgreSQL server"
    found.warning(
        "pooler",
        f"{state.address}: {how}",
        f"let {variable} name the server itself while migrating; behind this pooler it is {direct}",
        mode=state.pooler or "unknown",
        server=direct,
    )
