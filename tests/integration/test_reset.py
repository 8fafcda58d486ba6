"""Reset in place, against real servers: what goes, what stays, what is refused, who blocks."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import pytest
import sqlalchemy

from stillroom.embedded.cluster import Cluster
from stillroom.runtime import faults
from stillroom.runtime.connections import connection
from stillroom.runtime.resetting import reset, reset_plan
from stillroom.runtime.schema import catalog, marker, ownership, survey
from tests.conftest import NewDatabase, NewRole
from tests.support import postgres as support
from tests.support import rich
from tests.support.postgres import Database, Role, Server


def owns(*tables: str, schemas: tuple[str, ...] | None = None, **more: object) -> ownership.Ownership:
    """What a service with these tables owns; in whole schemas unless `neighbours=True`."""
    neighbours = bool(more.pop("neighbours", False))
    enums = more.pop("enums", ())
    assert isinstance(enums, tuple)
    assert not more
    return ownership.derive(tables, enums, "public", schemas, neighbours, "alembic_version")


def take(database: Database) -> catalog.Snapshot:
    """A snapshot on a connection of its own."""
    return connection.run(database.asyncpg, catalog.snapshot)


def planned(database: Database, owned: ownership.Ownership, role: Role | None = None) -> reset_plan.Plan:
    """What a reset would do."""
    return connection.run(database.url(role=role), lambda conn: reset.plan(conn, owned))


@pytest.fixture
def app(postgres15: Server, new_role: NewRole) -> Role:
    """The role of a service: no superuser."""
    return new_role(postgres15)


@pytest.fixture
def other(postgres15: Server, new_role: NewRole) -> Role:
    """The role of somebody else."""
    return new_role(postgres15)


@pytest.fixture
def database(postgres15: Server, new_database: NewDatabase, app: Role) -> Database:
    """A database of the service's role on PostgreSQL 15, with extensions in its schema public."""
    made = new_database(postgres15, owner=app)
    made.execute('CREATE EXTENSION pg_trgm; CREATE EXTENSION "uuid-ossp"')
    return made


SERVICE = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE FUNCTION positive(n integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT n > 0';
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE SEQUENCE numbers;
CREATE FUNCTION next_number() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('numbers') $$;
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
CREATE TABLE a (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), n integer DEFAULT next_number() CHECK (positive(n)),
                m mood, name text, b_id integer);
CREATE TABLE b (id serial PRIMARY KEY, a_id uuid REFERENCES a (id));
ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b (id);
CREATE INDEX a_trgm ON a USING gin (name gin_trgm_ops);
CREATE INDEX a_positive ON a (positive(n));
CREATE TRIGGER stamped BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TABLE log (at date NOT NULL, line text) PARTITION BY RANGE (at);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
CREATE TABLE log_3 PARTITION OF log FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE log_4 PARTITION OF log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE log_5 PARTITION OF log DEFAULT;
CREATE FUNCTION moods(m mood) RETURNS SETOF a LANGUAGE sql AS 'SELECT * FROM a WHERE a.m = $1';
CREATE VIEW v AS SELECT a.id, b.id AS b FROM a JOIN b ON b.a_id = a.id;
CREATE MATERIALIZED VIEW mv AS SELECT m, count(*) FROM a GROUP BY m;
CREATE VIEW vv AS SELECT v.id, mv.m FROM v, mv;
"""


def test_everything_of_the_service_goes_and_everything_else_stays(
    database: Database, app: Role, other: Role, postgres15: Server
) -> None:
    """Owner, rights, default privileges, comment, extensions and publications are as before; counts tell the rest."""
    database.execute(f"""
        GRANT USAGE ON SCHEMA public TO {other.name}; GRANT CREATE ON SCHEMA public TO {app.name};
        COMMENT ON SCHEMA public IS 'ours';
        ALTER DEFAULT PRIVILEGES FOR ROLE {app.name} IN SCHEMA public GRANT SELECT ON TABLES TO {other.name};
        CREATE PUBLICATION everything FOR TABLES IN SCHEMA public;
        CREATE PUBLICATION listed;
        ALTER DATABASE {database.name} SET work_mem = '8MB';
    """)
    empty = take(database)
    database.execute(SERVICE, role=app)
    database.execute("ALTER PUBLICATION listed ADD TABLE b")

    report = reset.reset(database.url(role=app), owns("a", "b", "log"))

    assert catalog.compare(empty, take(database)).lines() == []
    assert report.before["tables"] == 9
    assert report.after == {"tables": 0}
    assert "table public.a" in report.dropped
    assert "view public.vv" in report.dropped
    assert report.kept == ()
    assert report.transactions == 1
    assert report.unpublished == ("ALTER PUBLICATION listed ADD TABLE ONLY public.b",)
    settings = database.fetch(
        "SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase"
        " WHERE datname = current_database()"
    )
    assert settings == [(["work_mem=8MB"],)]


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"])
def test_nothing_needs_cascade_in_a_database_of_nearly_everything(
    postgres: Server, new_database: NewDatabase, new_role: NewRole, driver: str
) -> None:
    """Types, operators, casts, text search, views on views: an order is found in which nothing needs what goes."""
    database = new_database(postgres)
    rich.fill(database, new_role(postgres))
    owned = owns(schemas=rich.SCHEMAS)
    plan = planned(database, owned)
    assert not [line for each in plan.transactions for line in each if "CASCADE" in line]

    report = reset.reset(database.url(driver), owned, reviewed=plan)

    assert report.after == {"tables": 0}
    left = {item.kind for item in take(database).all}
    assert left == {
        "schema", "owner", "acl", "comment", "extension", "default_acl", "publication", "publication_schema"
    }  # fmt: skip


def test_objects_that_need_each_other_in_a_circle_across_kinds(database: Database, app: Role) -> None:
    """A table whose default calls a function that takes a row of the table; only such a circle needs CASCADE."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}")
    database.execute(
        """
        CREATE TABLE t (id integer, n integer);
        CREATE FUNCTION of_row(r t) RETURNS integer LANGUAGE sql AS 'SELECT 1';
        ALTER TABLE t ALTER COLUMN n SET DEFAULT of_row(NULL::t);
        """,
        role=app,
    )
    report = reset.reset(database.url(role=app), owns("t"))
    assert set(report.dropped) == {"table public.t", "function public.of_row(public.t)"}


def test_an_empty_database_is_left_alone(database: Database, app: Role) -> None:
    """Nothing to do is no error, and no transaction."""
    report = reset.reset(database.url(role=app), owns())
    assert (report.before, report.after, report.dropped, report.transactions) == ({"tables": 0}, {"tables": 0}, (), 0)


def test_what_belongs_to_others_stays(database: Database, app: Role, other: Role) -> None:
    """Another role's table in the schema is kept and reported, also when the reset could drop it."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}, {other.name}")
    database.execute(
        "CREATE TABLE theirs (id serial PRIMARY KEY); CREATE VIEW seen AS SELECT * FROM theirs", role=other
    )
    database.execute(SERVICE, role=app)
    for url in (database.url(role=app), database.asyncpg):
        report = reset.reset(url, owns("a", "b", "log"))
        assert report.kept == (
            f"table public.theirs (of role {other.name})",
            f"view public.seen (of role {other.name})",
        )
        assert [item.name for item in take(database).all if item.kind == "table"] == ["public.theirs"]


def test_a_superuser_drops_what_the_services_role_made(database: Database, app: Role) -> None:
    """Who owns the service's tables is the service, whoever resets."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}")
    database.execute(SERVICE, role=app)
    assert reset.reset(database.asyncpg, owns("a")).after == {"tables": 0}


def test_a_member_of_the_owner_may(database: Database, app: Role, other: Role) -> None:
    """The schema's owner is another role, the objects' owner is one that this role is a member of."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {other.name}")
    database.execute(SERVICE, role=other)
    database.execute(f"GRANT {other.name} TO {app.name}")
    report = reset.reset(database.url(role=app), owns("a", "b", "log"))
    assert report.after == {"tables": 0}
    assert report.kept == ()


def test_tables_of_the_service_that_belong_to_another_role_refuse(database: Database, app: Role, other: Role) -> None:
    """Object, owner and the exact line are named; nothing was touched."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}, {other.name}")
    database.execute("CREATE TABLE a (id integer)", role=other)
    database.execute("CREATE TABLE b (id integer)", role=app)
    before = take(database)
    with pytest.raises(faults.RefusedFault) as caught:
        reset.reset(database.url(role=app), owns("a", "b"))
    assert caught.value.code == "not-owner"
    assert f"table public.a in database {database.name} belongs to role {other.name}" in caught.value.message
    assert f"GRANT {other.name} TO {app.name};" in caught.value.mend
    assert f"ALTER TABLE public.a OWNER TO {app.name};" in caught.value.mend
    assert catalog.compare(before, take(database)).empty

    database.execute(f"GRANT {other.name} TO {app.name}")
    assert reset.reset(database.url(role=app), owns("a", "b")).after == {"tables": 0}


DEPENDANTS = {
    "CREATE VIEW far.seen AS SELECT id FROM a": 'view far.seen of role {other} (its rule "_RETURN" on far.seen) needs table',
    "CREATE VIEW seen AS SELECT id FROM a": 'view public.seen of role {other} (its rule "_RETURN" on public.seen) needs',
    "CREATE TABLE far.t (a_id integer CONSTRAINT to_a REFERENCES a (id))": (
        "table far.t of role {other} (its table constraint to_a on far.t) needs table public.a"
    ),
    "CREATE TABLE far.t (m mood)": "table far.t of role {other} needs type public.mood",
    "CREATE TABLE far.t (n bigint DEFAULT nextval('numbers'))": (
        "table far.t of role {other} (its default value for far.t.n) needs sequence public.numbers"
    ),
    "CREATE TABLE far.t () INHERITS (a)": "table far.t of role {other} needs table public.a",
    "CREATE FUNCTION far.f(a) RETURNS integer LANGUAGE sql AS 'SELECT 1'": (
        "function far.f(public.a) of role {other} needs table public.a"
    ),
}


@pytest.mark.parametrize("dependant", DEPENDANTS)
def test_what_others_need_is_never_taken_along(database: Database, app: Role, other: Role, dependant: str) -> None:
    """A view, a foreign key, a column of another schema or owner refuses by name; everything is as before."""
    database.execute(
        f"GRANT ALL ON SCHEMA public TO {app.name}, {other.name}; CREATE SCHEMA far AUTHORIZATION {other.name}"
    )
    database.execute(
        "CREATE TYPE mood AS ENUM ('x'); CREATE SEQUENCE numbers; CREATE TABLE a (id integer PRIMARY KEY, m mood)",
        role=app,
    )
    database.execute(f"GRANT ALL ON a, numbers TO {other.name}; GRANT {app.name} TO {other.name}", role=None)
    database.execute(dependant, role=other)
    before = take(database)
    with pytest.raises(faults.RefusedFault) as caught:
        reset.reset(database.url(role=app), owns("a"))
    assert caught.value.code == "needed-by-others"
    assert DEPENDANTS[dependant].format(other=other.name) in caught.value.detail
    assert catalog.compare(before, take(database)).empty


def test_a_schema_that_may_not_be_used_is_told_with_its_grant(database: Database, app: Role) -> None:
    """permission denied for schema public: the line that mends it."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}")
    database.execute("CREATE TABLE a (id integer)", role=app)
    database.execute(
        f"ALTER DATABASE {database.name} OWNER TO CURRENT_USER; REVOKE ALL ON SCHEMA public FROM PUBLIC, {app.name}"
    )
    with pytest.raises(faults.DatabaseFault) as caught:
        reset.reset(database.url(role=app), owns("a"))
    assert caught.value.code == "permission-denied"
    assert "permission denied for schema public" in caught.value.message
    assert f"GRANT ALL PRIVILEGES ON SCHEMA public TO {app.name};" in caught.value.mend


# Services that share a database


def test_services_in_one_schema_touch_only_their_own(database: Database, app: Role) -> None:
    """Tables, sequences, indexes, the version table, and enum types that only this service uses."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}")
    database.execute(
        """
        CREATE TYPE mine AS ENUM ('a'); CREATE TYPE ours AS ENUM ('a'); CREATE TYPE theirs AS ENUM ('a');
        CREATE TYPE mine_unused AS ENUM ('a'); CREATE TYPE unused AS ENUM ('a');
        CREATE TABLE a (id serial PRIMARY KEY, x mine, y ours); CREATE INDEX ix_a ON a (x);
        CREATE TABLE alembic_version (version_num varchar(32));
        CREATE TABLE b (id serial PRIMARY KEY, x theirs, y ours); CREATE TABLE alembic_version_b (version_num varchar(32));
        CREATE VIEW of_b AS SELECT * FROM b; CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1';
        """,
        role=app,
    )
    before = take(database)
    report = reset.reset(database.url(role=app), owns("a", neighbours=True, enums=("mine", "mine_unused", "ours")))
    assert sorted(report.dropped) == [
        "table public.a",
        "table public.alembic_version",
        "type public.mine",
        "type public.mine_unused",
    ]
    assert report.kept == (f"type public.ours (of role {app.name})",)
    difference = catalog.compare(before, take(database))
    assert not difference.added
    assert not difference.changed
    assert {item.name for item in difference.missing if item.kind in ("table", "type", "index", "sequence")} == {
        "public.a", "public.alembic_version", "public.mine", "public.mine_unused", "public.ix_a", "public.a_id_seq"
    }  # fmt: skip


def test_a_neighbours_foreign_key_refuses(database: Database, app: Role) -> None:
    """Two services, one schema, one role: the other's table is not ours to change."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}")
    database.execute(
        "CREATE TABLE a (id integer PRIMARY KEY); CREATE TABLE b (a_id integer CONSTRAINT fk REFERENCES a)", role=app
    )
    with pytest.raises(faults.RefusedFault) as caught:
        reset.reset(database.url(role=app), owns("a", neighbours=True))
    assert caught.value.code == "needed-by-others"
    assert "ALTER TABLE public.b DROP CONSTRAINT fk;" in caught.value.mend


def test_a_schema_each(database: Database, app: Role) -> None:
    """Declared schemas are emptied whole, others are not looked at; the version table may stand elsewhere."""
    database.execute(f"CREATE SCHEMA one AUTHORIZATION {app.name}; CREATE SCHEMA two AUTHORIZATION {app.name}")
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}")
    for schema in ("one", "two"):
        database.execute(
            f"SET search_path = {schema}, public;" + SERVICE.replace("alembic_version", f"{schema}_version"), role=app
        )
    before = take(database)
    database.execute("CREATE TABLE public.alembic_version (version_num text)", role=app)
    reset.reset(database.url(role=app), owns("one.a", schemas=("one",), neighbours=True))
    after = take(database)
    assert catalog.compare(before.only(schemas=["two", "public"]), after.only(schemas=["two", "public"])).lines() == []
    assert {item.kind for item in after.only(schemas=["one"]).all} == {"schema", "owner"}


# Locks


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"])
def test_a_session_that_blocks_is_named(database: Database, app: Role, driver: str) -> None:
    """Bounded wait, then who it is, since when, with what, and how to end it; nothing was changed."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}")
    database.execute(SERVICE, role=app)
    before = take(database)
    with database.connect(app) as session:
        session.execute("SET application_name = 'the forgotten one'")
        session.execute("BEGIN")
        session.execute("SELECT count(*) FROM b")
        pid = session.info.backend_pid
        with pytest.raises(faults.DatabaseFault) as caught:
            reset.reset(database.url(driver, app), owns("a", "b", "log"), lock_timeout_s=0.2)
        assert caught.value.code == "lock-timeout"
        assert (
            f"session {pid}, application 'the forgotten one', role {app.name}, idle in transaction"
            in caught.value.message
        )
        assert "query: SELECT count(*) FROM b" in caught.value.message
        assert f"SELECT pg_terminate_backend({pid});" in caught.value.mend
        assert [each["pid"] for each in caught.value.data["blockers"]] == [pid]
        assert catalog.compare(before, take(database)).empty
        session.execute("ROLLBACK")
    assert reset.reset(database.url(driver, app), owns("a", "b", "log")).after == {"tables": 0}


def test_who_blocks_may_be_somebody_that_this_role_cannot_end(database: Database, app: Role, other: Role) -> None:
    """The mend says who can."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}")
    database.execute("CREATE TABLE a (id integer)", role=app)
    database.execute(f"GRANT SELECT ON a TO {other.name}", role=app)
    with database.connect(other) as session:
        session.execute("BEGIN")
        session.execute("SELECT count(*) FROM public.a")
        with pytest.raises(faults.DatabaseFault) as caught:
            reset.reset(database.url(role=app), owns("a"), lock_timeout_s=0.2)
    assert f"as a superuser or {other.name}: this role may not" in caught.value.mend


def test_many_objects_go_in_batches(tmp_path: Path) -> None:
    """More objects than the server has room for locks: several transactions; foreign keys in a circle are cut first."""
    few = {"max_locks_per_transaction": "10", "max_connections": "10"}
    cluster = Cluster(support.DEBIAN_15, tmp_path / "few-locks", extra=few)
    cluster.start()
    server = Server(cluster)
    try:
        database = server.create_database()
        before = take(database)
        database.execute("CREATE TABLE alembic_version (version_num varchar(32))")
        numbers = range(160)
        with database.connect() as conn:
            for n in numbers:
                conn.execute(f"CREATE TABLE t{n} (id integer PRIMARY KEY, next integer, text text)".encode())
            for n in numbers:
                conn.execute(f"ALTER TABLE t{n} ADD FOREIGN KEY (next) REFERENCES t{(n + 1) % 160}".encode())
        with pytest.raises(Exception, match="out of shared memory"):
            database.execute("DROP TABLE " + ", ".join(f"t{n}" for n in numbers))

        with pytest.raises(faults.RefusedFault) as caught:
            reset.rehearse(database.asyncpg, owns("t1"))
        report = reset.reset(database.asyncpg, owns("t1"))

        assert caught.value.code == "too-much-for-one-transaction"
        assert report.transactions > 2
        assert report.before["tables"] == 161
        assert report.after == {"tables": 0}
        assert catalog.compare(before, take(database)).lines() == []
    finally:
        server.close()
        cluster.remove()


# Guards


def test_a_marked_database_refuses_unless_both_names_are_right(database: Database, app: Role) -> None:
    """Its mark and its name have to be given; either alone, or a wrong one, is not enough."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}")
    database.execute("CREATE TABLE a (id integer)", role=app)
    connection.run(database.asyncpg, functools.partial(marker.write, environment="production"))
    go = functools.partial(reset.reset, database.url(role=app), owns("a"))
    for arguments in (
        {},
        {"allow_marked": "production"},
        {"expect_database": database.name},
        {"allow_marked": "staging", "expect_database": database.name},
    ):
        with pytest.raises(faults.RefusedFault) as caught:
            go(**arguments)
        assert caught.value.code == "protected-database"
        assert f"--allow-protected production --expect-database {database.name}" in caught.value.mend
    with pytest.raises(faults.RefusedFault) as caught:
        go(allow_marked="production", expect_database="elsewhere")
    assert caught.value.code == "wrong-database"
    assert go(allow_marked="production", expect_database=database.name).before["tables"] == 1


def test_a_plan_that_was_reviewed_is_what_runs(database: Database, app: Role) -> None:
    """If the database changed since, it refuses."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}")
    database.execute("CREATE TABLE a (id integer)", role=app)
    plan = planned(database, owns("a"), app)
    assert plan.transactions == (("DROP TABLE public.a",),)
    database.execute("CREATE TABLE b (id integer)", role=app)
    with pytest.raises(faults.RefusedFault) as caught:
        reset.reset(database.url(role=app), owns("a"), reviewed=plan)
    assert caught.value.code == "plan-changed"
    assert len([item for item in take(database).all if item.kind == "table"]) == 2


def test_a_reset_that_would_change_something_else_is_undone(
    database: Database, app: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check before the commit is real: with a statement too many in the plan, nothing happens."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}; CREATE SCHEMA far AUTHORIZATION {app.name}")
    database.execute("CREATE TABLE a (id integer); CREATE TABLE far.away (id integer)", role=app)
    before = take(database)
    decide = reset_plan.decide

    def wrong(*arguments: object) -> reset_plan.Plan:
        plan = decide(*arguments)
        return dataclasses.replace(
            plan, transactions=tuple((*each, "DROP TABLE IF EXISTS far.away") for each in plan.transactions)
        )

    monkeypatch.setattr(reset_plan, "decide", wrong)
    with pytest.raises(faults.DatabaseFault) as caught:
        reset.reset(database.url(role=app), owns("a"))
    assert caught.value.code == "reset-touched-others"
    assert "far.away" in caught.value.message
    assert catalog.compare(before, take(database)).empty


# Survey


def test_a_survey_counts_rows_and_everything_else(database: Database, app: Role) -> None:
    """Tables with rows (partitions with their table), other objects by kind, the mark, the place."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}")
    database.execute(SERVICE, role=app)
    database.execute(
        "INSERT INTO log SELECT date '2021-05-05' + n, 'x' FROM generate_series(1, 1500) n; INSERT INTO b DEFAULT VALUES"
    )
    seen = connection.run(database.asyncpg, lambda conn: survey.survey(conn, owns("a"), host="db.example", port=1234))
    assert {table.name: table.rows for table in seen.tables} == {
        "public.a": 0, "public.alembic_version": 0, "public.b": 1, "public.log": 1500
    }  # fmt: skip
    assert (seen.host, seen.port, seen.database, seen.marker) == ("db.example", 1234, database.name, None)
    assert seen.server_version.startswith("15.")
    assert seen.others == {
        "function": 4, "materialized_view": 1, "partition": 5, "sequence": 1, "trigger": 1, "type": 1, "view": 2
    }  # fmt: skip
    assert seen.rows == 1501
    assert seen.holds_data
    assert not seen.empty
    assert next(table for table in seen.tables if table.name == "public.log").bytes > 0


def test_a_survey_stops_counting(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit it says so."""
    database.execute(
        "CREATE TABLE a AS SELECT generate_series(1, 20) AS id; CREATE TABLE b AS SELECT generate_series(1, 10) AS id"
    )
    monkeypatch.setattr(survey, "COUNT_UP_TO", 10)
    seen = connection.run(database.asyncpg, lambda conn: survey.survey(conn, owns("a")))
    assert [(table.name, table.shown_rows) for table in seen.tables] == [("public.a", "> 10"), ("public.b", "10")]


def test_rows_that_may_not_be_seen_are_unknown_not_none(database: Database, app: Role, other: Role) -> None:
    """Without the right to read, or behind row security, a table may hold data."""
    database.execute(f"GRANT ALL ON SCHEMA public TO {app.name}")
    database.execute(
        "CREATE TABLE a AS SELECT 1 AS id; CREATE TABLE b AS SELECT 1 AS id; ALTER TABLE b ENABLE ROW LEVEL SECURITY",
        role=app,
    )
    database.execute(f"GRANT SELECT ON b TO {other.name}", role=app)
    seen = connection.run(database.url(role=other), lambda conn: survey.survey(conn, owns("a")))
    assert [(table.rows, table.shown_rows) for table in seen.tables] == [(None, "?"), (None, "?")]
    assert seen.holds_data


def test_a_survey_of_an_empty_database(database: Database) -> None:
    """Extensions and the schema itself are nothing of the service's."""
    seen = connection.run(database.asyncpg, lambda conn: survey.survey(conn, owns()))
    assert seen.empty
    assert not seen.holds_data
    assert seen.to_dict()["tables"] == ()


# Marker


def test_a_mark_as_a_setting(database: Database) -> None:
    """A superuser's mark is a setting of the database; a session cannot pretend."""

    def pretend(conn: sqlalchemy.engine.Connection) -> str | None:
        conn.exec_driver_sql("SET stillroom.environment = 'production'")
        return marker.read(conn)

    assert connection.run(database.asyncpg, pretend) is None
    assert connection.run(database.asyncpg, functools.partial(marker.write, environment="production")) == "setting"
    assert connection.run(database.asyncpg, marker.read) == "production"
    assert database.fetch("SELECT current_setting('stillroom.environment')") == [("production",)]
    connection.run(database.asyncpg, functools.partial(marker.write, environment="staging"))
    assert connection.run(database.asyncpg, marker.read) == "staging"
    connection.run(database.asyncpg, marker.erase)
    assert connection.run(database.asyncpg, marker.read) is None


def test_a_mark_of_an_ordinary_owner(database: Database, app: Role) -> None:
    """PostgreSQL refuses such settings to a plain owner: then it is a line of the comment, which keeps the rest."""
    database.execute(f"COMMENT ON DATABASE {database.name} IS '100% ours: it''s'")
    url = database.url("postgresql+psycopg", app)
    assert connection.run(url, functools.partial(marker.write, environment="production")) == "comment"
    assert connection.run(url, marker.read) == "production"
    connection.run(url, functools.partial(marker.write, environment="staging"), autocommit=True)
    assert connection.run(url, marker.read) == "staging"
    connection.run(url, marker.erase)
    assert connection.run(url, marker.read) is None
    comment = database.fetch(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
    )
    assert comment == [("100% ours: it's",)]


def test_a_mark_needs_the_owner_of_the_database(database: Database, other: Role) -> None:
    """Otherwise the line that mends it; and a name that is none is refused before."""
    with pytest.raises(faults.DatabaseFault) as caught:
        connection.run(database.url(role=other), functools.partial(marker.write, environment="production"))
    assert caught.value.code == "permission-denied"
    assert f"ALTER DATABASE {database.name} OWNER TO {other.name};" in caught.value.mend
    with pytest.raises(faults.WrongRequest):
        connection.run(database.asyncpg, functools.partial(marker.write, environment="a b"))
