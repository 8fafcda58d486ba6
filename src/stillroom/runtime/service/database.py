"""A service's database: one asynchronous engine, its sessions, and a test whether it answers."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy.engine import URL

from .. import faults
from ..connections import connection, driver_arguments, urls
from . import logs

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

__all__ = ["CONNECT_SECONDS", "DatabaseManager"]

CONNECT_SECONDS = 10.0
"""Until a server that does not answer counts as unreachable."""

_ASYNCHRONOUS = ("asyncpg", "psycopg")

# What a URL says of caches behind a pooler, for asyncpg and for SQLAlchemy's side of it; a single connection has none.
_CACHES = ("prepared_statement_cache_size", "statement_cache_size")


class DatabaseManager:
    """One asynchronous engine and its sessions. Nothing connects before it is used.

    Args:
        url: any PostgreSQL URL. Without a driver, or with one that is not asynchronous, asyncpg is taken (else psycopg);
            libpq's options (`sslmode`, several hosts, sockets) are honoured with either.
        engine_options: what `create_async_engine` takes: `pool_size`, `echo`, `connect_args`, …

    Raises:
        faults.ProjectFault: `url-missing`, `url-invalid`.
        faults.DatabaseFault: `driver-missing`, `greenlet-missing`.
    """

    def __init__(self, url: str | URL | None, **engine_options: Any) -> None:
        if not url:
            raise faults.ProjectFault(
                "url-missing",
                "DatabaseManager was given no URL: the variable that it was to come from is not set",
                f"set it, as {urls.FORM}",
            )
        self._url = urls.parse(url)
        self._own = True
        self.engine: AsyncEngine = _engine(self._url, engine_options)
        self._sessions: async_sessionmaker[AsyncSession] | None = None

    @classmethod
    def of_engine(cls, engine: AsyncEngine) -> DatabaseManager:
        """A manager of an engine that the service has made itself, and disposes of itself."""
        made = cls.__new__(cls)
        made._url = engine.url
        made._own = False
        made.engine = engine
        made._sessions = None
        return made

    @property
    def url(self) -> URL:
        """The URL, its password included; as text it shows none."""
        return self._url

    @property
    def knows_url(self) -> bool:
        """Whether the URL is the whole of what is connected to; an engine of the service's own may have been told more."""
        return self._own

    @property
    def address(self) -> str:
        """`host:port/database`, for messages."""
        return str(urls.address(self._url))

    @property
    def sessions(self) -> async_sessionmaker[AsyncSession]:
        """Makes sessions: `async with manager.sessions() as session`."""
        if self._sessions is None:
            from sqlalchemy.ext.asyncio import async_sessionmaker

            self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        return self._sessions

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session, rolled back unless the block commits."""
        async with self.sessions() as opened:
            yield opened

    async def get_db(self) -> AsyncIterator[AsyncSession]:
        """A FastAPI dependency: a session for one request, rolled back unless the endpoint commits."""
        async with self.sessions() as opened:
            yield opened

    async def test_connection(self) -> bool:
        """Whether the database answers: True, and a log line; what is wrong is raised, with its mend.

        Raises:
            faults.DatabaseFault: `database-unreachable`, `authentication-failed`, … (see `connections.diagnosis`).
        """
        started = time.monotonic()
        with connection.diagnosed(self._url, connecting=True):
            async with self.engine.connect() as conn:
                await conn.execute(sqlalchemy.text("SELECT 1"))
        logs.logger().info(
            "Database connection successful",
            database=self.address,
            milliseconds=round((time.monotonic() - started) * 1000, 1),
        )
        return True

    async def close(self) -> None:
        """Closes the pool; an engine that the service made itself is left to it."""
        if self._own:
            await self.engine.dispose()

    def __repr__(self) -> str:
        return f"DatabaseManager({self._url.render_as_string(hide_password=True)!r})"


def _engine(url: URL, options: dict[str, Any]) -> AsyncEngine:
    driver = _driver(url)
    bare = url.set(drivername=f"postgresql+{driver}", query={})
    connection.import_driver(bare)
    from sqlalchemy.ext.asyncio import create_async_engine

    # The options of a URL are the driver's matter, and each driver knows others: they are handed over translated.
    name = str(url.query.get("application_name") or os.environ.get("PGAPPNAME", ""))
    arguments = driver_arguments.arguments(url, driver, CONNECT_SECONDS, name)
    if driver == "asyncpg":
        arguments.update({name: int(str(url.query[name])) for name in _CACHES if name in url.query})
    arguments.update(options.pop("connect_args", None) or {})
    return create_async_engine(bare, connect_args=arguments, **options)


def _driver(url: URL) -> str:
    named = urls.known_driver(url)
    if named in _ASYNCHRONOUS:
        return named
    chosen = urls.known_driver(url.set(drivername="postgresql"))
    return chosen if chosen in _ASYNCHRONOUS else _ASYNCHRONOUS[0]
