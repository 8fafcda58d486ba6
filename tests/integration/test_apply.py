"""`apply` at the service's side: what it runs, what it refuses, and that it believes only the database."""

from __future__ import annotations

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

MODELS = projects.table("product", "name: Mapped[str]", "note: Mapped[str | None]")
CREATE = """
op.create_table(
    'product',
    sa.Column('id', sa.Integer, primary_key=True),
    sa.Column('name', sa.String, nullable=False),
)
"""
FIRST = projects.revision("0001", upgrade=CREATE, downgrade="op.drop_table('product')")
SECOND = projects.revision(
    "0002",
    "0001",
    upgrade="op.add_column('product', sa.Column('note', sa.String))",
    downgrade="op.drop_column('product', 'note')",
)
HISTORY = (FIRST, SECOND)

SWALLOWS = projects.ENV.replace(
    "    asyncio.run(run_online())",
    "    try:\n        asyncio.run(run_online())\n    except Exception as error:\n        print('oh well', error)",
)
FORGETS_TO_COMMIT = projects.ENV.replace(
    "def run_on(connection):\n",
    "def run_on(connection):\n    connection.exec_driver_sql('SELECT 1')\n",
)
SCHEDULES_ONLY = projects.ENV.replace(
    "    asyncio.run(run_online())",
    "    loop = asyncio.new_event_loop()\n    loop.create_task(run_online())",
)
OTHER_DATABASE = projects.ENV.replace('os.environ["{url_variable}"]', 'os.environ["OTHER_URL"]')


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


@pytest.fixture
def shop(tmp_path: Path) -> projects.Made:
    """A service with two revisions that make what its models say."""
    return projects.make_service(tmp_path / "shop", models=MODELS, history=HISTORY)


def fault_of(ask: asking.Asker, service: projects.Made, database: Database, **options: Any) -> faults.Fault:
    """What an upgrade is answered with."""
    with pytest.raises(faults.Fault) as raised:
        ask(service, database.asyncpg, "upgrade", **options)
    return raised.value


def noted(database: Database, table: str = "alembic_version") -> list[str]:
    """The rows of the version table."""
    return sorted(row[0] for row in database.fetch(f"SELECT version_num FROM {table}"))


def structure(database: Database) -> catalog.Snapshot:
    """Everything that is in the database."""
    return connection.run(database.psycopg, catalog.snapshot)


def scratch_databases(database: Database, service: projects.Made) -> list[Any]:
    """What is left of scratch databases of the service; tests that ask give it a name that no other test has."""
    begins = f"stillroom_scratch_{service.name}_"
    return database.server.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [begins])


# What it does


def test_from_nothing_to_head_and_no_further(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """The first run applies everything and says what; the second has nothing to do, and that is another answer."""
    first = ask(shop, database.asyncpg, "upgrade")
    second = ask(shop, database.asyncpg, "upgrade")

    assert first == {
        "outcome": "upgraded",
        "unchanged": False,
        "state": "empty",
        "before": [],
        "after": ["0002"],
        "applied": [
            {"revision": "0001", "message": "0001", "file": "0001_.py"},
            {"revision": "0002", "message": "0002", "file": "0002_.py"},
        ],
        "tables": 1,
        "creates": [],
        "makes": [],
        "shares": [],
        "version_table": "public.alembic_version",
        "address": f"127.0.0.1:{database.server.port}/{database.name}",
    }
    assert (second["outcome"], second["unchanged"]) == ("nothing to do", True)
    assert (second["state"], second["applied"]) == ("at_head", [])
    assert noted(database) == ["0002"]


@pytest.mark.parametrize("to", ["0001", "0001@head", "first", "first@head"])
def test_to_a_revision(ask: asking.Asker, tmp_path: Path, database: Database, to: str) -> None:
    """`to` names a revision by its id or by a branch label; what comes after it stays pending."""
    labelled = projects.revision("0001", upgrade=CREATE, branch_labels=["first"])
    service = projects.make_service(tmp_path / "shop", models=MODELS, history=[labelled])
    if "@" not in to and to != "first":
        service.add(SECOND)

    done = ask(service, database.asyncpg, "upgrade", to=to)

    assert (done["outcome"], done["after"]) == ("upgraded", ["0001"])


def test_to_the_beginning_of_an_id(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Four characters of an id are enough if no other begins so."""
    service = projects.make_service(
        tmp_path / "shop", history=[projects.revision("aaaa1111"), projects.revision("aaaa2222", "aaaa1111")]
    )

    assert ask(service, database.asyncpg, "upgrade", to="aaaa1")["after"] == ["aaaa1111"]
    assert fault_of(ask, service, database, to="aaaa").code == "no-such-revision"


def test_to_where_it_is(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """The revision that the database is at needs nothing; one that it has passed is refused, since apply goes forward."""
    ask(shop, database.asyncpg, "upgrade", to="0001")
    assert ask(shop, database.asyncpg, "upgrade", to="0001")["outcome"] == "nothing to do"
    ask(shop, database.asyncpg, "upgrade")

    fault = fault_of(ask, shop, database, to="0001")

    assert (fault.code, fault.kind) == ("past-revision", "refused")
    assert "alembic downgrade 0001" in fault.mend


@pytest.mark.parametrize(("to", "said"), [("0003", "0002"), ("nonsense", "heads"), ("nolabel@head", "heads")])
def test_to_nowhere(ask: asking.Asker, shop: projects.Made, database: Database, to: str, said: str) -> None:
    """A revision that does not exist is told, with what is near."""
    fault = fault_of(ask, shop, database, to=to)

    assert fault.code == "no-such-revision"
    assert said in fault.mend
    assert structure(database).item("table", "public.alembic_version") is None


def test_two_heads_by_design(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """With two heads declared, both are applied; `head` alone means neither."""
    service = projects.make_service(
        tmp_path / "shop",
        history=[projects.revision("a1", branch_labels=["a"]), projects.revision("b1", branch_labels=["b"])],
        heads=2,
    )

    assert fault_of(ask, service, database, to="head").code == "several-heads"
    assert ask(service, database.asyncpg, "upgrade", to="a@head")["after"] == ["a1"]
    assert ask(service, database.asyncpg, "upgrade")["after"] == ["a1", "b1"]
    assert ask(service, database.asyncpg, "upgrade")["outcome"] == "nothing to do"


def test_heads_that_depend_on_each_other(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A head that another depends on has no row of its own, and nothing is pending all the same."""
    service = projects.make_service(
        tmp_path / "shop", history=[projects.revision("a1"), projects.revision("b1", depends_on="a1")], heads=2
    )

    assert ask(service, database.asyncpg, "upgrade")["after"] == ["b1"]
    assert ask(service, database.asyncpg, "upgrade")["outcome"] == "nothing to do"


def test_two_heads_by_accident(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """Two heads that nobody declared, as git merges them, stop everything, and both files are named."""
    shop.add(projects.revision("0002b", "0001"))

    fault = fault_of(ask, shop, database)

    assert fault.code == "unexpected-heads"
    assert "0002_.py" in fault.message
    assert "0002b_.py" in fault.message


def test_a_version_table_of_its_own(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Where env.py names table and schema, the schema is made and the revision is found there."""
    service = projects.make_service(
        tmp_path / "shop",
        models=MODELS,
        history=HISTORY,
        configure="version_table='noted', version_table_schema='notes'",
    )

    assert ask(service, database.asyncpg, "upgrade")["after"] == ["0002"]
    assert noted(database, "notes.noted") == ["0002"]
    assert ask(service, database.asyncpg, "upgrade")["outcome"] == "nothing to do"


def test_a_role_that_may_not_make_schemas(
    ask: asking.Asker, tmp_path: Path, database: Database, new_role: NewRole
) -> None:
    """Where the version table's schema is there already, no right to make schemas is needed."""
    role = new_role()
    database.execute(f"CREATE SCHEMA notes AUTHORIZATION {role.name}")
    service = projects.make_service(
        tmp_path / "shop",
        history=[
            projects.revision("0001", upgrade="op.create_table('t', sa.Column('id', sa.Integer), schema='notes')")
        ],
        configure="version_table_schema='notes'",
    )

    assert ask(service, database.url(role=role), "upgrade")["after"] == ["0001"]


def test_two_services_in_one_database(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Two services with a schema each are applied side by side, and neither sees the other's tables as its own."""
    outcomes = []
    for name, other in (("orders", "pos"), ("pos", "orders")):
        service = projects.make_service(
            tmp_path / name,
            models=projects.table("item", schema=name),
            history=[
                projects.revision(
                    "0001",
                    upgrade=f"op.create_table('item', sa.Column('id', sa.Integer, primary_key=True), schema='{name}')",
                )
            ],
            configure=f"version_table_schema='{name}', include_schemas=True",
            schemas=[name],
            neighbours=[other],
        )
        outcomes.append(ask(service, database.asyncpg, "upgrade"))

    assert [(each["outcome"], each["after"], each["tables"]) for each in outcomes] == [("upgraded", ["0001"], 1)] * 2


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+psycopg2"])
def test_synchronous_projects(ask: asking.Asker, tmp_path: Path, database: Database, driver: str) -> None:
    """A project whose env.py is synchronous is applied like any other."""
    env = projects.ENV.replace("    asyncio.run(run_online())", "    run_sync()").replace(
        "async def run_online",
        """def run_sync():
    with __import__("sqlalchemy").create_engine(os.environ["{url_variable}"]).connect() as connection:
        run_on(connection)


async def run_online""",
    )
    service = projects.make_service(tmp_path / "shop", models=MODELS, history=HISTORY, env=env)

    assert ask(service, database.url(driver), "upgrade")["after"] == ["0002"]


# Refusals


def test_a_create_all_database_is_to_be_adopted(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Tables without a revision that are what the history makes are told to be adopted; nothing is written."""
    service = projects.make_service(tmp_path / "adoptee", models=MODELS, history=HISTORY)
    database.execute("CREATE TABLE product (id serial PRIMARY KEY, name varchar NOT NULL, note varchar)")
    before = structure(database)

    fault = fault_of(ask, service, database)

    assert (fault.code, fault.kind) == ("adopt-first", "refused")
    assert "invoke adopt --service adoptee" in fault.mend
    assert structure(database) == before
    assert scratch_databases(database, service) == []


def test_a_different_unversioned_database(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """Tables that differ from what the history makes are refused, with the difference and the way to empty them."""
    database.execute("CREATE TABLE product (id serial PRIMARY KEY, name text NOT NULL); CREATE TABLE extra (id int)")

    fault = fault_of(ask, shop, database)

    assert (fault.code, fault.kind) == ("unversioned-differs", "refused")
    assert "invoke cleanup --service shop" in fault.mend
    assert fault.data["difference"] == [
        "+ table public.extra: CREATE TABLE public.extra ()",
        "+ column public.extra.id: integer",
        "~ column public.product.name: character varying NOT NULL -> text NOT NULL",
        "- column public.product.note: character varying",
    ]


def test_what_is_nobodys_business_is_no_difference(
    ask: asking.Asker, shop: projects.Made, database: Database, new_role: NewRole
) -> None:
    """Owners, grants, comments on the database, publications, further extensions and schemas are no difference."""
    role = new_role()
    database.execute(
        f"""
        CREATE TABLE product (id serial PRIMARY KEY, name varchar NOT NULL, note varchar);
        ALTER TABLE product OWNER TO {role.name};
        GRANT SELECT ON product TO PUBLIC;
        CREATE EXTENSION vector;
        CREATE SCHEMA warehouse; CREATE TABLE warehouse.stock (id int);
        CREATE PUBLICATION everything FOR ALL TABLES;
        COMMENT ON DATABASE "{database.name}" IS 'the shop';
        COMMENT ON SCHEMA public IS 'ours';
        """
    )

    assert fault_of(ask, shop, database).code == "adopt-first"


def test_an_unversioned_database_and_a_history_that_fails(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """A history that does not start from empty can't be compared; that is said, not guessed."""
    service = projects.make_service(
        tmp_path / "shop",
        models=MODELS,
        history=[projects.revision("0001", upgrade="op.add_column('product', sa.Column('note', sa.String))")],
    )
    database.execute("CREATE TABLE product (id serial PRIMARY KEY, name varchar NOT NULL)")

    fault = fault_of(ask, service, database)

    assert (fault.code, fault.kind) == ("unversioned-unreplayable", "refused")
    assert '"product" does not exist' in fault.message


def test_a_revision_that_the_code_no_longer_has(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """A stamp of a history that was replaced is told with revision, database and each way out."""
    ask(shop, database.asyncpg, "upgrade")
    for file in shop.versions.glob("*.py"):
        file.unlink()
    shop.add(projects.revision("fresh", upgrade=CREATE))

    fault = fault_of(ask, shop, database)

    assert (fault.code, fault.kind) == ("unknown-revision", "refused")
    assert "0002" in fault.message
    assert database.name in fault.message
    for way_out in ("invoke restore --service shop", "git checkout", "invoke adopt", "invoke cleanup"):
        assert way_out in fault.mend
    assert noted(database) == ["0002"]


def test_a_version_table_that_alembic_never_writes(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """Two rows of which one contains the other are refused before Alembic trips over them."""
    ask(shop, database.asyncpg, "upgrade", to="0001")
    database.execute("INSERT INTO alembic_version VALUES ('0002')")

    fault = fault_of(ask, shop, database)

    assert (fault.code, fault.data["overlapping"]) == ("overlapping-revisions", ["0001"])


def test_no_revisions(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A service without revisions has nothing that could be applied, and is told how to make the first one."""
    fault = fault_of(ask, projects.make_service(tmp_path / "shop"), database)

    assert fault.code == "no-migrations"
    assert "invoke regenerate --service shop" in fault.mend


def test_a_database_that_moved_since_the_plan(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """A plan made on other revisions than those found is not carried out, unless there is nothing left to do."""
    ask(shop, database.asyncpg, "upgrade", to="0001")

    assert fault_of(ask, shop, database, seen=[]).code == "changed-since-plan"
    assert noted(database) == ["0001"]
    assert ask(shop, database.asyncpg, "upgrade", seen=["0001"])["outcome"] == "upgraded"
    assert ask(shop, database.asyncpg, "upgrade", seen=["0001"])["outcome"] == "nothing to do"


def test_unreachable(ask: asking.Asker, shop: projects.Made) -> None:
    """A database that does not answer is a fault of the database."""
    with pytest.raises(faults.DatabaseFault) as raised:
        ask(shop, "postgresql+asyncpg://someone@127.0.0.1:1/shop", "upgrade")

    assert raised.value.code == "database-unreachable"


# Only the database is believed


def test_env_that_swallows_exceptions(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """An exception that env.py swallows is found all the same: the database has not moved, and the statement is named."""
    broken = projects.revision("0002", "0001", upgrade="op.execute('ALTER TABLE nowhere ADD COLUMN x int')")
    service = projects.make_service(
        tmp_path / "shop",
        models=MODELS,
        history=[FIRST, broken],
        env=SWALLOWS,
        configure="transaction_per_migration=True",
    )

    fault = fault_of(ask, service, database)

    assert fault.code == "other-revision"
    assert "is at 0001 instead of 0002" in fault.message
    assert '"nowhere" does not exist' in fault.message
    assert "revision 0002" in fault.message
    assert "swallows" in fault.mend


@pytest.mark.parametrize(
    ("env", "code", "said"),
    [
        (FORGETS_TO_COMMIT, "nothing-applied", "is at no revision instead of 0002"),
        (SCHEDULES_ONLY, "env-did-nothing", "without running any migration"),
        (
            "print('nothing here'); import alembic.context as c; c.configure if False else None",
            "env-did-nothing",
            "without running any migration",
        ),
    ],
    ids=["query before configure", "task that nobody awaits", "empty"],
)
def test_env_that_does_nothing_and_ends_well(
    ask: asking.Asker, tmp_path: Path, database: Database, env: str, code: str, said: str
) -> None:
    """A run that ends well and applies nothing is a fault, where plain Alembic says nothing and exits 0."""
    service = projects.make_service(
        tmp_path / "shop",
        models=MODELS,
        history=HISTORY,
        env=env,
        version_table="alembic_version",
        version_table_schema="public",
    )

    fault = fault_of(ask, service, database)

    assert fault.code == code
    assert said in fault.message
    assert structure(database).item("table", "public.product") is None


def test_env_that_works_on_another_database(
    ask: asking.Asker, tmp_path: Path, database: Database, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An env.py with a URL of its own is stopped before it touches that database."""
    other = new_database()
    service = projects.make_service(
        tmp_path / "shop",
        models=MODELS,
        history=HISTORY,
        env=f"import os\nos.environ['OTHER_URL'] = {other.asyncpg!r}\n"
        + OTHER_DATABASE.replace("from __future__ import annotations\n", ""),
    )

    fault = fault_of(ask, service, database)

    assert (fault.code, fault.kind) == ("wrong-database", "refused")
    assert other.name in fault.message
    assert structure(other).item("table", "public.product") is None
    assert structure(database).item("table", "public.product") is None


def test_declared_version_table_that_env_does_not_use(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A registry that names another version table than env.py uses is found out by the database."""
    service = projects.make_service(
        tmp_path / "shop", models=MODELS, history=HISTORY, version_table="noted", version_table_schema="public"
    )

    fault = fault_of(ask, service, database)

    assert fault.code == "nothing-applied"
    assert "version_table" in fault.mend


# Failures


@pytest.mark.parametrize(
    "configure", ["transaction_per_migration=True", ""], ids=["a transaction each", "one transaction"]
)
def test_a_failing_revision(ask: asking.Asker, tmp_path: Path, database: Database, configure: str) -> None:
    """A revision that fails is named with file and statement; those before it stay, whatever env.py says of transactions."""
    broken = projects.revision(
        "0002",
        "0001",
        upgrade="op.create_table('other', sa.Column('id', sa.Integer))\nop.execute('ALTER TABLE nowhere ADD COLUMN x int')",
    )
    service = projects.make_service(tmp_path / "shop", models=MODELS, history=[FIRST, broken], configure=configure)

    fault = fault_of(ask, service, database)

    assert fault.code == "revision-failed"
    assert "revision 0002" in fault.message
    assert "0002_.py" in fault.message
    assert "ALTER TABLE nowhere ADD COLUMN x int" in fault.message
    assert "rolled back" in fault.message
    assert (fault.data["applied"], fault.data["at"]) == (["0001"], ["0001"])
    assert structure(database).item("table", "public.other") is None
    assert structure(database).item("table", "public.product") is not None


def test_a_half_applied_revision_has_a_name_and_a_rerun_finishes(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """What a revision ran outside its transaction stays when it fails: that is told, and mended it can run again."""
    text = """
    with op.get_context().autocommit_block():
        op.execute('CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_name ON product (name)')
    op.execute('ALTER TABLE {table} ADD COLUMN note varchar')
    """
    service = projects.make_service(
        tmp_path / "shop",
        models=MODELS,
        history=[FIRST, projects.revision("0002", "0001", upgrade=text.format(table="nowhere"))],
        configure="transaction_per_migration=True",
    )

    fault = fault_of(ask, service, database)
    service.add(projects.revision("0002", "0001", upgrade=text.format(table="product")))
    again = ask(service, database.asyncpg, "upgrade")

    assert fault.code == "half-applied"
    assert fault.data["statements"] == ["CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_name ON product (name)"]
    assert fault.data["difference"] == [
        "+ index public.ix_name: CREATE INDEX ix_name ON public.product USING btree (name)"
    ]
    assert (fault.data["at"], fault.data["revision"]) == (["0001"], "0002")
    assert "IF NOT EXISTS" in fault.mend
    assert (again["outcome"], again["after"]) == ("upgraded", ["0002"])


def test_an_id_that_the_version_table_can_not_hold(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A revision that runs and then can't be noted has failed; what it had committed makes it half applied."""
    long = "a_revision_with_a_name_of_more_than_32_characters"
    upgrade = "with op.get_context().autocommit_block():\n    op.execute('CREATE TABLE t ()')\nop.drop_table('product')"
    service = projects.make_service(
        tmp_path / "shop", models=MODELS, history=[FIRST, projects.revision(long, "0001", upgrade=upgrade)]
    )

    fault = fault_of(ask, service, database)

    assert (fault.code, fault.data["revision"], fault.data["at"]) == ("half-applied", long, ["0001"])
    assert "too long" in fault.message
    assert fault.data["statements"] == ["CREATE TABLE t ()"]


def test_an_engine_in_autocommit_mode_half_applies(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Where env.py's whole engine commits each statement, what ran before the failing one stays, and that is told."""
    service = projects.make_service(
        tmp_path / "shop",
        models=MODELS,
        history=[
            FIRST,
            projects.revision("0002", "0001", upgrade="op.execute('CREATE TABLE t ()')\nop.drop_table('no')"),
        ],
        env=projects.ENV.replace("poolclass=pool.NullPool", "poolclass=pool.NullPool, isolation_level='AUTOCOMMIT'"),
    )

    fault = fault_of(ask, service, database)

    assert (fault.code, fault.data["at"]) == ("half-applied", ["0001"])
    assert fault.data["statements"] == ["CREATE TABLE t ()"]
    assert fault.data["difference"] == ["+ table public.t: CREATE TABLE public.t ()"]


def test_an_autocommit_block_that_fails_at_once_leaves_nothing(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """Where the first statement outside a transaction is the one that fails, nothing is half applied."""
    service = projects.make_service(
        tmp_path / "shop",
        models=MODELS,
        history=[
            FIRST,
            projects.revision(
                "0002", "0001", upgrade="with op.get_context().autocommit_block():\n    op.execute('SELECT 1/0')"
            ),
        ],
        configure="transaction_per_migration=True",
    )

    fault = fault_of(ask, service, database)

    assert fault.code == "revision-failed"
    assert "division by zero" in fault.message


def test_a_revision_that_fails_in_python(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A mistake in the revision's own code is told with file and line."""
    service = projects.make_service(
        tmp_path / "shop",
        models=MODELS,
        history=[FIRST, projects.revision("0002", "0001", upgrade="op.creat_table('x')")],
    )

    fault = fault_of(ask, service, database)

    assert fault.code == "revision-failed"
    assert "creat_table" in fault.message
    assert "0002_.py:" in fault.message


def test_env_that_fails_before_any_revision(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """An env.py that does not get to its revisions is told as what it is."""
    service = projects.make_service(
        tmp_path / "shop",
        models=MODELS,
        history=HISTORY,
        env=projects.ENV.replace("def run_on(", "raise ValueError('no settings')\n\n\ndef run_on("),
    )

    fault = fault_of(ask, service, database)

    assert fault.code == "service-code-failed"
    assert "no settings" in fault.message
    assert "nothing was applied" in fault.message


# The SQL beforehand


DATA = projects.revision(
    "0003",
    "0002",
    upgrade="""
    product = sa.table('product', sa.column('name', sa.String), sa.column('note', sa.String))
    op.bulk_insert(product, [{'name': 'rye', 'note': None}, {'name': "baker's", 'note': '50 %'}])
    op.get_bind().execute(sa.text("UPDATE product SET note = :note WHERE name = :name"), {'note': 'x', 'name': 'rye'})
    op.execute("UPDATE product SET note = '10%' WHERE note LIKE '%x'")
    sa.inspect(op.get_bind()).get_columns('product')
    with op.get_context().autocommit_block():
        op.execute('CREATE INDEX CONCURRENTLY ix_name ON product (name)')
    """,
)


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg"])
def test_the_sql_of_what_is_pending(ask: asking.Asker, tmp_path: Path, database: Database, driver: str) -> None:
    """A dry run gives the statements of each pending revision, parameters written out, and writes nothing."""
    service = projects.make_service(
        tmp_path / f"recorded{driver[11:]}",
        models=MODELS,
        history=[*HISTORY, DATA],
        configure="transaction_per_migration=True",
    )
    ask(service, database.asyncpg, "upgrade", to="0001")
    before = structure(database)

    recorded = ask(service, database.url(driver), "record_sql")

    assert structure(database) == before
    assert noted(database) == ["0001"]
    assert scratch_databases(database, service) == []
    assert (recorded["before"], recorded["after"]) == (["0001"], ["0003"])
    assert [each["revision"] for each in recorded["revisions"]] == ["0002", "0003"]
    assert recorded["prepare"] == []
    assert recorded["revisions"][0]["noted"] == [
        "UPDATE alembic_version SET version_num='0002' WHERE alembic_version.version_num = '0001'"
    ]
    assert recorded["revisions"][0]["statements"] == ["ALTER TABLE product ADD COLUMN note VARCHAR"]
    kind = "::VARCHAR"
    assert recorded["revisions"][1]["statements"] == [
        f"INSERT INTO product (name, note) VALUES ('rye'{kind}, NULL{kind})",
        f"INSERT INTO product (name, note) VALUES ('baker''s'{kind}, '50 %'{kind})",
        "UPDATE product SET note = 'x' WHERE name = 'rye'",
        "UPDATE product SET note = '10%' WHERE note LIKE '%x'",
        "-- outside a transaction, each statement for itself:",
        "CREATE INDEX CONCURRENTLY ix_name ON product (name)",
    ]


def test_the_recorded_sql_does_what_the_upgrade_does(
    ask: asking.Asker, tmp_path: Path, database: Database, new_database: NewDatabase
) -> None:
    """The recorded statements, run by hand, lead to the same schema as the upgrade."""
    service = projects.make_service(tmp_path / "shop", models=MODELS, history=[*HISTORY, DATA])
    by_hand = new_database()
    recorded = ask(service, database.asyncpg, "record_sql")
    for revision in recorded["revisions"]:
        for statement in revision["statements"]:
            if not statement.startswith("--"):
                by_hand.execute(statement)
    ask(service, database.asyncpg, "upgrade")

    upgraded = structure(database).only(without_tables={"public.alembic_version"})
    assert catalog.compare(upgraded, structure(by_hand)).lines() == []
    assert database.fetch("SELECT name, note FROM product") == by_hand.fetch("SELECT name, note FROM product")


def test_no_sql_where_nothing_is_pending(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """At head there is nothing to record."""
    ask(shop, database.asyncpg, "upgrade")

    assert ask(shop, database.asyncpg, "record_sql")["revisions"] == []


def test_a_dry_run_refuses_what_a_run_would_refuse(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """What would stop the upgrade stops the dry run, with the same code."""
    database.execute("CREATE TABLE product (id int)")

    with pytest.raises(faults.RefusedFault) as raised:
        ask(shop, database.asyncpg, "record_sql")

    assert raised.value.code == "unversioned-differs"


def test_a_revision_that_fails_on_scratch(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """A dry run finds a failing revision before the real database does."""
    shop.add(projects.revision("0003", "0002", upgrade="op.execute('DROP TABLE nowhere')"))

    with pytest.raises(faults.DatabaseFault) as raised:
        ask(shop, database.asyncpg, "record_sql")

    assert "revision 0003" in raised.value.message
    assert structure(database).item("table", "public.product") is None
