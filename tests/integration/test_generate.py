"""Generation judges what it made: each fault by a small broken service of its own, and what it mends."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from stillroom.runtime import faults
from tests.conftest import NewDatabase
from tests.support import asking, projects
from tests.support.postgres import Database


@pytest.fixture(scope="module")
def ask() -> Iterator[asking.Asker]:
    """The runtime on this machine."""
    asker = asking.Asker()
    yield asker
    asker.close()


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


def fault_of(ask: asking.Asker, service: projects.Made, database: Database, **options: object) -> faults.Fault:
    """The fault that generating ends in; every one says what to do."""
    with pytest.raises(faults.Fault) as caught:
        ask(service, database.asyncpg, "generate", **options)
    assert caught.value.mend, "every fault says what to do"
    assert service.name in caught.value.message or caught.value.code == "wrong-database"
    return caught.value


def test_a_sound_service_gets_a_proven_baseline(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """The result holds the file with its digest; the database itself is not touched."""
    shop = projects.make_service(tmp_path / "shop")
    made = ask(shop, database.asyncpg, "generate")
    content = made["file"]["content"].encode()
    assert made["tables"] == 1
    assert made["operations"] >= 1
    assert hashlib.sha256(content).hexdigest() == made["file"]["sha256"]
    assert len(content) == made["file"]["size"]
    assert f"revision = '{made['revision']}'" in content.decode()
    assert set(made["proof"]) == {"upgrade", "diff", "downgrade", "again"}
    assert database.fetch("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_two_runs_give_the_same_bytes(tmp_path: Path, database: Database) -> None:
    """Also from two interpreters with different hash orders: ids and bytes come from the content."""
    models = (
        "Mood = sa.Enum('sad', 'ok', 'happy', name='mood')\n"
        + projects.table(
            "alpha",
            "mood: Mapped[str] = mapped_column(Mood)",
            "x: Mapped[int] = mapped_column(ForeignKey('beta.id'))",
            "y: Mapped[int] = mapped_column(ForeignKey('gamma.id'))",
            "z: Mapped[int] = mapped_column(ForeignKey('delta.id'))",
            "__table_args__ = (sa.CheckConstraint('x > 0', name='cx'), sa.CheckConstraint('y > 0', name='cy'),"
            " sa.UniqueConstraint('x', 'y'), sa.Index('i1', 'x'), sa.Index('i2', 'y'), sa.Index('i3', 'z'))",
        )
        + projects.table("beta", "a: Mapped[int | None] = mapped_column(ForeignKey('alpha.id'))")
        + projects.table("gamma", "a: Mapped[int | None] = mapped_column(ForeignKey('alpha.id'))")
        + projects.table("delta", "mood: Mapped[str] = mapped_column(Mood)")
    )
    shop = projects.make_service(tmp_path / "shop", models=models)
    contents = set()
    for _ in range(3):
        asker = asking.Asker()
        contents.add(asker(shop, database.asyncpg, "generate")["file"]["content"])
        asker.close()
    assert len(contents) == 1


OF_THE_APPLICATION = """
import os
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

url = os.environ["SHOP_DATABASE_URL"]
engine = create_engine(url.replace("+asyncpg", "+psycopg"))
async_engine = create_async_engine(url)
"""
SYNC_ENV = """
from alembic import context
from app.database import engine
from app.models import Base

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
"""
ASYNC_ENV = """
import asyncio
from alembic import context
from app.database import async_engine
from app.models import Base


def run_on(connection):
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()


async def run():
    async with async_engine.connect() as connection:
        await connection.run_sync(run_on)


asyncio.run(run())
"""


@pytest.mark.parametrize("env", [SYNC_ENV, ASYNC_ENV], ids=["sync", "async"])
def test_an_engine_of_the_application_keeps_no_connection(
    ask: asking.Asker, tmp_path: Path, database: Database, env: str
) -> None:
    """env.py may connect by an engine that a module made, with its pool: each run has a connection of its own."""
    old = projects.revision(
        "0001",
        upgrade="op.create_table('product', sa.Column('id', sa.Integer, primary_key=True), "
        "sa.Column('name', sa.String, nullable=False))",
        downgrade="op.drop_table('product')",
    )
    shop = projects.make_service(
        tmp_path / "shop", env=env, files={"app/database.py": OF_THE_APPLICATION}, history=[old]
    )

    made = ask(shop, database.asyncpg, "generate")

    assert made["loss"]["names"] == [] and made["operations"] == 1


def test_a_setup_that_migrates_is_named(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """An application that upgrades its database when it starts leaves nothing to generate: that is said of it."""
    start = """
import os
from sqlalchemy import create_engine, text


def prepare():
    engine = create_engine(os.environ["SHOP_DATABASE_URL"].replace("+asyncpg", "+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version AS SELECT '0001'::varchar(32) AS version_num"))
"""
    shop = projects.make_service(tmp_path / "shop", files={"app/start.py": start}, setup="app.start:prepare")

    fault = fault_of(ask, shop, database)

    assert fault.code == "setup-migrates"
    assert "setup: app.start:prepare upgrades the database by itself (to 0001)" in fault.message


def test_empty_metadata_is_named(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Models that are not imported give no baseline (A2)."""
    shop = projects.make_service(tmp_path / "shop", models="")
    assert fault_of(ask, shop, database).code == "metadata-empty"


@pytest.mark.parametrize(
    "configure",
    [
        "include_object=lambda *a: False",
        "process_revision_directives=lambda c, r, d: d[0].upgrade_ops.ops.clear()",
        "process_revision_directives=lambda c, r, d: d.clear()",
    ],
    ids=["include_object", "emptied", "no script"],
)
def test_an_empty_baseline_is_refused(ask: asking.Asker, tmp_path: Path, database: Database, configure: str) -> None:
    """Tables in the metadata and nothing in the file is a failure, never a file (A1)."""
    shop = projects.make_service(tmp_path / "shop", configure=configure)
    assert fault_of(ask, shop, database).code == "empty-baseline"


def test_a_drop_in_a_baseline_is_refused(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A hook of env.py that turns things around is caught by name."""
    hook = (
        "from alembic.operations import ops\n"
        "def hook(context, revision, scripts):\n"
        "    scripts[0].upgrade_ops.ops.append(ops.DropTableOp('customer'))\n"
    )
    env = projects.ENV.replace("def run_on(", hook + "\n\ndef run_on(")
    shop = projects.make_service(tmp_path / "shop", env=env, configure="process_revision_directives=hook")
    fault = fault_of(ask, shop, database)
    assert fault.code == "drop-in-baseline"
    assert "customer" in fault.message


def test_an_id_that_is_too_long_is_refused(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Hooks may number revisions; ids beyond the version column are caught before anything runs (A13)."""
    hook = "def hook(context, revision, scripts):\n    scripts[0].rev_id = 'a_readable_identifier_of_more_than_32'\n"
    env = projects.ENV.replace("def run_on(", hook + "\n\ndef run_on(")
    shop = projects.make_service(tmp_path / "shop", env=env, configure="process_revision_directives=hook")
    assert fault_of(ask, shop, database).code == "id-too-long"


def test_an_id_may_be_as_long_as_the_version_table_allows(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """A project that has widened the column, and says so, may have a hook that gives longer ids."""
    wanted = "a_readable_identifier_of_more_than_32"
    hook = f"def hook(context, revision, scripts):\n    scripts[0].rev_id = '{wanted}'\n"
    wide = (
        "from alembic.ddl.impl import DefaultImpl\n"
        "from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table\n"
        "def table(self, *, version_table, version_table_schema, version_table_pk, **more):\n"
        "    made = Table(version_table, MetaData(), Column('version_num', String(64), nullable=False), "
        "schema=version_table_schema)\n"
        "    made.append_constraint(PrimaryKeyConstraint('version_num', name=f'{version_table}_pkc'))\n"
        "    return made\n"
        "DefaultImpl.version_table_impl = table\n"
    )
    env = projects.ENV.replace("def run_on(", wide + hook + "\n\ndef run_on(")
    shop = projects.make_service(tmp_path / "shop", env=env, configure="process_revision_directives=hook")
    assert ask(shop, database.asyncpg, "generate")["revision"] == wanted


def test_ids_of_a_hook_are_kept(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A project that numbers its revisions goes on doing so."""
    hook = "def hook(context, revision, scripts):\n    scripts[0].rev_id = '0001'\n"
    env = projects.ENV.replace("def run_on(", hook + "\n\ndef run_on(")
    shop = projects.make_service(tmp_path / "shop", env=env, configure="process_revision_directives=hook")
    made = ask(shop, database.asyncpg, "generate")
    assert made["revision"] == "0001"
    assert made["file"]["name"].startswith("0001_")


def test_enum_types_are_made_once_and_dropped(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A type that two tables share, one in an array, one in a schema: each is created once and goes with the downgrade."""
    models = (
        "Mood = sa.Enum('sad', 'it is: ok', \"o'clock\", name='mood')\n"
        "Size = sa.Enum('s', 'm', name='size', schema='depot')\n"
        + projects.table("a", "mood: Mapped[str] = mapped_column(Mood)", "size: Mapped[str] = mapped_column(Size)")
        + projects.table("b", "moods: Mapped[list[str]] = mapped_column(postgresql.ARRAY(Mood))")
        + projects.table("c", schema="depot")
    )
    shop = projects.make_service(tmp_path / "shop", models=models, configure="include_schemas=True")
    made = ask(shop, database.asyncpg, "generate")
    assert made["file"]["content"].count("CREATE TYPE") == 2
    assert made["file"]["content"].count("DROP TYPE") == 2
    assert made["prerequisites"]["schemas"] == ["depot"]


def test_cyclic_foreign_keys_are_split_out(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Alembic's own file would fail; ours adds the key after both tables exist, with and without use_alter (A11)."""
    models = (
        projects.table("aa", "b: Mapped[int | None] = mapped_column(ForeignKey('bb.id'))")
        + projects.table("bb", "a: Mapped[int | None] = mapped_column(ForeignKey('aa.id'))")
        + projects.table(
            "cc", "d: Mapped[int | None] = mapped_column(ForeignKey('dd.id', use_alter=True, name='later'))"
        )
        + projects.table("dd", "c: Mapped[int | None] = mapped_column(ForeignKey('cc.id'))")
    )
    shop = projects.make_service(tmp_path / "shop", models=models)
    made = ask(shop, database.asyncpg, "generate")
    assert (
        made["file"]["content"].count("op.create_foreign_key(") == 2 + made["file"]["content"].count("'aa_b_fkey'") // 9
    )
    assert any("is added after" in sentence for sentence in made["mended"])


def test_a_difference_that_stays_is_refused(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A type that never compares equal is caught by the second diff (A7)."""
    configure = "compare_type=lambda *a: True"
    shop = projects.make_service(tmp_path / "shop", configure=configure)
    fault = fault_of(ask, shop, database)
    assert fault.code == "diff-not-empty", fault.to_dict()
    assert "alter_column" in fault.detail


def test_an_upgrade_that_fails_is_refused(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """The file is executed before it is brought home; the statement and its error are told."""
    column = "n: Mapped[int] = mapped_column(server_default=text('no_such_function()'))"
    shop = projects.make_service(tmp_path / "shop", models=projects.table("product", column))
    fault = fault_of(ask, shop, database)
    assert fault.code == "upgrade-fails"
    assert "no_such_function" in fault.message


def test_a_downgrade_that_leaves_something_is_refused(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """The catalog is compared, so a function that a hook adds and never drops is seen (A6, K7)."""
    hook = (
        "from alembic.operations import ops\n"
        "def hook(context, revision, scripts):\n"
        "    sql = 'CREATE FUNCTION one() RETURNS int LANGUAGE sql AS $$SELECT 1$$'\n"
        "    scripts[0].upgrade_ops.ops.append(ops.ExecuteSQLOp(sql))\n"
    )
    env = projects.ENV.replace("def run_on(", hook + "\n\ndef run_on(")
    shop = projects.make_service(tmp_path / "shop", env=env, configure="process_revision_directives=hook")
    fault = fault_of(ask, shop, database)
    assert fault.code == "downgrade-leaves-trace"
    assert "one()" in fault.message


def test_env_that_does_nothing_is_named(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """An env.py that ends well without running anything (K2)."""
    shop = projects.make_service(tmp_path / "shop", env="from app.models import Base\n")
    assert fault_of(ask, shop, database).code in ("env-did-nothing", "empty-baseline")


def test_env_that_swallows_is_named(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """An exception swallowed during the upgrade: nothing applied, exit 0; the database is asked (K2)."""
    env = projects.ENV.replace(
        "    with context.begin_transaction():\n        context.run_migrations()\n",
        "    try:\n        with context.begin_transaction():\n            context.run_migrations()\n"
        "            if not context.get_context().opts.get('revision_context') and context.get_head_revisions():\n"
        "                raise RuntimeError\n"
        "    except RuntimeError:\n        pass\n",
        1,
    )
    shop = projects.make_service(tmp_path / "shop", env=env)
    fault = fault_of(ask, shop, database)
    assert fault.code == "upgrade-fails"
    assert fault.data["cause"] == "nothing-applied"


def test_a_hard_coded_url_is_refused(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """An env.py that connects to the service's own database never gets there; the mend names the variable."""
    env = projects.ENV.replace('os.environ["{url_variable}"]', repr(database.asyncpg))
    shop = projects.make_service(tmp_path / "shop", env=env)
    fault = fault_of(ask, shop, database)
    assert fault.code == "wrong-database"
    assert shop.url_variable in fault.mend
    assert database.asyncpg.split("://")[1].split("@")[0] not in str(fault.to_dict())
    assert database.fetch("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]


def test_the_variable_that_is_not_set_is_named(ask: asking.Asker, tmp_path: Path) -> None:
    """No URL: the variable is named, and how to set it."""
    shop = projects.make_service(tmp_path / "shop")
    with pytest.raises(faults.ProjectFault, match="SHOP_DATABASE_URL") as caught:
        ask(shop, None, "generate")
    assert caught.value.code == "variable-missing"


def test_extensions_of_types_are_made_first(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A pgvector column brings its extension and its import."""
    models = "from pgvector.sqlalchemy import Vector\n" + projects.table(
        "doc", "v: Mapped[Any] = mapped_column(Vector(3))"
    )
    shop = projects.make_service(tmp_path / "shop", models=models)
    made = ask(shop, database.asyncpg, "generate")
    assert made["prerequisites"]["extensions"] == ["vector"]
    assert "import pgvector.sqlalchemy" in made["file"]["content"]


def test_sequences_of_their_own_are_made(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Autogenerate does not see them; the upgrade would fail without."""
    models = "numbers = sa.Sequence('numbers', metadata=Base.metadata)\n" + projects.table(
        "bill", "n: Mapped[int] = mapped_column(server_default=numbers.next_value())"
    )
    shop = projects.make_service(tmp_path / "shop", models=models)
    assert "CREATE SEQUENCE" in ask(shop, database.asyncpg, "generate")["file"]["content"]


def test_a_table_in_a_schema_of_somebody_else_is_refused(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A service that declares its schemas makes tables there and nowhere else (A3, K4)."""
    models = projects.table("product", schema="shop") + projects.table("invoice", schema="billing")
    shop = projects.make_service(tmp_path / "shop", models=models, configure="include_schemas=True", schemas=["shop"])
    fault = fault_of(ask, shop, database)
    assert fault.code == "foreign-tables"
    assert "billing.invoice" in fault.message


def test_the_schema_of_the_version_table_is_made(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """An env.py that takes it for granted works on an empty database, too."""
    shop = projects.make_service(
        tmp_path / "shop",
        models=projects.table("product", schema="shop"),
        configure="include_schemas=True, version_table_schema='shop'",
    )
    assert ask(shop, database.asyncpg, "generate")["prerequisites"]["schemas"] == ["shop"]


def test_a_file_goes_where_the_template_with_dates_and_folders_puts_it(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """Folders by year, where Alembic looks into them: today's."""
    ini = (
        projects.INI + "file_template = %%(year)d/%%(month).2d/%%(rev)s_%%(slug)s\nrecursive_version_locations = true\n"
    )
    shop = projects.make_service(tmp_path / "shop", ini=ini)
    made = ask(shop, database.asyncpg, "generate")
    today = datetime.datetime.now().astimezone()
    assert made["file"]["name"] == f"{today:%Y/%m}/{made['revision']}_initial_schema.py"
