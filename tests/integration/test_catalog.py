"""The catalog against real servers: what a snapshot says, and that it can be made again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations

from stillroom.runtime.connections import connection, sqltext
from stillroom.runtime.schema import catalog, recreate
from tests.conftest import NewDatabase, NewRole
from tests.support import rich
from tests.support.postgres import Database, Role, Server

TABLE = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE "user" (id serial PRIMARY KEY, name text NOT NULL, feeling mood DEFAULT 'sad');
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text,
                     user_id integer CONSTRAINT fk_user REFERENCES "user" (id));
CREATE INDEX ix_orders_note ON orders (note);
CREATE VIEW named AS SELECT u.name, o.note FROM "user" u JOIN orders o ON o.user_id = u.id;
"""


def take(database: Database, driver: str = "postgresql+asyncpg", role: Role | None = None) -> catalog.Snapshot:
    """A snapshot on a connection of its own."""
    return connection.run(database.url(driver, role), catalog.snapshot)


def names(snapshot: catalog.Snapshot, kind: str) -> list[str]:
    """The names of one kind."""
    return [item.name for item in snapshot.all if item.kind == kind]


@pytest.fixture(params=["postgres", "postgres15"])
def server(request: pytest.FixtureRequest) -> Server:
    """PostgreSQL 18 without contrib, then 15 with it."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def database(server: Server, new_database: NewDatabase) -> Database:
    """An empty database on it."""
    return new_database(server)


@pytest.fixture
def full(database: Database, new_role: NewRole) -> Database:
    """A database with one of nearly everything."""
    reader = new_role(database.server)
    rich.fill(database, reader)
    return database


def test_an_empty_database_has_what_every_database_has(database: Database) -> None:
    """Only the schema public with its owner, right and comment, plpgsql, and the owner of the database."""
    kinds = {item.kind for item in take(database).all}
    assert kinds == {"schema", "owner", "acl", "comment", "extension"}
    assert names(take(database), "schema") == ["public"]


def test_items_have_full_names_and_definitions(database: Database) -> None:
    """Tables, columns, constraints, indexes, types are told as SQL writes them."""
    database.execute(TABLE)
    snapshot = take(database)
    assert names(snapshot, "table") == ['public."user"', "public.orders"]
    assert snapshot["column", 'public."user".feeling'] == "public.mood DEFAULT 'sad'::public.mood"
    assert snapshot["column", 'public."user".name'] == "text NOT NULL"
    assert snapshot["column", "public.orders.id"] == "bigint GENERATED ALWAYS AS IDENTITY NOT NULL"
    assert snapshot["constraint", "public.orders.fk_user"] == 'FOREIGN KEY (user_id) REFERENCES public."user"(id)'
    assert snapshot["index", "public.ix_orders_note"].endswith("ON public.orders USING btree (note)")
    assert snapshot["type", "public.mood"] == "CREATE TYPE public.mood AS ENUM ('sad', 'happy')"
    assert names(snapshot, "index") == ["public.ix_orders_note"], "indexes of constraints belong to these"
    assert names(snapshot, "sequence") == ["public.user_id_seq"], "the sequence of an identity column belongs to it"


def test_equal_structure_is_equal_however_it_came_about(server: Server, new_database: NewDatabase) -> None:
    """Object ids, the order of creation and of columns, and dropped columns leave no mark."""
    one, other = new_database(server), new_database(server)
    one.execute(TABLE)
    other.execute("""
        CREATE TABLE gone (id integer); DROP TABLE gone;
        CREATE TYPE mood AS ENUM ('happy'); ALTER TYPE mood ADD VALUE 'sad' BEFORE 'happy';
    """)
    other.execute("""
        CREATE TABLE orders (user_id integer, gone text, note text, id bigint GENERATED ALWAYS AS IDENTITY);
        ALTER TABLE orders DROP COLUMN gone;
        CREATE INDEX ix_orders_note ON orders (note);
        ALTER TABLE orders ADD PRIMARY KEY (id);
        CREATE TABLE "user" (feeling mood DEFAULT 'sad', name text NOT NULL, id serial PRIMARY KEY);
        ALTER TABLE orders ADD CONSTRAINT fk_user FOREIGN KEY (user_id) REFERENCES "user";
        CREATE VIEW named AS SELECT u.name, o.note FROM "user" u JOIN orders o ON o.user_id = u.id;
    """)
    difference = catalog.compare(take(one), take(other))
    assert difference.lines() == []


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_driver_gives_the_same(full: Database, driver: str) -> None:
    """The statement goes through each driver as it is."""
    assert dict(take(full, driver)) == dict(take(full))


def test_settings_of_the_session_do_not_show(full: Database) -> None:
    """search_path, time zone, date style and the like change nothing, and are as before afterwards."""
    settings = {
        "search_path": "billing, public",
        "timezone": "Asia/Tokyo",
        "datestyle": "SQL, DMY",
        "intervalstyle": "iso_8601",
        "extra_float_digits": "-5",
        "bytea_output": "escape",
        "quote_all_identifiers": "on",
    }

    def work(conn: sqlalchemy.engine.Connection) -> tuple[catalog.Snapshot, dict[str, str]]:
        for name, value in settings.items():
            conn.exec_driver_sql(f"SET {name} = {value if name == 'search_path' else repr(value)}")
        taken = catalog.snapshot(conn)
        return taken, {name: str(conn.exec_driver_sql(f"SHOW {name}").scalar()) for name in settings}

    taken, after = connection.run(full.asyncpg, work)
    assert catalog.compare(take(full), taken).lines() == []
    assert after == settings


def test_an_ordinary_role_sees_the_same_in_a_read_only_transaction(full: Database, new_role: NewRole) -> None:
    """No right to any object is needed, and nothing is written."""
    role = new_role(full.server)

    def work(conn: sqlalchemy.engine.Connection) -> catalog.Snapshot:
        conn.exec_driver_sql("SET TRANSACTION READ ONLY")
        return catalog.snapshot(conn)

    assert catalog.compare(take(full), connection.run(full.url(role=role), work)).lines() == []


def test_everything_is_of_one_statement(database: Database, new_role: NewRole) -> None:
    """A short one mostly; where there is anything rare, the long one, whose rows are all that counts."""
    sent: list[str] = []

    def work(conn: sqlalchemy.engine.Connection) -> None:
        sqlalchemy.event.listen(conn, "before_cursor_execute", lambda *args: sent.append(args[2]))
        catalog.snapshot(conn)

    major = database.server.major
    database.execute(TABLE)
    connection.run(database.asyncpg, work)
    assert sent == [catalog.statement(major, rare=False)]
    database.execute("CREATE PUBLICATION p")
    connection.run(database.asyncpg, work)
    assert sent[1:] == [catalog.statement(major, rare=False), catalog.statement(major)]


SERVER = "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', password 'x')"
RARE = {
    "collation": "CREATE COLLATION c (PROVIDER = libc, LOCALE = 'C')",
    "statistics": "CREATE STATISTICS s ON a, b FROM t",
    "operator": "CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = integer, RIGHTARG = integer)",
    "operator_class": "CREATE OPERATOR CLASS o FOR TYPE integer USING hash AS OPERATOR 1 =",
    "cast": "CREATE CAST (name AS integer) WITH INOUT",
    "text_search_dictionary": "CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple)",
    "text_search_mapping": "CREATE TEXT SEARCH CONFIGURATION c (COPY = simple)",
    "policy": "CREATE POLICY p ON t",
    "publication": "CREATE PUBLICATION p FOR ALL TABLES",
    "event_trigger": "CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION on_event()",
    "foreign_data_wrapper": "CREATE FOREIGN DATA WRAPPER w",
    "foreign_server": SERVER,
    "user_mapping": f"{SERVER}; CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (password 'x')",
    "foreign_table": f"{SERVER}; CREATE FOREIGN TABLE f () SERVER s OPTIONS (password 'x', name 'y')",
}


@pytest.mark.parametrize("kind", RARE)
def test_what_is_rare_is_seen_all_the_same(postgres: Server, new_database: NewDatabase, kind: str) -> None:
    """Each rare kind by itself, without a neighbour that would give it away; and no password."""
    database = new_database(postgres)
    database.execute(
        "CREATE TABLE t (a integer, b integer);"
        " CREATE FUNCTION on_event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'"
    )
    before = take(database)
    database.execute(RARE[kind])
    added = catalog.compare(before, take(database)).added
    assert kind in {item.kind for item in added}
    assert not [item for item in added if "password" in item.definition]


def test_the_statement_is_not_worth_compiling(full: Database) -> None:
    """Its estimate stays below jit_above_cost: compiling takes a second, running some milliseconds."""

    def work(conn: sqlalchemy.engine.Connection) -> tuple[str, float]:
        plan = conn.exec_driver_sql("EXPLAIN (FORMAT JSON) " + catalog.statement(full.server.major)).scalar()
        return plan, float(str(conn.exec_driver_sql("SHOW jit_above_cost").scalar()))

    full.execute("ANALYZE")
    plan, limit = connection.run(full.url("postgresql+psycopg"), work)
    assert plan[0]["Plan"]["Total Cost"] < limit / 10


def test_temporary_and_system_objects_are_left_out(database: Database) -> None:
    """What a session made for itself is no structure of the database."""
    before = take(database)

    def work(conn: sqlalchemy.engine.Connection) -> catalog.Snapshot:
        conn.exec_driver_sql("CREATE TEMPORARY TABLE mine (id serial PRIMARY KEY)")
        conn.exec_driver_sql("CREATE TEMPORARY VIEW seen AS SELECT 1 AS one")
        return catalog.snapshot(conn)

    assert catalog.compare(before, connection.run(database.asyncpg, work)).lines() == []


def test_members_of_extensions_are_left_out(postgres15: Server, new_database: NewDatabase) -> None:
    """An extension is one item, and nothing of what it brings."""
    database = new_database(postgres15)
    before = take(database)
    database.execute(
        'CREATE EXTENSION pg_trgm; CREATE EXTENSION "uuid-ossp"; CREATE EXTENSION hstore; CREATE EXTENSION cube'
    )
    difference = catalog.compare(before, take(database))
    added = [item for item in difference.added if item.kind != "comment"]
    assert [item.name for item in added] == ['"uuid-ossp"', "cube", "hstore", "pg_trgm"]
    assert {item.kind for item in added} == {"extension"}
    assert not difference.missing
    assert not difference.changed


def test_tables_can_be_excluded_by_any_spelling(database: Database) -> None:
    """A keyword is a name like any other, quoted or not; all that belongs to the table goes with it."""
    database.execute(TABLE)
    taken = connection.run(database.asyncpg, lambda conn: catalog.snapshot(conn, exclude_tables=["public.user"]))
    assert names(taken, "table") == ["public.orders"]
    assert not [item for item in taken.all if '"user"' in item.name]


def test_rights_are_told_by_what_differs_from_the_default(database: Database, new_role: NewRole) -> None:
    """A new object has no item of rights; what was granted and what was revoked has one each."""
    role = new_role(database.server).name
    database.execute(
        "CREATE TABLE t (a integer, b integer); CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1'"
    )
    before = take(database)
    assert [item for item in before.all if item.kind == "acl"] == [before.item("acl", "schema public to PUBLIC")]
    database.execute(f"""
        GRANT SELECT, INSERT ON t TO {role}; GRANT UPDATE (b) ON t TO {role} WITH GRANT OPTION;
        REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC;
        ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role};
    """)
    added = {item.definition for item in catalog.compare(before, take(database)).added}
    owner = database.server.superuser.name
    assert added == {
        f"GRANT INSERT, SELECT ON TABLE public.t TO {role}",
        f"GRANT UPDATE (b) ON TABLE public.t TO {role} WITH GRANT OPTION",
        "REVOKE EXECUTE ON FUNCTION public.f() FROM PUBLIC",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT ON TABLES TO {role}",
    }


CHANGES = {
    "ALTER TABLE orders ALTER COLUMN note SET NOT NULL": "~ column public.orders.note: text -> text NOT NULL",
    "ALTER TABLE orders ADD CHECK (note <> '')": "+ constraint public.orders.orders_note_check: CHECK ((note <> ''::text))",
    "ALTER TYPE mood RENAME VALUE 'sad' TO 'low'": "~ type public.mood",
    "DROP INDEX ix_orders_note": "- index public.ix_orders_note: CREATE INDEX",
    "ALTER TABLE orders ENABLE ROW LEVEL SECURITY": "+ row security public.orders",
    "ALTER TABLE orders REPLICA IDENTITY FULL": "+ replica identity public.orders",
    "ALTER TABLE orders SET (fillfactor = 50)": "+ option public.orders fillfactor",
    "ALTER TABLE orders SET UNLOGGED": "~ table public.orders",
    "COMMENT ON COLUMN orders.note IS 'x'": "+ comment table column public.orders.note",
    "ALTER SEQUENCE user_id_seq INCREMENT BY 3": "~ sequence public.user_id_seq",
    'CREATE OR REPLACE VIEW named AS SELECT u.name, o.note, 1 AS n FROM "user" u, orders o': "~ view public.named",
    "CREATE FUNCTION f(a integer DEFAULT 1) RETURNS integer LANGUAGE sql AS 'SELECT 1'": "+ function public.f(integer)",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_shows(postgres: Server, new_database: NewDatabase, change: str) -> None:
    """Whatever changes is told on a line that names it."""
    database = new_database(postgres)
    database.execute(TABLE)
    before = take(database)
    database.execute(change)
    lines = catalog.compare(before, take(database)).lines()
    assert [line for line in lines if line.startswith(CHANGES[change])], lines


def test_an_index_that_is_not_valid_says_so(database: Database) -> None:
    """A failed CREATE INDEX CONCURRENTLY leaves an index that is no good."""
    database.execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (1), (1)")
    with pytest.raises(Exception, match="could not create unique index"), database.connect() as conn:
        conn.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON t (a)")
    assert take(database)["index", "public.broken"].endswith("/* INVALID */")


def test_everything_can_be_made_again_and_dropped_again(full: Database, new_database: NewDatabase) -> None:
    """create_sql leads from an empty database to an equal one, drop_sql back, statement by statement in Alembic."""
    other = new_database(full.server)
    old, empty = take(full), take(other)
    missing = catalog.compare(old, empty).missing
    assert len(missing) > 200

    _execute_in_alembic(other, recreate.create_sql(old, missing))
    assert catalog.compare(old, take(other)).lines() == []

    _execute_in_alembic(other, recreate.drop_sql(missing))
    assert catalog.compare(empty, take(other)).lines() == []


@pytest.mark.parametrize("major", [14, 16, 17])
def test_other_versions(
    postgres_version: Callable[[int], Server], new_database: NewDatabase, new_role: NewRole, major: int
) -> None:
    """The same on the versions between."""
    server = postgres_version(major)
    full, other = new_database(server), new_database(server)
    rich.fill(full, new_role(server))
    old, empty = take(full), take(other)
    _execute_in_alembic(other, recreate.create_sql(old, catalog.compare(old, empty).missing))
    assert catalog.compare(old, take(other)).lines() == []


def test_single_things_can_be_put_back(full: Database) -> None:
    """A view, a trigger, a policy, a grant, an index, a constraint, a column, a partition come back as they were."""
    old = take(full)
    wanted = [
        ("view", "public.aa_first"),
        ("trigger", "public.orders.touch_orders"),
        ("policy", "public.orders.strict"),
        ("row_security", "public.orders"),
        ("acl", "materialized view billing.totals to {reader}"),
        ("index", "public.customers_lower"),
        ("constraint", "public.customers.favourite"),
        ("option", "public.orders cluster"),
        ("partition", "public.events_2025"),
        ("comment", "table public.customers"),
        ("default_acl", "tables of {owner} in schema billing to {reader}"),
        ("statistics", "public.customer_stats"),
    ]
    reader = next(item for item in old.all if item.name.startswith("materialized view billing.totals to "))
    names = {"reader": reader.name.rpartition(" ")[2], "owner": full.server.superuser.name}
    items = [old.item(kind, name.format(**names)) for kind, name in wanted]
    found = [item for item in items if item is not None]
    assert len(found) == len(wanted)
    full.execute("DROP FUNCTION billing.atomic(integer)")
    old = take(full)
    drops = recreate.drop_sql(found)
    _execute_in_alembic(full, [*drops, "ALTER TABLE public.orders SET WITHOUT CLUSTER"])
    gone = catalog.compare(old, take(full))
    assert set(found) <= set(gone.missing)
    put_back = [*gone.missing]
    _execute_in_alembic(full, recreate.create_sql(old, put_back))
    assert catalog.compare(old, take(full)).lines() == []


def _execute_in_alembic(database: Database, statements: list[str]) -> None:
    def work(conn: sqlalchemy.engine.Connection) -> None:
        operations = Operations(MigrationContext.configure(conn))
        for statement in statements:
            operations.execute(sqltext.for_text(statement))

    connection.run(database.asyncpg, work)
