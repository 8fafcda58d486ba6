"""`adopt` at the service's side: a stamp only after the comparison, and only if nothing differs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stillroom.runtime import faults
from stillroom.runtime.connections import connection
from stillroom.runtime.schema import catalog
from tests.conftest import NewDatabase, NewRole
from tests.support import asking, projects
from tests.support.postgres import Database

MODELS = """
class Kind(enum.Enum):
    bread = "bread"
    cake = "cake"


class Product(Base):
    __tablename__ = "product"
    __table_args__ = (sa.Index("ix_product_name", "name"), sa.CheckConstraint("price >= 0", name="ck_price"))
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[Kind]
    price: Mapped[decimal.Decimal]


class Part(Base):
    __tablename__ = "part"
    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    tags: Mapped[list[str]] = mapped_column(postgresql.ARRAY(sa.String), server_default=text("'{}'"))
"""


ITEM = """
op.create_table(
    'item', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String, nullable=False), schema='{schema}'
)
"""


@pytest.fixture(scope="module")
def ask() -> Iterator[asking.Asker]:
    """Asks for operations."""
    asker = asking.Asker()
    yield asker
    asker.close()


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


def make_shop(ask: asking.Asker, path: Path, database: Database, **more: Any) -> projects.Made:
    """A service with a baseline that was generated from its models."""
    service = projects.make_service(path, models=MODELS, **more)
    regenerate(ask, service, database)
    return service


def regenerate(ask: asking.Asker, service: projects.Made, database: Database, message: str = "initial") -> str:
    """Replaces the history by a generated baseline; its revision."""
    made = ask(service, database.asyncpg, "generate", message=message)
    for file in service.versions.glob("*.py"):
        file.unlink()
    service.write(f"migrations/versions/{made['file']['name']}", made["file"]["content"])
    return str(made["revision"])


def create_all(service: projects.Made, database: Database) -> None:
    """What a service does that makes its tables itself."""
    script = (
        "import os, sqlalchemy; from app.models import Base; "
        "Base.metadata.create_all(sqlalchemy.create_engine(os.environ['URL']))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=service.path, env={"URL": database.psycopg})


def structure(database: Database) -> catalog.Snapshot:
    """Everything that is in the database, but its version table."""
    return connection.run(
        database.psycopg, lambda conn: catalog.snapshot(conn, exclude_tables=["public.alembic_version"])
    )


def fault_of(ask: asking.Asker, service: projects.Made, database: Database, **options: Any) -> faults.Fault:
    """What adopting is answered with."""
    with pytest.raises(faults.Fault) as raised:
        ask(service, database.asyncpg, "adopt", **options)
    return raised.value


def versioned(database: Database) -> bool:
    """Whether there is a version table."""
    return bool(database.fetch("SELECT to_regclass('alembic_version') IS NOT NULL")[0][0])


def test_a_create_all_database_is_stamped(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Tables that create_all made, equal to what the history makes, get the head as their revision; data stay."""
    service = make_shop(ask, tmp_path / "shop", database)
    create_all(service, database)
    database.execute("INSERT INTO product (name, kind, price) VALUES ('rye', 'bread', 3)")
    before = structure(database)

    done = ask(service, database.asyncpg, "adopt")

    assert (done["outcome"], done["state"], done["before"], done["tables"]) == ("stamped", "unversioned", [], 2)
    assert structure(database) == before
    assert database.fetch("SELECT name FROM product") == [("rye",)]
    assert ask(service, database.asyncpg, "upgrade")["outcome"] == "nothing to do"
    assert ask(service, database.asyncpg, "status")["revision"] == done["after"]


def test_alembic_goes_on_from_a_stamp(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """The version table is such as Alembic makes, so the next upgrade goes on from it."""
    service = make_shop(ask, tmp_path / "shop", database)
    create_all(service, database)
    head = ask(service, database.asyncpg, "adopt")["after"][0]
    service.add(projects.revision("0002", head, upgrade="op.add_column('part', sa.Column('note', sa.Text))"))

    assert ask(service, database.asyncpg, "upgrade")["after"] == ["0002"]
    shown = database.fetch(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'alembic_version'::regclass AND contype = 'p'"
    )
    assert shown == [("alembic_version_pkc", "PRIMARY KEY (version_num)")]


def test_a_dry_run_writes_nothing(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A dry run compares and says what it would stamp."""
    service = make_shop(ask, tmp_path / "shop", database)
    create_all(service, database)

    done = ask(service, database.asyncpg, "adopt", dry_run=True)

    assert done["outcome"] == "would stamp"
    assert len(done["after"]) == 1
    assert not versioned(database)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("DROP INDEX ix_product_name", "- index public.ix_product_name"),
        ("ALTER TABLE product ALTER name DROP NOT NULL", "~ column public.product.name"),
        ("ALTER TABLE product DROP CONSTRAINT ck_price", "- constraint public.product.ck_price"),
        ("ALTER TYPE kind ADD VALUE 'pie'", "~ type public.kind"),
        ("ALTER TABLE part ALTER tags DROP DEFAULT", "~ column public.part.tags"),
        ("CREATE VIEW cheap AS SELECT * FROM product", "+ view public.cheap"),
        ("CREATE TABLE extra (id int)", "+ table public.extra"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1", "+ function public.f()"),
    ],
)
def test_a_difference_is_refused(ask: asking.Asker, tmp_path: Path, database: Database, change: str, line: str) -> None:
    """A database that differs in anything that it owns is not stamped, and each difference is told."""
    service = make_shop(ask, tmp_path / "shop", database)
    create_all(service, database)
    database.execute(change)

    fault = fault_of(ask, service, database)

    assert (fault.code, fault.kind) == ("adopt-differs", "refused")
    assert any(each.startswith(line) for each in fault.data["difference"]), fault.data["difference"]
    assert not versioned(database)


def test_a_replaced_history_is_stamped_anew(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A database at a revision of the old history, equal to what the new one makes, gets the new head."""
    service = make_shop(ask, tmp_path / "shop", database)
    ask(service, database.asyncpg, "upgrade")
    old = ask(service, database.asyncpg, "status")["revision"]
    new = regenerate(ask, service, database, message="baseline of the year")

    assert [new] != old
    assert ask(service, database.asyncpg, "status")["state"] == "ahead"
    done = ask(service, database.asyncpg, "adopt")

    assert (done["outcome"], done["before"], done["after"]) == ("stamped", old, [new])
    assert ask(service, database.asyncpg, "status")["state"] == "at_head"
    assert ask(service, database.asyncpg, "adopt")["outcome"] == "nothing to do"


def test_a_replaced_history_that_leads_elsewhere(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A database at an unknown revision that differs from what the new history makes keeps its old stamp."""
    service = make_shop(ask, tmp_path / "shop", database)
    ask(service, database.asyncpg, "upgrade")
    old = ask(service, database.asyncpg, "status")["revision"]
    service.write_models(MODELS + "    note: Mapped[str]\n")
    for file in service.versions.glob("*.py"):
        file.unlink()
    regenerate(ask, service, database)

    fault = fault_of(ask, service, database)

    assert fault.data["difference"] == ["- column public.part.note: character varying NOT NULL"]
    assert ask(service, database.asyncpg, "status")["revision"] == old


def test_rows_that_contain_each_other_are_stamped_anew(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A version table that Alembic can't work with is mended by adopting."""
    service = make_shop(ask, tmp_path / "shop", database)
    ask(service, database.asyncpg, "upgrade")
    head = ask(service, database.asyncpg, "status")["revision"][0]
    service.add(projects.revision("0002", head))
    ask(service, database.asyncpg, "upgrade")
    database.execute(f"INSERT INTO alembic_version VALUES ('{head}')")

    assert ask(service, database.asyncpg, "adopt")["after"] == ["0002"]


def test_what_is_not_to_be_adopted(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """An empty database, one that is behind, and a service without revisions are refused with what to do instead."""
    service = make_shop(ask, tmp_path / "shop", database)
    empty = fault_of(ask, service, database)
    ask(service, database.asyncpg, "upgrade")
    head = ask(service, database.asyncpg, "status")["revision"][0]
    service.add(projects.revision("0002", head))
    behind = fault_of(ask, service, database)
    nothing = fault_of(ask, projects.make_service(tmp_path / "bare"), database)

    assert (empty.code, behind.code, nothing.code) == ("nothing-to-adopt", "not-at-head", "no-migrations")
    assert "invoke apply --service shop" in empty.mend
    assert "invoke apply --service shop" in behind.mend


def test_neighbours_are_not_compared(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Of a shared database only the service's own schema counts, and only its version table is written."""
    services = []
    for name, other in (("orders", "pos"), ("pos", "orders")):
        service = projects.make_service(
            tmp_path / name,
            models=projects.table("item", "name: Mapped[str]", schema=name),
            configure=f"version_table_schema='{name}', include_schemas=True",
            history=[projects.revision("0001", upgrade=ITEM.format(schema=name))],
            schemas=[name],
            neighbours=[other],
        )
        database.execute(
            f"CREATE SCHEMA {name}; CREATE TABLE {name}.item (id serial PRIMARY KEY, name varchar NOT NULL)"
        )
        services.append(service)

    done = ask(services[0], database.asyncpg, "adopt")

    assert done["outcome"] == "stamped"
    assert database.fetch("SELECT to_regclass('orders.alembic_version')::text, to_regclass('pos.alembic_version')") == [
        ("orders.alembic_version", None)
    ]
    assert ask(services[1], database.asyncpg, "status")["state"] == "unversioned"


def test_wide_version_table(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A project that widens its version table itself gets a stamp as wide."""
    long = "a_revision_with_a_name_that_is_longer_than_32_characters"
    widened = projects.ENV.replace(
        "    with context.begin_transaction():\n        context.run_migrations()\n\n\nasync",
        "    with context.begin_transaction():\n"
        "        context.get_context()._ensure_version_table()\n"
        "        connection.exec_driver_sql('ALTER TABLE alembic_version ALTER version_num TYPE varchar(128)')\n"
        "        context.run_migrations()\n\n\nasync",
    )
    service = projects.make_service(
        tmp_path / "shop",
        history=[projects.revision(long, upgrade="op.create_table('product', sa.Column('id', sa.Integer))")],
        env=widened,
    )
    database.execute("CREATE TABLE product (id int)")

    assert ask(service, database.asyncpg, "adopt")["after"] == [long]


def test_another_migrator_meanwhile(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A database that comes to another revision while it is compared keeps that one."""
    service = make_shop(ask, tmp_path / "shop", database)
    create_all(service, database)
    # Stands in for the other process: runs when the history is replayed on the scratch database.
    name = next(service.versions.glob("*.py")).name
    text = (service.versions / name).read_text()
    stamp = (
        "    import psycopg\n"
        f"    with psycopg.connect({database.url('postgresql')!r}, autocommit=True) as other:\n"
        "        other.execute('CREATE TABLE alembic_version (version_num varchar(32))')\n"
        "        other.execute(\"INSERT INTO alembic_version VALUES ('elsewhere')\")\n"
    )
    service.write(
        f"migrations/versions/{name}",
        text.replace(
            "def upgrade() -> None:\n",
            "def upgrade() -> None:\n    __import__('subprocess').run([__import__('sys').executable, '-c', "
            + repr("if True:\n" + stamp)
            + "], check=True)\n",
        ),
    )

    fault = fault_of(ask, service, database)

    assert (fault.code, fault.kind) == ("changed-meanwhile", "refused")
    assert database.fetch("SELECT version_num FROM alembic_version") == [("elsewhere",)]


def test_a_role_that_may_not_create(ask: asking.Asker, tmp_path: Path, database: Database, new_role: NewRole) -> None:
    """Without the right to make the version table, the fault names it and the GRANT; nothing is stamped."""
    service = make_shop(ask, tmp_path / "shop", database)
    create_all(service, database)
    role = new_role(None, "CREATEDB")

    with pytest.raises(faults.DatabaseFault) as raised:
        ask(service, database.url(role=role), "adopt")

    assert raised.value.code == "permission-denied"
    assert not versioned(database)
