"""`invoke cleanup`, as people type it: what it shows, what it empties, what it must leave alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from stillroom.runtime.connections import connection
from stillroom.runtime.schema import catalog
from tests.conftest import NewDatabase, NewRole
from tests.integration.conftest import SHOP
from tests.support import fleets, projects
from tests.support.postgres import Database, Role

ROWS = """
CREATE TABLE account (id int PRIMARY KEY, email text);
CREATE TABLE session (id int PRIMARY KEY, account_id int REFERENCES account);
CREATE TYPE mood AS ENUM ('calm', 'busy');
CREATE VIEW emails AS SELECT email FROM account;
INSERT INTO account SELECT n, 'me' || n || '@example.org' FROM generate_series(1, 1234) n;
INSERT INTO session VALUES (1, 1);
"""


@pytest.fixture
def full(auth: fleets.Fleet, owner: Role) -> fleets.Fleet:
    """The fleet `auth`, with rows in its database."""
    auth.databases["auth"].execute(ROWS, role=owner)
    return auth


def snapshot(database: Database) -> catalog.Snapshot:
    """The catalog of a database."""
    return connection.run(database.psycopg, catalog.snapshot)


def tables(database: Database, schema: str = "public") -> list[str]:
    """The tables of a schema."""
    query = "SELECT tablename::text FROM pg_tables WHERE schemaname = %s ORDER BY 1"
    return [name for (name,) in database.fetch(query, [schema])]


@contextlib.contextmanager
def locked(database: Database, role: Role, statement: str) -> Iterator[int]:
    """A session that holds a lock, and its pid."""
    with database.connect(role) as session:
        session.autocommit = False
        session.execute("SET application_name = 'the night shift'")
        session.execute(statement.encode())
        yield session.info.backend_pid


def test_it_shows_what_goes_and_empties_it(full: fleets.Fleet) -> None:
    """Host, database, tables and rows first; then the counts before and after, verified, and a summary."""
    database = full.databases["auth"]
    ran = full.run("cleanup", "--service", "auth", "--yes")
    assert ran.code == 0, ran.told
    shown = ran.stdout.splitlines()
    assert shown[0].startswith(f"auth: 127.0.0.1:{database.server.port}/{database.name}: 2 tables, ")
    assert "1 view" in shown[0]
    assert [line.split() for line in shown[1:3]] == [
        ["public.account", "1,234", "rows"],
        ["public.session", "1", "row"],
    ]
    assert shown[3].startswith("    rows are dumped to ")
    (row,) = [line.split() for line in shown if "✓ empty" in line]
    assert row[:3] == ["auth", "2", "0"]
    assert shown[-1] == "1 of 1 services emptied"
    assert tables(database) == []
    assert database.fetch("SELECT count(*) FROM pg_type WHERE typname = 'mood'") == [(0,)]


def test_a_dry_run_and_a_missing_yes_touch_nothing(full: fleets.Fleet) -> None:
    """The same plan in all of them; without a terminal it refuses with exit 4 and names the flag."""
    with full.untouched():
        dry = full.run("cleanup", "--dry-run")
        assert dry.code == 0, dry.told
        assert dry.stdout.splitlines()[-1] == "nothing was done"
        assert "1,234 rows" in dry.stdout
        (planned,) = full.run("cleanup", "--dry-run", "--json").json["services"]
        assert planned["tables"] == {"public.account": "1,234", "public.session": "1"}
        ran = full.run("cleanup")
        assert ran.code == 4, ran.told
        assert "there is no terminal to ask in: Empty 127.0.0.1:" in ran.stderr
        assert "--yes" in ran.stderr.splitlines()[-1]
    assert not (full.folder / ".stillroom" / "backups").exists()


def test_json_tells_what_was_done(full: fleets.Fleet) -> None:
    """Counts before and after, what was dropped, where the dump is."""
    ran = full.run("cleanup", "--yes", "--json")
    assert ran.code == 0, ran.told
    (done,) = ran.json["services"]
    assert (done["before"]["tables"], done["after"].get("tables", 0)) == (2, 0)
    assert Path(done["dump"]["file"]).stat().st_size == done["dump"]["size"]
    assert Path(done["dump"]["file"]).stat().st_mode & 0o077 == 0
    assert any("account" in each for each in done["dropped"])


def test_an_empty_database_needs_no_question(auth: fleets.Fleet) -> None:
    """There is nothing to lose."""
    with auth.untouched():
        ran = auth.run("cleanup")
        assert ran.code == 0, ran.told
    assert "is empty" in ran.stdout


def test_skip_backup_leaves_no_dump(full: fleets.Fleet) -> None:
    """And says nothing of one."""
    ran = full.run("cleanup", "--yes", "--skip-backup")
    assert ran.code == 0, ran.told
    assert "dumped" not in ran.stdout
    assert full.run("restore", "--list", "--database").stdout == "there are no backups\n"


def test_what_it_must_keep_is_the_same_afterwards(full: fleets.Fleet, owner: Role, new_role: NewRole) -> None:
    """Owner, grants, default privileges, comments, extensions, publications; by comparison of the catalogs."""
    database, reader = full.databases["auth"], new_role()
    database.execute(f"""
        CREATE EXTENSION vector;
        COMMENT ON SCHEMA public IS 'of the shop';
        GRANT USAGE ON SCHEMA public TO {reader.name};
        ALTER DEFAULT PRIVILEGES FOR ROLE {owner.name} IN SCHEMA public GRANT SELECT ON TABLES TO {reader.name};
        CREATE PUBLICATION everything FOR ALL TABLES;
    """)
    try:
        content = ("table", "column", "constraint", "index", "view", "type", "sequence", "rule", "owner")
        before = snapshot(database)
        assert full.run("cleanup", "--yes", "--skip-backup").code == 0
        gone = catalog.compare(before, snapshot(database))
        assert {item.kind for item in gone.missing} <= set(content)
        assert not gone.added
        assert not gone.changed
        kept = snapshot(database)
        assert {item.kind for item in kept.all} >= {
            "schema",
            "extension",
            "default_acl",
            "publication",
            "acl",
            "comment",
        }
    finally:
        database.execute(f"DROP PUBLICATION everything; DROP OWNED BY {reader.name}")


def test_a_neighbour_in_the_same_database_is_not_touched(
    tmp_path: Path, new_database: NewDatabase, owner: Role
) -> None:
    """Two services, one database, a schema each: only what the one owns goes (K4)."""
    database = new_database(owner=owner)
    fleet = fleets.Fleet(tmp_path / "fleet")
    for name in ("pos", "orders"):
        model = projects.table("receipt", "total: Mapped[int]", schema=name)
        fleet.add(name, database, owner, models=model, configure=f"version_table_schema='{name}'")
        fleet.services[name].settings.update(database="shopfloor", schemas=[name], version_table_schema=name)
        database.execute(f"CREATE SCHEMA {name}; CREATE TABLE {name}.receipt (id int, total int)", role=owner)
        database.execute(f"INSERT INTO {name}.receipt VALUES (1, 2)", role=owner)
    fleet.written()
    orders = database.fetch("SELECT oid, relfilenode FROM pg_class WHERE relnamespace = 'orders'::regnamespace")
    ran = fleet.run("cleanup", "--service", "pos", "--yes")
    assert ran.code == 0, ran.told
    assert tables(database, "pos") == []
    assert database.fetch("SELECT oid, relfilenode FROM pg_class WHERE relnamespace = 'orders'::regnamespace") == orders
    assert database.fetch("SELECT count(*) FROM orders.receipt") == [(1,)]


def test_a_blocked_cleanup_names_who_blocks_it(full: fleets.Fleet, owner: Role) -> None:
    """After the bounded wait: the session, its application and query, and how to end it; nothing is lost."""
    database = full.databases["auth"]
    with locked(database, owner, "SELECT count(*) FROM account") as pid:
        ran = full.run("cleanup", "--yes", "--skip-backup", "--lock-timeout", "0.3")
        assert ran.code == 1, ran.told
        assert f"session {pid}" in ran.stderr
        assert "the night shift" in ran.stderr
        assert "SELECT count(*) FROM account" in ran.stderr
        assert f"SELECT pg_terminate_backend({pid});" in ran.stderr
        assert "0 of 1 services emptied, 1 failed" in ran.stdout
    assert tables(database) == ["account", "session"]
    assert full.run("cleanup", "--lock-timeout", "soon").code == 2


def test_one_failure_does_not_stop_the_others(shop: fleets.Fleet, owner: Role) -> None:
    """Exit 1, and a summary of both."""
    shop.databases["auth"].execute(ROWS, role=owner)
    shop.databases["sales"].execute("CREATE TABLE sale (id int)", role=owner)
    with locked(shop.databases["auth"], owner, "LOCK TABLE account IN SHARE MODE"):
        ran = shop.run("cleanup", "--yes", "--skip-backup", "--lock-timeout", "0.3", "--jobs", "1")
    assert ran.code == 1, ran.told
    assert "1 of 2 services emptied, 1 failed" in ran.stdout
    assert tables(shop.databases["sales"]) == []
    assert tables(shop.databases["auth"]) == ["account", "session"]


def test_objects_of_a_role_that_cannot_be_dropped_are_named(full: fleets.Fleet, owner: Role, new_role: NewRole) -> None:
    """Objects of another role stay, and are said to; where the service's own need them, it refuses by name."""
    database, other = full.databases["auth"], new_role()
    database.execute(f"CREATE TABLE ledger (id int); ALTER TABLE ledger OWNER TO {other.name}")
    try:
        ran = full.run("cleanup", "--yes", "--skip-backup")
        assert ran.code == 0, ran.told
        assert "kept: table public.ledger" in ran.stdout
        assert f"(of role {other.name})" in ran.stdout
        assert tables(database) == ["ledger"]
    finally:
        database.execute("DROP TABLE IF EXISTS ledger")


def test_protected_places_refuse_unless_both_flags_are_right(full: fleets.Fleet) -> None:
    """A protected environment, and a database that marks itself, whatever the registry says."""
    name = full.databases["auth"].name
    rightly = ("--allow-protected", "live", "--expect-database", name)
    marked = ("--allow-protected", "production", "--expect-database", name)
    with full.untouched():
        for wrong in (
            [],
            ["--allow-protected", "live"],
            ["--expect-database", name],
            ["--allow-protected", "local", "--expect-database", name],
            ["--allow-protected", "live", "--expect-database", "other"],
        ):
            ran = full.run("cleanup", "--yes", "--environment", "live", *wrong)
            assert ran.code == 4, ran.told
        plain = full.run("cleanup", "--yes", "--environment", "live")
        assert "environment live is protected in services.yaml" in plain.stderr
        assert " ".join(rightly) in plain.stderr.splitlines()[-1]
        full.databases["auth"].execute(f"ALTER DATABASE {name} SET stillroom.environment = 'production'")
        for wrong in ([], ["--environment", "live", *rightly], list(marked[:2])):
            ran = full.run("cleanup", "--yes", "--json", *wrong)
            assert ran.code == 4, ran.told
            assert "marks itself as production" in ran.json["error"]["message"]
            assert " ".join(marked) in ran.json["error"]["mend"]
    assert full.run("cleanup", "--yes", *marked).code == 0
    assert tables(full.databases["auth"]) == []


def test_the_right_flags_lift_the_protection_of_an_environment(full: fleets.Fleet) -> None:
    """Both together, and nothing else."""
    name = full.databases["auth"].name
    ran = full.run("cleanup", "--yes", "--environment", "live", "--allow-protected", "live", "--expect-database", name)
    assert ran.code == 0, ran.told
    assert tables(full.databases["auth"]) == []


def test_rights_that_are_missing_are_named_with_the_line_that_gives_them(
    tmp_path: Path, new_database: NewDatabase, new_role: NewRole
) -> None:
    """All tables of the service that belong to another role, in order; 003's `permission denied for schema public`."""
    database, weak, strong = new_database(), new_role(), new_role()
    fleet = fleets.Fleet(tmp_path / "fleet").add("auth", database, weak, models=SHOP).written()
    database.execute(f"GRANT ALL ON SCHEMA public TO {strong.name}, {weak.name}")
    database.execute(ROWS, role=strong)
    try:
        with fleet.untouched():
            ran = fleet.run("cleanup", "--yes", "--skip-backup")
            assert ran.code == 4, ran.told
            assert (
                f"table public.account in database {database.name} belongs to role {strong.name}, "
                f"table public.session to {strong.name}, view public.emails to {strong.name}; "
            ) in ran.stderr
            lines = [line.strip() for line in ran.stderr.splitlines() if line.strip().startswith("ALTER")]
            assert lines == [
                f"ALTER TABLE public.account OWNER TO {weak.name};",
                f"ALTER TABLE public.session OWNER TO {weak.name};",
                f"ALTER VIEW public.emails OWNER TO {weak.name};",
            ]
            dry = fleet.run("cleanup", "--dry-run", "--json")
            assert dry.code == 4, dry.told
            assert dry.json["services"][0]["error"]["data"]["statements"] == lines
        database.execute(" ".join(lines))
        database.execute(f"DROP VIEW emails; REVOKE ALL ON SCHEMA public FROM PUBLIC, {weak.name}")
        with fleet.untouched():
            ran = fleet.run("cleanup", "--yes", "--skip-backup")
            assert ran.code == 1, ran.told
            assert "permission denied for schema public" in ran.stderr
            assert f"GRANT ALL PRIVILEGES ON SCHEMA public TO {weak.name};" in ran.stderr
            assert fleet.run("cleanup", "--yes").code != 0
    finally:
        database.execute(f"REVOKE ALL ON SCHEMA public FROM {strong.name}, {weak.name}")
