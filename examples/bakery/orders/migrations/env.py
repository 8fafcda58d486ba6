"""Runs the migrations of the orders service: online over asyncpg, or offline to SQL."""

from __future__ import annotations

import asyncio
from logging.config import fileConfig

from alembic import context
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.schema import CreateSchema

from app.database import database_url
from app.models import Base

if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

SCHEMA = "orders"


def ours(name: str | None, kind: str, parents: dict[str, str | None]) -> bool:
    """The database is shared with another service: looks at no schema but its own."""
    return kind != "schema" or name in {SCHEMA}


CONFIGURATION = {
    "target_metadata": Base.metadata,
    "compare_type": True,
    "transaction_per_migration": True,
    "include_schemas": True,
    "include_name": ours,
    "version_table_schema": SCHEMA,
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
        context.execute(CreateSchema(SCHEMA, if_not_exists=True))
        context.run_migrations()


def make_schema(connection: Connection) -> None:
    """Makes the schema, since Alembic's version table lives in it and is made before the first migration runs.

    In a transaction of its own: a statement before `context.configure` would begin one that Alembic takes for the
    caller's, and never commits. Asks before it makes: CREATE SCHEMA IF NOT EXISTS needs the right to create schemas
    even where there is nothing to do.
    """
    callers = connection.in_transaction()
    if connection.scalar(text("SELECT to_regnamespace(:schema) IS NULL"), {"schema": SCHEMA}):
        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
    if not callers:
        connection.commit()


def run_on(connection: Connection) -> None:
    """Migrates on a connection that is open already."""
    make_schema(connection)
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
