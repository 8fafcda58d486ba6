"""A rehearsal of what every worker does, in the parent that they are forked from, against no database at all.

SQLAlchemy and Alembic make much when it is first needed: regular expressions, methods that are generated per class, type
mappings, modules that are imported late. A worker that inherits all that has a tenth less to do. Nothing of the rehearsal
itself is met again: neither its models nor its "connection", which says yes to everything and returns no rows.
"""

from __future__ import annotations

import asyncio
import configparser
import datetime
import decimal
import importlib
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, cast

import sqlalchemy as sa
from sqlalchemy import engine, orm, pool
from sqlalchemy.dialects import postgresql

__all__ = ["REFLECTED", "rehearse"]

_TEMPLATE = (
    '"""${message}\n\n<%text>%</%text>"""\n${imports if imports else ""}\n% if upgrades:\n${upgrades}\n% endif\n'
)
REFLECTED = (
    "columns",
    "pk_constraint",
    "foreign_keys",
    "indexes",
    "unique_constraints",
    "table_comment",
    "check_constraints",
    "table_options",
)
_INI = "[alembic]\nscript_location = %(here)s/migrations\n"


def rehearse() -> None:
    """Declares models, compares them with an empty database, renders, migrates up and down.

    Raises:
        Exception: whatever libraries of other versions than those at hand raise; nobody needs a rehearsal to succeed.
    """
    engine.make_url("postgresql+asyncpg://user:word@localhost:5432/database?a=b")
    base = _models()
    try:
        _migrate(base.metadata)
    finally:
        base.registry.dispose()
    _template()
    _configuration()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def _models() -> Any:
    """A base class whose metadata holds two tables with a bit of everything."""

    class Base(orm.DeclarativeBase):
        metadata = sa.MetaData(
            naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
        )

    class Shelf(Base):
        __tablename__ = "shelf"
        id: orm.Mapped[uuid.UUID] = orm.mapped_column(primary_key=True, server_default=sa.func.gen_random_uuid())
        name: orm.Mapped[str] = orm.mapped_column(sa.String(80), unique=True, comment="what it is called")
        kind: orm.Mapped[str] = orm.mapped_column(sa.Enum("a", "b", name="kind"))
        made: orm.Mapped[datetime.datetime] = orm.mapped_column(
            sa.DateTime(timezone=True), server_default=sa.func.now()
        )
        bottles = orm.relationship("Bottle", back_populates="shelf")

    class Bottle(Base):
        __tablename__ = "bottle"
        __table_args__ = (
            sa.CheckConstraint("price > 0", name="price_positive"),
            sa.UniqueConstraint("shelf_id", "number"),
            sa.Index("ix_bottle_facts", "facts", postgresql_using="gin"),
            sa.Index("ix_bottle_open", sa.text("lower(label)"), postgresql_where=sa.text("NOT empty")),
        )
        id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
        shelf_id: orm.Mapped[uuid.UUID] = orm.mapped_column(sa.ForeignKey("shelf.id", ondelete="CASCADE"), index=True)
        number: orm.Mapped[int | None]
        label: orm.Mapped[str] = orm.mapped_column(sa.Text)
        empty: orm.Mapped[bool] = orm.mapped_column(server_default=sa.false())
        price: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(10, 2))
        day: orm.Mapped[datetime.date]
        facts: orm.Mapped[dict[str, Any]] = orm.mapped_column(postgresql.JSONB)
        tags: orm.Mapped[list[str]] = orm.mapped_column(postgresql.ARRAY(sa.Text), server_default="{}")
        shelf = orm.relationship("Shelf", back_populates="bottles")

    return Base


def _migrate(metadata: Any) -> None:
    from alembic import autogenerate
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    with _engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": metadata, "compare_type": True})
        script: Any = autogenerate.produce_migrations(context, metadata)
        for operations in (script.upgrade_ops, script.downgrade_ops):
            autogenerate.render_python_code(operations, migration_context=context)
            for each in _flat(operations.ops):
                Operations(context).invoke(each)
        context.get_current_heads()
        _reflect(connection)


def _reflect(connection: Any) -> None:
    """Asks for tables by name, as a comparison does where there are some."""
    inspector = sa.inspect(connection)
    for each in REFLECTED:
        getattr(inspector, f"get_multi_{each}")(filter_names=["shelf"])
    inspector.get_enums("*")


def _flat(operations: Any) -> Iterator[Any]:
    for each in operations:
        if hasattr(each, "ops"):
            yield from _flat(each.ops)
        else:
            yield each


def _engine() -> Any:
    """An engine for PostgreSQL without a server."""
    from sqlalchemy.ext.asyncio import create_async_engine

    # Like those that services make, so that what is compiled for it serves theirs.
    dialect = create_async_engine("postgresql+asyncpg://", poolclass=pool.NullPool).sync_engine.dialect
    dialect.initialize(cast(Any, _Greeting()))
    dialect._fk_regex_pattern  # type: ignore[attr-defined]  # noqa: B018 - it is made when it is first looked at
    made = engine.Engine(pool.NullPool(_connect), dialect, engine.make_url("postgresql+asyncpg://"))
    sa.event.listen(made, "do_execute", _answer)
    return made


def _answer(cursor: Any, _statement: Any, _parameters: Any, context: Any) -> bool:
    """No rows; but the numbers of tables, without which nobody asks for their indexes."""
    names = [each.keyname for each in getattr(context.compiled, "_result_columns", None) or ()]
    cursor.description = [(each, None, None, None, None, None, None) for each in names] or None
    cursor.rows = [(1, "shelf")] if names == ["oid", "relname"] else []
    return True


class _Greeting:
    """What SQLAlchemy asks of a new connection's server, answered like the embedded one does."""

    scalar_of: ClassVar[dict[str, str]] = {"version": "PostgreSQL 18.0", "schema": "public", "strings": "on"}

    def __init__(self, asked: str = "") -> None:
        self._asked = asked

    def exec_driver_sql(self, statement: str) -> _Greeting:
        return _Greeting(statement)

    def scalar(self) -> str | None:
        return next((told for word, told in self.scalar_of.items() if word in self._asked), None)

    @property
    def connection(self) -> _Greeting:
        return self

    dbapi_connection = connection

    def cursor(self) -> _Greeting:
        return self

    def execute(self, statement: str) -> None:
        return None

    def fetchone(self) -> tuple[str]:
        return ("read committed",)

    def close(self) -> None:
        return None


def _connect() -> Any:
    return _Connection()


class _Connection:
    """What SQLAlchemy asks of a driver's connection and cursor, with nothing behind it."""

    description: Any = None
    rows: Sequence[Any] = ()
    rowcount = -1
    lastrowid = None
    arraysize = 1

    def cursor(self, *_: Any, **__: Any) -> _Connection:
        return _Connection()

    def nothing(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def no_row(self) -> None:
        return None

    def fetchall(self) -> list[Any]:
        return list(self.rows)

    commit = rollback = close = execute = fetchmany = nothing
    fetchone = no_row


def _template() -> None:
    template = importlib.import_module("mako.template").Template(_TEMPLATE)
    template.render_unicode(message="m", imports="", upgrades="pass")


def _configuration() -> None:
    parser = configparser.ConfigParser({"here": "/"})
    parser.read_string(_INI)
    parser.get("alembic", "script_location")
    datetime.datetime.strptime("20260101000000", "%Y%m%d%H%M%S")
