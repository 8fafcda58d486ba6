"""`status` at the service's side: each state by a real database, and what it costs."""

from __future__ import annotations

import concurrent.futures
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stillroom.runtime import faults
from tests.conftest import NewDatabase, NewRole
from tests.support import asking, projects
from tests.support.postgres import Database

CREATE = "op.create_table('product', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String))"
HISTORY = (
    projects.revision("0001", upgrade=CREATE, downgrade="op.drop_table('product')"),
    projects.revision("0002", "0001", upgrade="op.add_column('product', sa.Column('note', sa.Text))"),
)


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
    """A service with two revisions."""
    return projects.make_service(tmp_path / "shop", history=HISTORY)


def state_of(ask: asking.Asker, service: projects.Made, database: Database) -> str:
    """The state alone."""
    return str(ask(service, database.asyncpg, "status")["state"])


def test_each_state_in_turn(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """A database goes from empty over behind to at_head, by Alembic's own hand, and is told so each time."""
    assert ask(shop, database.asyncpg, "status") == {
        "state": "empty",
        "revision": [],
        "head": ["0002"],
        "tables": 0,
        "pending": [
            {"revision": "0001", "message": "0001", "file": "0001_.py"},
            {"revision": "0002", "message": "0002", "file": "0002_.py"},
        ],
        "unknown": [],
        "message": "",
        "mend": "invoke apply --service shop",
        "address": f"127.0.0.1:{database.server.port}/{database.name}",
        "version_table": "public.alembic_version",
        "invalid_indexes": [],
    }

    ask(shop, database.asyncpg, "upgrade", to="0001")
    behind = ask(shop, database.asyncpg, "status")
    ask(shop, database.asyncpg, "upgrade")
    at_head = ask(shop, database.asyncpg, "status")

    assert (behind["state"], behind["revision"], behind["tables"]) == ("behind", ["0001"], 1)
    assert behind["message"] == "1 revision is pending: 0002"
    assert behind["mend"] == "invoke apply --service shop"
    assert (at_head["message"], at_head["mend"]) == ("", "")
    assert (at_head["state"], at_head["revision"], at_head["pending"]) == ("at_head", ["0002"], [])


def test_ahead(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """A database that a newer release has migrated is ahead of the older code: its revision is named, and all ways out."""
    shop.add(projects.revision("0003", "0002"))
    ask(shop, database.asyncpg, "upgrade")
    (shop.versions / "0003_.py").unlink()

    found = ask(shop, database.asyncpg, "status")

    assert (found["state"], found["unknown"]) == ("ahead", ["0003"])
    assert "0003" in found["message"]
    for way in ("restore", "adopt", "cleanup"):
        assert f"invoke {way} --service shop" in found["mend"]


def test_diverged(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A database at an unknown revision of one branch, and behind on the other, has diverged."""
    service = projects.make_service(
        tmp_path / "shop",
        history=[projects.revision("a1"), projects.revision("a2", "a1"), projects.revision("b1")],
        heads=2,
    )
    ask(service, database.asyncpg, "upgrade", to="a1")
    ask(service, database.asyncpg, "upgrade", to="b1")
    (service.versions / "b1_.py").unlink()

    found = ask(service, database.asyncpg, "status")

    assert (found["state"], found["revision"], found["unknown"]) == ("diverged", ["a1", "b1"], ["b1"])


@pytest.mark.parametrize("noted", ["", "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"])
def test_unversioned(ask: asking.Asker, shop: projects.Made, database: Database, noted: str) -> None:
    """Tables without a noted revision are unversioned, whether the version table is missing or holds no row."""
    database.execute("CREATE TABLE product (id int)")
    if noted:
        database.execute(noted)

    found = ask(shop, database.asyncpg, "status")

    assert (found["state"], found["tables"]) == ("unversioned", 1)
    assert found["mend"].startswith("invoke adopt --service shop, which compares")


def test_no_migrations(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A service without revisions has no_migrations, also where its database holds tables, or notes a revision."""
    service = projects.make_service(tmp_path / "shop")
    database.execute("CREATE TABLE product (id int)")

    found = ask(service, database.asyncpg, "status")
    assert (found["state"], found["mend"]) == ("no_migrations", "invoke regenerate --service shop")

    database.execute("CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('0001')")
    found = ask(service, database.asyncpg, "status")
    assert (found["state"], found["unknown"]) == ("no_migrations", ["0001"])
    assert "invoke restore --service shop" in found["mend"]


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2", "postgresql"])
def test_unreachable(ask: asking.Asker, shop: projects.Made, database: Database, driver: str) -> None:
    """A database that does not answer is a state with its reason, not an error, with every driver."""
    nobody = ask(shop, f"{driver}://someone@127.0.0.1:1/shop", "status")
    missing = ask(shop, database.server.url("not_there", driver), "status")

    assert (nobody["state"], nobody["tables"], nobody["head"]) == ("unreachable", None, ["0002"])
    assert "127.0.0.1:1" in nobody["message"]
    assert nobody["mend"]
    assert missing["state"] == "unreachable"
    assert "not_there" in missing["message"]


def test_version_table_that_may_not_be_read(
    ask: asking.Asker, shop: projects.Made, database: Database, new_role: NewRole
) -> None:
    """A role that may not read the version table can't tell the state: unreachable, with the GRANT."""
    ask(shop, database.asyncpg, "upgrade")
    role = new_role()

    found = ask(shop, database.url(role=role), "status")

    assert found["state"] == "unreachable"
    assert "permission denied" in found["message"]
    assert "GRANT" in found["mend"]


def test_reading_role(ask: asking.Asker, shop: projects.Made, database: Database, new_role: NewRole) -> None:
    """SELECT on the version table is enough."""
    ask(shop, database.asyncpg, "upgrade")
    role = new_role()
    database.execute(f"GRANT SELECT ON alembic_version TO {role.name}")

    assert ask(shop, database.url(role=role), "status")["state"] == "at_head"


@pytest.mark.parametrize(
    "configure",
    ["version_table='shop_version'", "**{'version_table': ''.join(['shop', '_version'])}"],
    ids=["constant", "computed"],
)
def test_version_table_of_env(ask: asking.Asker, tmp_path: Path, database: Database, configure: str) -> None:
    """The version table is the one that env.py names: read there if it is constant, asked for by running it if not."""
    service = projects.make_service(tmp_path / "shop", history=HISTORY, configure=configure)
    ask(service, database.asyncpg, "upgrade")

    assert database.fetch("SELECT version_num FROM shop_version") == [("0002",)]
    assert state_of(ask, service, database) == "at_head"


def test_asking_env_makes_nothing(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Where env.py has to run to tell its version table, it makes none."""
    service = projects.make_service(
        tmp_path / "shop", history=HISTORY, configure="**{'version_table': ''.join(['shop', '_version'])}"
    )

    assert state_of(ask, service, database) == "empty"
    assert database.fetch("SELECT count(*) FROM pg_class WHERE relname = 'shop_version'") == [(0,)]


def test_declared_version_table_wins(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """What the registry declares needs no env.py at all."""
    service = projects.make_service(
        tmp_path / "shop",
        history=HISTORY,
        env="raise SystemExit('ran')",
        version_table="noted",
        version_table_schema="s",
    )
    database.execute("CREATE SCHEMA s; CREATE TABLE s.noted (version_num text); INSERT INTO s.noted VALUES ('0002')")

    assert state_of(ask, service, database) == "at_head"


def test_nothing_of_the_service_is_executed(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Neither env.py nor models nor revision files run for a status."""
    broken = projects.revision("0001", upgrade="pass").text + "\nraise RuntimeError('revision ran')\n"
    service = projects.make_service(
        tmp_path / "shop",
        models="raise RuntimeError('models ran')",
        history={"0001_.py": broken},
        env="from alembic import context\nraise RuntimeError('env ran')\ncontext.configure(version_table='v')",
    )

    assert state_of(ask, service, database) == "empty"


def test_two_services_in_one_database(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Each of two services with a schema and a version table of its own sees its own tables and revisions only."""
    made = {}
    for name in ("orders", "pos"):
        made[name] = projects.make_service(
            tmp_path / name,
            history=[
                projects.revision(
                    "0001", upgrade=f"op.create_table('item', sa.Column('id', sa.Integer), schema='{name}')"
                )
            ],
            configure=f"version_table_schema='{name}', include_schemas=True",
            schemas=[name],
            neighbours=["pos" if name == "orders" else "orders"],
        )
    ask(made["orders"], database.asyncpg, "upgrade")

    orders = ask(made["orders"], database.asyncpg, "status")
    pos = ask(made["pos"], database.asyncpg, "status")

    assert (orders["state"], orders["tables"]) == ("at_head", 1)
    assert (pos["state"], pos["tables"]) == ("empty", 0)


def test_two_services_in_one_schema(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Of a schema that services share, only the tables that the service's own revisions make count as its own."""
    made = {}
    for name in ("orders", "pos"):
        made[name] = projects.make_service(
            tmp_path / name,
            history=[projects.revision("0001", upgrade=f"op.create_table('{name}_item', sa.Column('id', sa.Integer))")],
            configure=f"version_table='{name}_version'",
            version_table=f"{name}_version",
            neighbours=["pos" if name == "orders" else "orders"],
        )
    ask(made["orders"], database.asyncpg, "upgrade")

    assert ask(made["orders"], database.asyncpg, "status")["tables"] == 1
    assert state_of(ask, made["pos"], database) == "empty"


def test_indexes_that_could_not_be_made_are_told(
    ask: asking.Asker, shop: projects.Made, database: Database, new_role: NewRole
) -> None:
    """Those of the service, with what mends them; to a role that may not see others' sessions as well."""
    ask(shop, database.asyncpg, "upgrade")
    database.execute(
        "INSERT INTO product (name) VALUES ('a'), ('a'); CREATE SCHEMA far; CREATE TABLE far.t (name text)"
    )
    database.execute("INSERT INTO far.t VALUES ('a'), ('a')")
    for table in ("product", "far.t"):
        with pytest.raises(psycopg.errors.UniqueViolation):
            database.execute(f"CREATE UNIQUE INDEX CONCURRENTLY ix ON {table} (name)")
    own = projects.Made(shop.path, shop.url_variable, {**shop.settings, "schemas": ["public"]})
    reader = new_role()
    database.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader.name}")

    found = ask(own, database.url(role=reader), "status")
    everything = ask(shop, database.asyncpg, "status")["invalid_indexes"]

    assert (found["state"], [each["name"] for each in found["invalid_indexes"]]) == ("at_head", ["ix"])
    assert [each["name"] for each in everything] == ["far.ix", "ix"]
    database.execute("DELETE FROM product WHERE id = 2")
    for statement in found["invalid_indexes"][0]["again"].rstrip(";").split(";"):
        database.execute(statement)
    assert ask(own, database.asyncpg, "status")["invalid_indexes"] == []
    assert database.fetch("SELECT indisunique, indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass") == [
        (True, True)
    ]


def test_an_index_that_is_being_made_is_not_told(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """It is not valid yet, and nobody has to do anything."""
    ask(shop, database.asyncpg, "upgrade")
    with database.connect() as holder, concurrent.futures.ThreadPoolExecutor() as pool:
        holder.execute("BEGIN; INSERT INTO product (name) VALUES ('a')")
        try:
            making = pool.submit(database.execute, "CREATE INDEX CONCURRENTLY ix ON product (name)")
            while not database.fetch("SELECT 1 FROM pg_class WHERE relname = 'ix'"):
                assert not making.done()
            found = ask(shop, database.asyncpg, "status")["invalid_indexes"]
        finally:
            holder.execute("COMMIT")
        making.result()
    assert found == []


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        ({"migrations/versions/0002_.py": "revision = "}, "does-not-parse", "0002_.py"),
        ({"migrations/versions/0001_.py": None}, "missing-parent", "0001"),
        ({"migrations/versions/copy.py": HISTORY[1].text}, "duplicate-id", "copy.py"),
        ({"migrations/versions/empty.py": ""}, "not-a-revision", "empty.py"),
        ({"alembic.ini": None}, "config-missing", "alembic.ini"),
        ({"migrations/env.py": None}, "env-missing", "env.py"),
    ],
)
def test_code_that_can_not_be_read(
    ask: asking.Asker, tmp_path: Path, database: Database, files: dict[str, str | None], code: str, said: str
) -> None:
    """A history on whose heads nothing can be decided is an error that names the file, never a state."""
    service = projects.make_service(tmp_path / "shop", history=HISTORY, files=files)

    with pytest.raises(faults.ProjectFault) as raised:
        ask(service, database.asyncpg, "status")

    assert raised.value.code == code
    assert said in raised.value.message
    assert raised.value.mend


def test_variable_missing(ask: asking.Asker, shop: projects.Made) -> None:
    """Without the URL there is nobody to ask: an error that names the variable."""
    with pytest.raises(faults.ProjectFault) as raised:
        ask(shop, None, "status")

    assert raised.value.code == "variable-missing"
    assert "SHOP_DATABASE_URL" in raised.value.message


def statements_of(database: Database, work: Any) -> list[str]:
    """What the server logs of the work, for databases that log every statement."""
    database.execute(f"ALTER DATABASE \"{database.name}\" SET log_statement = 'all'")
    log = database.server.cluster.log
    before = log.stat().st_size
    work()
    with log.open("rb") as file:
        file.seek(before)
        lines = file.read().decode("utf-8", "replace").splitlines()
    return [line for line in lines if "statement:" in line or "execute " in line]


def test_few_statements(ask: asking.Asker, shop: projects.Made, database: Database) -> None:
    """A status asks the server two questions, on one connection."""
    ask(shop, database.asyncpg, "upgrade")

    seen = statements_of(database, lambda: ask(shop, database.asyncpg, "status"))

    assert len([line for line in seen if "SELECT" in line]) == 2, seen
    assert len({line.split("[")[1].split("]")[0] for line in seen}) == 1, seen


def test_no_alembic_where_reading_is_enough(shop: projects.Made, database: Database) -> None:
    """A status that needs no env.py imports no Alembic, which would take longer than everything else."""
    script = (
        "import json, sys\n"
        "from stillroom.runtime.wire import protocol; from stillroom.runtime.applying import status\n"
        "facts = {'name': 'shop', 'path': sys.argv[1], 'config': sys.argv[1] + '/alembic.ini',"
        " 'url_variable': 'SHOP_DATABASE_URL'}\n"
        "print(status.status(protocol.Request('1', 'status', facts, {}), None)['state'], 'alembic' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(shop.path)],
        env={shop.url_variable: database.asyncpg},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "empty False\n"
