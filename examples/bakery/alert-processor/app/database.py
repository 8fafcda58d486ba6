"""Where the database of this service is, and sessions on it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from functools import cache

from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

URL_VARIABLE = "ALERT_PROCESSOR_DATABASE_URL"


def database_url() -> URL:
    """The URL of the database, with asyncpg as its driver. Raises RuntimeError if the variable is not set."""
    text = os.environ.get(URL_VARIABLE)
    if not text:
        raise RuntimeError(f"{URL_VARIABLE} is not set: it names this service's PostgreSQL database")
    return make_url(text).set(drivername="postgresql+asyncpg")


@cache
def engine() -> AsyncEngine:
    """One engine and pool per process, made when the service starts: importing it needs no database."""
    return create_async_engine(database_url(), pool_pre_ping=True)


@cache
def session_maker() -> async_sessionmaker[AsyncSession]:
    """Sessions on the engine."""
    return async_sessionmaker(engine(), expire_on_commit=False)


async def session() -> AsyncIterator[AsyncSession]:
    """The FastAPI dependency: a session for one request, rolled back unless the endpoint committed."""
    async with session_maker()() as opened:
        yield opened
