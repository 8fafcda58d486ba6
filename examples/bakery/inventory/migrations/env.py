"""Runs the migrations of the inventory service: online over asyncpg, or offline to SQL."""

from __future__ import annotations

import asyncio
from logging.config import fileConfig

from alembic import context
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from app.database import database_url
from app.models import Base

if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

CONFIGURATION = {
    "target_metadata": Base.metadata,
    "compare_type": True,
    "transaction_per_migration": True,
}


def run_offline() -> None:
    """Writes SQL to standard output; connects to nothing."""
    context.configure(
        url=database_url().render_as_string(hide_password=False),
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        **CONFIGURATION,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_on(connection: Connection) -> None:
    """Migrates on a connection that is open already."""
    context.configure(connection=connection, **CONFIGURATION)
    with context.begin_transaction():
        context.run_migrations()


async def run_online() -> None:
    """Opens one connection of its own; nothing is pooled."""
    engine = create_async_engine(database_url(), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run_on)
    await engine.dispose()


if context.is_offline_mode():
    run_offline()
elif (given := context.config.attributes.get("connection")) is not None:
    run_on(given)
else:
    asyncio.run(run_online())
