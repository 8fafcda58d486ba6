"""Real PostgreSQL servers for tests: one for each version, shared by all test processes of this checkout.

The first process starts a server, the last one stops and deletes it, also after failures; what a killed session leaves
is deleted by the next. Databases and roles have names of their own, so sessions do not meet.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from psycopg import Connection, connect, sql

from stillroom.embedded import binaries, client
from stillroom.embedded.cluster import ROLE, Cluster
from stillroom.embedded.lease import Lease, gate

__all__ = ["DEBIAN_15", "Database", "Role", "Server", "serve", "temporary_folder"]

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
"""Debian's PostgreSQL 15, with contrib."""

# Nothing here has to outlive anything: the data are thrown away with the server.
_THROW_AWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_wal_size": "64MB",
    "dynamic_shared_memory_type": "mmap",  # in the data, so that a killed server leaves nothing in /dev/shm
}
_ENOUGH_MEMORY = 2 * 1024**3
_END_CONNECTIONS = sql.SQL("""
    DO $$ BEGIN
        FOR attempt IN 1..2000 LOOP
            PERFORM pg_stat_clear_snapshot();
            PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {name};
            EXIT WHEN NOT FOUND;
            PERFORM pg_sleep(0.001);
        END LOOP;
    END $$
""")
_count = itertools.count(1)


@dataclass(frozen=True)
class Role:
    """A database role that can log in."""

    name: str
    password: str


class Server:
    """A running server; `major` is its version."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.bin = cluster.bin
        self.major = cluster.major
        self.host = "127.0.0.1"
        self.port = cluster.port
        self.superuser = Role(ROLE, cluster.password)
        self._admin: Connection[Any] | None = None

    def url(self, database: str = "postgres", driver: str = "postgresql+asyncpg", role: Role | None = None) -> str:
        """A URL with password; `driver` is what stands before `://`."""
        who = role or self.superuser
        return (
            f"{driver}://{who.name}:{quote(who.password, safe='')}@{self.host}:{self.port}/{quote(database, safe='')}"
        )

    def connect(self, database: str = "postgres", role: Role | None = None) -> Connection[Any]:
        """A psycopg connection in autocommit mode; the caller closes it."""
        return connect(self.url(database, "postgresql", role), autocommit=True)

    def fetch(
        self, query: str, parameters: Sequence[Any] = (), *, database: str = "postgres", role: Role | None = None
    ) -> list[tuple[Any, ...]]:
        """The rows of one statement."""
        with self.connect(database, role) as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()

    def execute(self, statements: str, *, database: str = "postgres", role: Role | None = None) -> None:
        """Runs statements; several at once share one transaction."""
        with self.connect(database, role) as connection:
            connection.execute(statements.encode())

    def psql(self, script: str, *, database: str = "postgres") -> list[list[str]]:
        """Runs a script through `psql`, as the superuser: rows of text."""
        return client.query(_psql(self.bin), self.cluster.environment(), script, database=database)

    def environment(self, database: str = "postgres", role: Role | None = None) -> dict[str, str]:
        """PG* variables for programs of libpq."""
        who = role or self.superuser
        facts = {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": who.name, "PGPASSWORD": who.password}
        return facts | {"PGDATABASE": database}

    def create_database(self, *, owner: Role | None = None, template: str = "template1", name: str = "") -> Database:
        """A new database; `new_database` (the fixture) also drops it."""
        database = Database(self, name or unique("db"))
        owned = sql.SQL(" OWNER {}").format(sql.Identifier(owner.name)) if owner else sql.SQL("")
        self._run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}{}").format(
                sql.Identifier(database.name), sql.Identifier(template), owned
            )
        )
        return database

    def drop_database(self, name: str) -> None:
        """Ends its connections and drops it; it may be gone already."""
        # DROP DATABASE looks for connections that are just ending only every 100 ms; this looks all the time.
        self._run(_END_CONNECTIONS.format(name=sql.Literal(name)))
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def create_role(self, attributes: str = "", *, name: str = "") -> Role:
        """A role that can log in: neither superuser nor CREATEDB unless `attributes` say so (`"CREATEDB"`)."""
        role = Role(name or unique("role"), secrets.token_urlsafe(12))
        self._run(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} ").format(sql.Identifier(role.name), sql.Literal(role.password))
            + sql.SQL(attributes)
        )
        return role

    def drop_role(self, role: Role) -> None:
        """Drops a role; drop the databases in which it owns something before."""
        self._run(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role.name)))

    def close(self) -> None:
        """Closes the connection that makes and drops databases."""
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def _run(self, statement: sql.Composed) -> None:
        if self._admin is None or self._admin.closed:
            self._admin = self.connect()
        self._admin.execute(statement)


@dataclass(frozen=True)
class Database:
    """A database of a server."""

    server: Server = field(repr=False)
    name: str

    def url(self, driver: str = "postgresql+asyncpg", role: Role | None = None) -> str:
        """Its URL; `driver` is what stands before `://` (`postgresql+psycopg`, `postgresql+psycopg2`, `postgresql`)."""
        return self.server.url(self.name, driver, role)

    @property
    def asyncpg(self) -> str:
        """The superuser's URL for SQLAlchemy with asyncpg."""
        return self.url("postgresql+asyncpg")

    @property
    def psycopg(self) -> str:
        """The superuser's URL for SQLAlchemy with psycopg 3."""
        return self.url("postgresql+psycopg")

    @property
    def psycopg2(self) -> str:
        """The superuser's URL for SQLAlchemy with psycopg 2."""
        return self.url("postgresql+psycopg2")

    def connect(self, role: Role | None = None) -> Connection[Any]:
        """A psycopg connection in autocommit mode; the caller closes it."""
        return self.server.connect(self.name, role)

    def fetch(self, query: str, parameters: Sequence[Any] = (), *, role: Role | None = None) -> list[tuple[Any, ...]]:
        """The rows of one statement."""
        return self.server.fetch(query, parameters, database=self.name, role=role)

    def execute(self, statements: str, *, role: Role | None = None) -> None:
        """Runs statements."""
        self.server.execute(statements, database=self.name, role=role)

    def psql(self, script: str) -> list[list[str]]:
        """Runs a script through `psql`: rows of text."""
        return self.server.psql(script, database=self.name)


def temporary_folder() -> Path:
    """The name of a folder beside the test servers, for data that a test makes and deletes itself."""
    return _base() / unique("files")


def _base() -> Path:
    """Where the servers of this checkout and user live: in memory if there is plenty, else among temporary files."""
    checkout = hashlib.sha256(os.fsencode(Path(__file__).resolve())).hexdigest()[:8]
    name = f"stillroom-tests-{os.geteuid()}-{checkout}"
    memory = Path("/dev/shm")  # noqa: S108 - below it, a folder with our name
    if (memory / name).is_dir():
        return memory / name  # other processes chose it, whatever is free by now
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= _ENOUGH_MEMORY:
        return memory / name
    return Path(tempfile.gettempdir()) / name


def _psql(bin_folder: Path) -> Path:
    """The version's own psql, or that of the wheel where a package has none (it speaks to all older servers)."""
    own = bin_folder / "psql"
    return own if own.is_file() else binaries.tools().psql


def unique(prefix: str) -> str:
    """A name that no other test, process or session uses."""
    return f"{prefix}_{os.getpid()}_{next(_count)}_{secrets.token_hex(3)}"


@contextmanager
def serve(bin_folder: Path, label: str) -> Iterator[Server]:
    """The shared server with the programs of `bin_folder`, for as long as the block lasts."""
    base = _base()
    locks = base / f"{label}-locks"
    cluster = Cluster(bin_folder, base / label, extra=_THROW_AWAY)
    with gate(locks):
        Lease(locks).release(if_last=cluster.remove)  # what a killed session left
        share = Lease(locks)
        try:
            cluster.start()
            server = Server(cluster)
        except BaseException:
            share.release(if_last=cluster.remove)
            raise
    try:
        yield server
    finally:
        server.close()
        share.release(if_last=cluster.remove)
