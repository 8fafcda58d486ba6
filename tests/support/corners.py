"""The corners of what services may have beside Stillroom: interpreter, SQLAlchemy, Alembic, driver; a service for each.

Some services have one of each kind of thing that the carried runtime looks at or mends (`RICH`), others only what it need
not ask a server about (`PLAIN`); both in the only form of models that SQLAlchemy 1.4 and 2.1 have in common.
"""

from __future__ import annotations

import dataclasses
import textwrap
from pathlib import Path

from tests.support import ways

__all__ = ["CORNERS", "PLAIN", "RICH", "Corner"]

_HEAD = """
import datetime
import enum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import declarative_base, relationship

Base = declarative_base(
    metadata=sa.MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
)
"""

PLAIN = (
    _HEAD
    + """

class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Shelf(Base):
    __tablename__ = "shelf"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(40), nullable=False, unique=True)


class Jar(Base):
    __tablename__ = "jar"
    __table_args__ = (sa.Index("ix_jar_shelf", "shelf_id", "label"), sa.CheckConstraint("volume > 0", name="volume"))
    id = sa.Column(sa.BigInteger, primary_key=True)
    shelf_id = sa.Column(sa.ForeignKey("shelf.id", ondelete="CASCADE"), nullable=False, index=True)
    label = sa.Column(sa.Text, comment="as it is written")
    colour = sa.Column(sa.Enum(Colour, name="colour"), nullable=False, server_default="RED")
    volume = sa.Column(sa.Numeric(10, 2), nullable=False, server_default=sa.text("1"))
    made_at = sa.Column(sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
    sealed = sa.Column(sa.Boolean, nullable=False, server_default=sa.false())
    shelf = relationship(Shelf)
"""
)
"""Two tables, an enum type, indexes and constraints."""

RICH = (
    PLAIN
    + """

class Smell(enum.Enum):
    mild = 1
    strong = 2


NUMBERS = sa.Sequence("batch_number", metadata=Base.metadata, start=100)


class Still(Base):
    __tablename__ = "still"
    __table_args__ = (
        sa.UniqueConstraint("code", "place"),
        sa.ForeignKeyConstraint(["last_batch"], ["batch.id"], name="fk_still_last_batch", use_alter=True),
        postgresql.ExcludeConstraint(("used", "&&"), name="still_used", using="gist"),
        {"comment": "what distils"},
    )
    id = sa.Column(postgresql.UUID(as_uuid=True), primary_key=True, server_default=sa.text("gen_random_uuid()"))
    code = sa.Column(sa.String(8), nullable=False)
    place = sa.Column(sa.Text, nullable=False, server_default="here")
    used = sa.Column(postgresql.TSTZRANGE)
    last_batch = sa.Column(sa.Integer)


class Batch(Base):
    __tablename__ = "batch"
    __table_args__ = (
        sa.Index("ix_batch_notes", "notes", postgresql_using="gin"),
        sa.Index("ix_batch_lower", sa.text("lower(name)"), unique=True, postgresql_where=sa.text("weight IS NOT NULL")),
    )
    id = sa.Column(sa.Integer, sa.Identity(start=10), primary_key=True)
    number = sa.Column(sa.Integer, NUMBERS, server_default=NUMBERS.next_value(), nullable=False)
    still_id = sa.Column(sa.ForeignKey("still.id"))
    parent_id = sa.Column(sa.ForeignKey("batch.id"))
    name = sa.Column(sa.String(40))
    weight = sa.Column(sa.Float)
    twice = sa.Column(sa.Float, sa.Computed("weight * 2", persisted=True))
    notes = sa.Column(postgresql.JSONB, server_default=sa.text("'{}'::jsonb"))
    tags = sa.Column(postgresql.ARRAY(sa.String(20)))
    smells = sa.Column(postgresql.ARRAY(sa.Enum(Smell, name="smell")))
    took = sa.Column(sa.Interval)
    day = sa.Column(sa.Date, sa.CheckConstraint("day > '2000-01-01'", name="day"))
    kind = sa.Column(sa.Enum("gin", "rum", name="kind", native_enum=False, create_constraint=True))


mixed = sa.Table(
    "mixed",
    Base.metadata,
    sa.Column("batch", sa.ForeignKey("batch.id"), primary_key=True),
    sa.Column("jar", sa.ForeignKey("jar.id"), primary_key=True),
)
"""
)
"""The same and three tables more: a cycle of foreign keys, a sequence, identity, computed, arrays, an exclusion."""

_MORE = """

class Added(Base):
    __tablename__ = "added"
    id = sa.Column(sa.Integer, primary_key=True)
    colour = sa.Column(sa.Enum(Colour, name="colour"))
    state = sa.Column(sa.Enum("open", "shut", name="state"), nullable=False, index=True)


Jar.note = sa.Column(sa.Text, server_default="none")
"""
_PACKAGES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}


@dataclasses.dataclass(frozen=True)
class Corner:
    """Versions that stand side by side.

    Attributes:
        python: `3.10`.
        sqlalchemy: what pip is asked for, `1.4.*`.
        alembic: the same.
        driver: what pip is asked for, `asyncpg==0.27.*`; the URL has its name.
        models: `RICH` or `PLAIN`.
        asynchronous: whether env.py uses SQLAlchemy's asyncio.
    """

    python: str
    sqlalchemy: str
    alembic: str
    driver: str
    models: str
    asynchronous: bool

    @property
    def name(self) -> str:
        """A service's name: `py310-sa14-al112-asyncpg`."""
        said = f"py{self.python}-sa{self.sqlalchemy}-al{self.alembic}-{self.library}"
        return said.replace(".*", "").replace(".", "")

    @property
    def library(self) -> str:
        """The driver's name: `asyncpg`."""
        return self.driver.partition("=")[0]

    @property
    def requirements(self) -> list[str]:
        """What pip installs."""
        name, equal, version = self.driver.partition("==")
        extra = "[asyncio]" if self.asynchronous else ""  # SQLAlchemy 2.1 brings greenlet no more without it
        return [
            f"sqlalchemy{extra}=={self.sqlalchemy}",
            f"alembic=={self.alembic}",
            _PACKAGES.get(name, name) + equal + version,
        ]

    @property
    def tables(self) -> int:
        """How many its models have."""
        return 5 if self.models == RICH else 2

    @property
    def later(self) -> str:
        """Its models after a change: a table with a new and an old enum type, and a column."""
        return textwrap.dedent(self.models + _MORE)

    def way(self, python: Path) -> ways.Way:
        """Its service, which this interpreter runs."""
        return ways.Way(self.name, lambda place: self._write(place, python))

    def _write(self, place: ways.Place, python: Path) -> ways.Written:
        variable = place.variable("DATABASE_URL")
        made = ways.project(
            place,
            env=ways.ASYNC if self.asynchronous else ways.SYNC,
            imports="import os",
            url=f"os.environ[{variable!r}]",
            files={"app/models.py": self.models},
            url_variable=variable,
        )
        url = place.database.url(f"postgresql+{self.library}", place.role)
        return ways.Written(made, {"python": str(python), "url_variable": variable}, {variable: url})


CORNERS = (
    Corner("3.10", "1.4.0", "1.12.0", "asyncpg", PLAIN, True),
    Corner("3.10", "1.4.*", "1.12.0", "psycopg2", RICH, False),
    Corner("3.10", "2.0.*", "1.20.*", "psycopg", RICH, True),
    Corner("3.11", "2.0.0", "1.20.*", "asyncpg==0.27.*", RICH, True),
    Corner("3.11", "2.1.*", "1.12.0", "psycopg", PLAIN, False),
    Corner("3.12", "2.0.*", "1.12.0", "psycopg2", PLAIN, False),
    Corner("3.13", "1.4.*", "1.19.*", "asyncpg", RICH, True),
    Corner("3.13", "2.1.*", "1.20.*", "asyncpg", RICH, True),
)
"""The oldest and the newest of each that pip installs together: Alembic 1.20 wants SQLAlchemy 2, SQLAlchemy 2.1 wants
Python 3.11, and SQLAlchemy before 2.0.31 does not import on Python 3.13 (but 1.4.54 does)."""
