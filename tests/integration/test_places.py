"""Where generation works: scratch databases of every strategy, and the service's own where none can be had."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stillroom import session
from stillroom.runtime import faults
from tests.conftest import NewDatabase, NewRole
from tests.support import asking, projects
from tests.support.postgres import Database, Server


@pytest.fixture(scope="module")
def ask() -> Iterator[asking.Asker]:
    """The runtime on this machine."""
    asker = asking.Asker()
    yield asker
    asker.close()


def test_a_given_scratch_database_is_used_and_left_empty(
    ask: asking.Asker, tmp_path: Path, new_database: NewDatabase, new_role: NewRole, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role without CREATEDB generates where scratch_url_variable points."""
    role = new_role()
    own, given = new_database(owner=role), new_database(owner=role)
    monkeypatch.setenv("SHOP_SCRATCH_URL", given.url(role=role))
    shop = projects.make_service(tmp_path / "shop", scratch_url_variable="SHOP_SCRATCH_URL")
    asker = asking.Asker()
    made = asker(shop, own.url(role=role), "generate")
    asker.close()
    assert made["scratch"] == {"name": given.name, "strategy": "given-url"}
    assert given.fetch("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]


def test_no_scratch_database_names_the_ways(
    ask: asking.Asker, tmp_path: Path, new_database: NewDatabase, new_role: NewRole
) -> None:
    """Without CREATEDB and without another way, the error says what the ways are."""
    role = new_role()
    own = new_database(owner=role)
    shop = projects.make_service(tmp_path / "shop")
    with pytest.raises(faults.DatabaseFault) as caught:
        ask(shop, own.url(role=role), "generate")
    assert caught.value.code == "no-scratch-database"
    for way in ("CREATEDB", "scratch_url_variable", "scratch: embedded", "--reset-in-place"):
        assert way in caught.value.mend


def test_another_server_serves_for_scratch(
    tmp_path: Path, new_database: NewDatabase, postgres15: Server, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`scratch: embedded`: the scratch database is on the other server, and a differing version is a warning."""
    own = new_database(postgres15)
    monkeypatch.setenv("STILLROOM_SCRATCH_SERVER", postgres.url())
    shop = projects.make_service(tmp_path / "shop")
    asker = asking.Asker()
    made, heard = asker.heard(
        shop, own.asyncpg, "generate", facts={"scratch_server_variable": "STILLROOM_SCRATCH_SERVER"}
    )
    asker.close()
    assert made["scratch"]["strategy"] == "create-database"
    assert any("PostgreSQL 18" in warning and "15" in warning for warning in heard.warnings)


def test_reset_in_place_generates_on_the_own_database(
    ask: asking.Asker, tmp_path: Path, new_database: NewDatabase, new_role: NewRole
) -> None:
    """It is emptied first (rows dumped), used, and left empty; what others own stays."""
    role, other = new_role(), new_role()
    own = new_database(owner=role)
    own.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    own.execute("CREATE TABLE product (id int, name text); INSERT INTO product VALUES (1, 'x')", role=role)
    own.execute("CREATE TABLE stranger (id int); CREATE INDEX stranger_id ON stranger (id)", role=other)
    shop = projects.make_service(tmp_path / "shop")
    dump = tmp_path / "rows.dump"
    bin_folder = str(own.server.cluster.bin)
    made = ask(
        shop, own.url(role=role), "generate", reset_in_place=True, backup=str(dump), programs=[bin_folder],
        expect_database=own.name,
    )  # fmt: skip
    assert made["scratch"]["strategy"] == "reset-in-place"
    assert dump.stat().st_size > 0
    assert made["dumped"]["file"] == str(dump)
    assert own.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("stranger",)]


def test_reset_in_place_touches_only_its_own_schema(
    ask: asking.Asker, tmp_path: Path, new_database: NewDatabase
) -> None:
    """Two services share a database, a schema each (K4): the neighbour's table and rows are as they were."""
    own = new_database()
    own.execute("CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE b.theirs AS SELECT 1 AS n; CREATE TABLE a.old (id int)")
    shop = projects.make_service(
        tmp_path / "shop",
        models=projects.table("product", schema="a"),
        configure="include_schemas=True, include_name=lambda n, t, p: n == 'a' if t == 'schema' else True",
    )
    made = ask(
        shop, own.asyncpg, "generate", reset_in_place=True,
        facts={"schemas": ["a"], "neighbours": ["other"]},
    )  # fmt: skip
    assert made["tables"] == 1
    assert own.fetch("SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('a', 'b')") == [("b", "theirs")]
    assert own.fetch("SELECT n FROM b.theirs") == [(1,)]


def test_reset_in_place_refuses_a_marked_database(ask: asking.Asker, tmp_path: Path, new_database: NewDatabase) -> None:
    """Also when the operator's side would let it pass: the runtime asks the database itself."""
    own = new_database()
    own.execute(f"ALTER DATABASE \"{own.name}\" SET stillroom.environment = 'production'; CREATE TABLE kept (id int)")
    shop = projects.make_service(tmp_path / "shop")
    with pytest.raises(faults.RefusedFault) as caught:
        ask(shop, own.asyncpg, "generate", reset_in_place=True)
    assert caught.value.code == "protected-database"
    assert own.fetch("SELECT count(*) FROM kept") == [(0,)]


def test_dump_and_restore_bring_rows_back(ask: asking.Asker, tmp_path: Path, new_database: NewDatabase) -> None:
    """clean dumps what it empties; restore_database puts exactly that back, and a changed dump is refused."""
    own = new_database()
    own.execute(
        "CREATE TYPE mood AS ENUM ('a', 'b');"
        "CREATE TABLE product (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, m mood);"
        "INSERT INTO product (m) SELECT 'a' FROM generate_series(1, 1000);"
        "CREATE TABLE child (p int REFERENCES product); INSERT INTO child VALUES (7)"
    )
    shop = projects.make_service(tmp_path / "shop")
    programs = [str(own.server.cluster.bin)]
    dump = tmp_path / "rows.dump"
    cleaned = ask(shop, own.asyncpg, "clean", backup=str(dump), programs=programs)
    assert cleaned["report"]["before"]["tables"] == 2
    assert cleaned["report"]["after"]["tables"] == 0
    assert dump.stat().st_mode & 0o077 == 0
    sha256 = cleaned["dump"]["sha256"]
    answer = ask(shop, own.asyncpg, "restore_database", source=str(dump), sha256=sha256, programs=programs, backup=None)
    assert answer["rows"] == 1001
    assert own.fetch("SELECT count(*), max(id) FROM product") == [(1000, 1000)]
    dump.write_bytes(dump.read_bytes()[:-1] + b"x")
    with pytest.raises(faults.RefusedFault) as caught:
        ask(shop, own.asyncpg, "restore_database", source=str(dump), sha256=sha256, programs=programs)
    assert caught.value.code == "dump-changed"


def test_a_second_history_in_the_schema_is_refused(
    ask: asking.Asker, tmp_path: Path, new_database: NewDatabase
) -> None:
    """A database that somebody else uses, whom the registry does not know of, is not emptied (K4)."""
    own: Database = new_database()
    own.execute("CREATE TABLE other_version (version_num varchar(32) PRIMARY KEY); CREATE TABLE theirs (id int)")
    shop = projects.make_service(tmp_path / "shop")
    with pytest.raises(faults.RefusedFault) as caught:
        ask(shop, own.asyncpg, "clean")
    assert caught.value.code == "other-histories"
    assert "other_version" in caught.value.message
    assert own.fetch("SELECT count(*) FROM theirs") == [(0,)]


def test_the_embedded_server_s_urls_are_made_for_the_service_s_driver(tmp_path: Path) -> None:
    """A service with a synchronous env.py and psycopg2 goes from models to an applied migration."""
    env = projects.ENV.replace(
        "from sqlalchemy.ext.asyncio import create_async_engine", "from sqlalchemy import create_engine"
    ).replace(
        "    asyncio.run(run_online())",
        '    with create_engine(os.environ["{url_variable}"]).connect() as connection:\n        run_on(connection)',
    )
    shop = projects.make_service(tmp_path / "shop", env=env, driver="psycopg2")
    fleet = projects.make_registry(
        tmp_path, shop, environments={"development": {"target": "local", "database": "embedded"}}
    )
    with session.Session(fleet, fleet.environments["development"], 1) as opened:
        opened.open(fleet.services)
        made = opened.call(fleet.services[0], "generate")
        (shop.versions / made["file"]["name"]).write_text(made["file"]["content"])
        assert opened.call(fleet.services[0], "upgrade")["outcome"] == "upgraded"
