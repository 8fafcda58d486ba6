"""The ledger of migration runs: what is written comes back, and who may not write it is told why."""

from __future__ import annotations

import itertools
import os
import subprocess
import threading

import pytest

from stillroom.runtime import faults
from stillroom.runtime.connections import connection
from stillroom.runtime.ledger import entries, fingerprint, listing, tables, writing
from tests.conftest import NewDatabase, NewRole
from tests.support.postgres import Database, Server

DRIVERS = ("postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2")
RUN = entries.Run(
    "auth", "public.alembic_version", ("c2",), ("a0",), image="img@sha256:1", commit="abc", actor="ci", host="pod-1"
)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_run_comes_back_as_it_was_written(new_database: NewDatabase, driver: str) -> None:
    """Every fact of a run and of the revisions that it applied is read as it was noted, with every driver."""
    url = new_database().url(driver)

    def work(conn):  # type: ignore[no-untyped-def]
        assert tables.ensure(conn)
        run = writing.begin(conn, RUN)
        writing.applied(conn, run, entries.AppliedRevision("b1", entries.EXPAND, "add_column", ("a0",), 0.25))
        writing.applied(conn, run, entries.AppliedRevision("c2", entries.CONTRACT, "drop_column note", ("b1", "x9")))
        writing.finish(
            conn, run, entries.DONE, to_revisions=["c2"], lock_wait_seconds=1.5, retries=2, measures={"statements": 7}
        )
        return run, listing.runs(conn, RUN.version_table), listing.revisions_of(conn, [run])

    run, (found,), revisions = connection.run(url, work, autocommit=True)
    assert found.seconds is not None and found.started is not None and found.finished is not None
    assert (found.service, found.target, found.from_revisions, found.to_revisions) == (
        "auth",
        ("c2",),
        ("a0",),
        ("c2",),
    )
    assert (found.image, found.commit, found.actor, found.host) == ("img@sha256:1", "abc", "ci", "pod-1")
    assert (found.outcome, found.fatal, found.retries, found.lock_wait_seconds) == (entries.DONE, False, 2, 1.5)
    assert found.measures == {"statements": 7} and found.to_dict()["from_revisions"] == ["a0"]
    assert [(each.revision, each.kind, each.reason, each.parents) for each in revisions[run]] == [
        ("b1", "expand", "add_column", ("a0",)),
        ("c2", "contract", "drop_column note", ("b1", "x9")),
    ]


def test_a_run_that_was_killed_is_noted_as_failed_by_the_next(new_database: NewDatabase) -> None:
    """The next run of the same version table closes it; a neighbour's running one is left alone."""
    database = new_database()

    def work(conn):  # type: ignore[no-untyped-def]
        tables.ensure(conn)
        writing.begin(conn, RUN)
        writing.begin(conn, entries.Run("other", "other.alembic_version"))
        writing.begin(conn, RUN)
        return listing.runs(conn)

    newest, other, killed = connection.run(database.asyncpg, work, autocommit=True)
    assert (newest.outcome, other.outcome, killed.outcome) == (entries.RUNNING, entries.RUNNING, entries.FAILED)
    assert "without a word" in (killed.error or "") and not killed.fatal


def test_an_error_is_kept_without_its_password(new_database: NewDatabase) -> None:
    """What a failed run has to say stays, a URL's password does not."""

    def work(conn):  # type: ignore[no-untyped-def]
        tables.ensure(conn)
        run = writing.begin(conn, RUN)
        writing.finish(conn, run, entries.FAILED, fatal=True, error="postgresql://me:hunter22@db/auth: no such column")
        return listing.runs(conn)[0]

    found = connection.run(new_database().asyncpg, work, autocommit=True)
    assert found.fatal and found.error == "postgresql://me:***@db/auth: no such column"


def test_a_note_of_a_run_that_is_gone_is_an_error(new_database: NewDatabase) -> None:
    """Whoever empties the ledger under a run is noticed."""

    def work(conn):  # type: ignore[no-untyped-def]
        tables.ensure(conn)
        writing.finish(conn, 41, entries.DONE)

    with pytest.raises(faults.DatabaseFault) as caught:
        connection.run(new_database().asyncpg, work, autocommit=True)
    assert caught.value.code == "ledger-lost"


def test_a_role_that_may_not_make_the_ledger_is_told_the_grant(new_database: NewDatabase, new_role: NewRole) -> None:
    """No ledger, no error, and the line that mends it; after which it is made."""
    database, role = new_database(), new_role()
    url = database.url(role=role)
    found = connection.run(url, tables.ensure, autocommit=True)
    assert not found and f"GRANT CREATE ON DATABASE {database.name} TO {role.name};" in found.warning
    database.execute(f"GRANT CREATE ON DATABASE {database.name} TO {role.name}")
    assert connection.run(url, tables.ensure, autocommit=True)


def test_a_role_that_may_not_write_is_told_the_grant(new_database: NewDatabase, new_role: NewRole) -> None:
    """A ledger of somebody else is written after the grant that the warning names, and read after `grant`."""
    database, writer, reader = new_database(), new_role(), new_role()
    connection.run(database.asyncpg, tables.ensure, autocommit=True)
    found = connection.run(database.url(role=writer), tables.ensure, autocommit=True)
    assert not found and "GRANT SELECT, INSERT, UPDATE" in found.warning
    database.execute(found.warning.partition(": ")[2])
    assert connection.run(database.url(role=writer), tables.ensure, autocommit=True)
    assert connection.run(database.url(role=writer), lambda conn: writing.begin(conn, RUN), autocommit=True) == 1
    assert connection.run(database.url(role=reader), listing.state) == listing.UNREADABLE
    connection.run(database.asyncpg, lambda conn: tables.grant(conn, reader.name), autocommit=True)
    assert connection.run(database.url(role=reader), listing.state) == listing.READABLE
    assert not connection.run(database.url(role=reader), tables.ensure, autocommit=True)


def test_a_schema_of_that_name_that_is_no_ledger_is_left_alone(new_database: NewDatabase) -> None:
    """Somebody's own schema `stillroom` gets no tables of ours."""
    database = new_database()
    database.execute("CREATE SCHEMA stillroom; CREATE TABLE stillroom.run (id int)")
    found = connection.run(database.asyncpg, tables.ensure, autocommit=True)
    assert not found and "is not the ledger" in found.warning
    assert database.fetch("SELECT count(*) FROM pg_tables WHERE schemaname = 'stillroom'") == [(1,)]


def test_eight_at_once_make_one_ledger(new_database: NewDatabase) -> None:
    """Services that share a database begin at the same moment: each finds a ledger that it can write."""
    database = new_database()
    found: list[tables.Readiness] = []
    barrier = threading.Barrier(8)

    def one() -> None:
        barrier.wait()
        found.append(connection.run(database.psycopg, tables.ensure, autocommit=True))

    threads = [threading.Thread(target=one) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [bool(each) for each in found] == [True] * 8, [each.warning for each in found]


# Fingerprints

_SCHEMA = (
    "CREATE TYPE mood AS ENUM ('sad', 'glad')",
    "CREATE DOMAIN price AS numeric(10, 2) CONSTRAINT above CHECK (VALUE > 0)",
    "CREATE TABLE a (id serial PRIMARY KEY, note text DEFAULT 'x', feeling mood NOT NULL DEFAULT 'sad', cost price)",
    'CREATE TABLE "B b" (id int REFERENCES a, made timestamptz DEFAULT now(), CONSTRAINT small CHECK (id < 10))',
    'CREATE INDEX by_made ON "B b" (made DESC) WHERE id > 2',
    "CREATE TABLE parts (at date) PARTITION BY RANGE (at)",
)
_CHANGES = {
    "column public.a.note is missing (text DEFAULT 'x'::text)": "ALTER TABLE a DROP COLUMN note",
    "column public.a.more is not of the migrations (integer)": "ALTER TABLE a ADD more int",
    "column public.a.id is bigint DEFAULT": "ALTER TABLE a ALTER id TYPE bigint",
    "column public.a.feeling is public.mood DEFAULT 'sad'::public.mood": "ALTER TABLE a ALTER feeling DROP NOT NULL",
    "column public.a.note is text DEFAULT 'y'::text": "ALTER TABLE a ALTER note SET DEFAULT 'y'",
    'constraint public."B b".small is missing': 'ALTER TABLE "B b" DROP CONSTRAINT small',
    'index public."B b".by_made is missing': "DROP INDEX by_made",
    "enum public.mood is 'sad', 'glad', 'mad'": "ALTER TYPE mood ADD VALUE 'mad'",
    "domain public.price is numeric(10,2)": "ALTER DOMAIN price DROP CONSTRAINT above",
    'table public."B b" is missing': 'DROP TABLE "B b"',
    "table public.extra is not of the migrations": "CREATE TABLE extra (id int PRIMARY KEY)",
}


def _take(database: Database, **scope: object) -> entries.Fingerprint:
    return connection.run(database.asyncpg, lambda conn: fingerprint.take(conn, '"alembic_version"', **scope))  # type: ignore[arg-type]


@pytest.mark.parametrize(("told", "statement"), _CHANGES.items())
def test_a_change_by_hand_is_named(new_database: NewDatabase, told: str, statement: str) -> None:
    """Whatever changes alters the digest, and one line names it."""
    database = new_database()
    database.execute(";".join(_SCHEMA))
    before = _take(database)
    database.execute(statement)
    after = _take(database)
    assert before.digest != after.digest
    lines = fingerprint.differences(before.items, after.items)
    assert any(each.startswith(told) for each in lines) and len(lines) == 1, lines


def test_the_order_of_making_does_not_matter(new_database: NewDatabase) -> None:
    """Columns and tables in another order, another search_path and time zone, rows, a ledger and partitions: one digest."""
    one, other = new_database(), new_database()
    one.execute(";".join(_SCHEMA))
    moved = (
        "CREATE TABLE alembic_version (version_num varchar(32))",
        "CREATE TABLE parts (at date) PARTITION BY RANGE (at)",
        "CREATE TABLE day PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-01-02')",
        _SCHEMA[1], _SCHEMA[0],
        "CREATE TABLE a (cost price, gone int, feeling mood NOT NULL DEFAULT 'sad', note text, id serial PRIMARY KEY)",
        "ALTER TABLE a DROP gone", "ALTER TABLE a ALTER note SET DEFAULT 'x'",
        _SCHEMA[3], _SCHEMA[4], "INSERT INTO a (cost) VALUES (3)", "CREATE SCHEMA elsewhere",
        f"ALTER DATABASE {other.name} SET search_path = elsewhere, public",
        f"ALTER DATABASE {other.name} SET timezone = 'Asia/Tokyo'",
    )  # fmt: skip
    other.execute(";".join(moved))
    other.execute(f"ALTER DATABASE {other.name} RESET search_path")
    connection.run(other.asyncpg, tables.ensure, autocommit=True)
    assert fingerprint.differences(_take(one).items, _take(other).items) == []
    assert _take(one).digest == _take(other).digest


def test_dump_and_restore_do_not_matter(new_database: NewDatabase) -> None:
    """What pg_dump writes and psql reads again has the same digest."""
    one, other = new_database(), new_database()
    one.execute(";".join(_SCHEMA))
    server = one.server
    dumped = subprocess.run(
        [str(server.bin / "pg_dump"), "--no-owner", one.name],
        env={**os.environ, **server.environment(one.name)},
        capture_output=True,
        text=True,
        check=True,
    )
    other.psql(dumped.stdout)
    assert _take(one).digest == _take(other).digest


def test_only_what_is_the_services_own_is_taken(new_database: NewDatabase) -> None:
    """A neighbour's schema, and a neighbour's tables in the same schema, do not count."""
    database = new_database()
    database.execute("CREATE SCHEMA mine; CREATE SCHEMA theirs; CREATE TABLE mine.a (id int); CREATE TABLE b (id int)")
    schema, table = _take(database, schemas=["mine"]), _take(database, tables=["b"])
    database.execute("CREATE TABLE theirs.x (id int); CREATE TABLE c (id int); CREATE TYPE mood AS ENUM ('a')")
    assert _take(database, schemas=["mine"]).digest == schema.digest
    assert _take(database, tables=["b"]).digest == table.digest
    assert [item[1] for item in table.items] == ["public.b.id", "public.b"]
    assert table.tables == ("public.b",)


@pytest.mark.parametrize("major", [14, 17])
def test_older_servers_give_fingerprints_too(postgres_version: object, new_database: NewDatabase, major: int) -> None:
    """The statement runs on older servers, and the fingerprint names the major version."""
    server: Server = postgres_version(major)  # type: ignore[operator]
    database = new_database(server)
    database.execute(";".join(_SCHEMA))
    found = _take(database)
    assert found.server_major == major and len(found.items) > 15
    kinds = [kind for kind, _ in itertools.groupby(found.items, key=lambda item: item[0])]
    assert kinds == ["column", "constraint", "domain", "enum", "index", "table"]
