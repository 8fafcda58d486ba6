"""Scratch databases on real servers: made, given, dropped, emptied, swept."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import sqlalchemy
from sqlalchemy.engine import Connection

from stillroom.runtime import faults
from stillroom.runtime.connections import connection, urls
from stillroom.runtime.housekeeping import makers
from stillroom.runtime.scratches import scratch, scratch_create, scratch_given
from tests.conftest import NewDatabase, NewRole
from tests.support.postgres import Database, Role, Server

DRIVERS = ("postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2")


@pytest.fixture
def owner(new_role: NewRole) -> Role:
    """An ordinary role that may create databases."""
    return new_role(attributes="CREATEDB")


@pytest.fixture
def service(new_database: NewDatabase, owner: Role) -> Database:
    """The service's own database."""
    return new_database(owner=owner)


@pytest.fixture
def given(new_database: NewDatabase, owner: Role) -> Database:
    """A database that somebody gives for scratch."""
    return new_database(owner=owner)


def _sql(statement: str) -> Callable[[Connection], Any]:
    def work(conn: Connection) -> Any:
        result = conn.execute(sqlalchemy.text(statement))
        return result.scalar() if result.returns_rows else None

    return work


def _exists(server: Server, name: str) -> bool:
    return bool(server.fetch("SELECT 1 FROM pg_database WHERE datname = %s", [name]))


def _scratch_databases(server: Server, owner: Role) -> list[str]:
    query = "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = %s AND datname LIKE 'stillroom%%'"
    return [row[0] for row in server.fetch(query, [owner.name])]


# Made


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_scratch_database_is_made_and_dropped(driver: str, service: Database, owner: Role) -> None:
    """Empty, reachable by its URL, named after the service, ours, and gone afterwards."""
    with scratch.open_scratch(service.url(driver, owner), "Alert-Processor", label="b") as place:
        assert re.fullmatch(r"stillroom_scratch_alert_processor_b_\d{14}_[0-9a-f]{8}", place.name)
        assert (place.created, place.strategy) == (True, "create-database")
        assert place.url.startswith(f"{driver}://{owner.name}:")
        assert connection.run(place.url, _sql("SELECT current_database()")) == place.name
        assert connection.run(place.url, _sql("SELECT count(*) FROM pg_class WHERE oid >= 16384")) == 0
        assert connection.run(place.url, _sql("SHOW synchronous_commit")) == "off"
        connection.run(place.url, _sql("CREATE TABLE t (n int)"))
    assert not _exists(service.server, place.name)
    assert place.warnings == []


def test_the_comment_says_who_made_it_and_when(service: Database, owner: Role) -> None:
    """So that whoever finds it knows."""
    with scratch.open_scratch(service.url(role=owner), "auth") as place:
        [[comment]] = service.fetch(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [place.name]
        )
    assert re.fullmatch(
        r"stillroom scratch; made by \S+@\S+ pid \d+( of \S+)? at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ for auth", comment
    ), comment


def test_a_long_name_stays_within_the_limit(service: Database, owner: Role) -> None:
    """Of 63 bytes, and of the characters that need no quoting."""
    with scratch.open_scratch(service.url(role=owner), "Größe-" + "x" * 80, label="history") as place:
        assert re.fullmatch(r"[a-z0-9_]{63}", place.name)


LOCALES = """
SELECT pg_encoding_to_char(encoding), datcollate, datctype, to_jsonb(d) ->> 'datlocprovider',
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'), to_jsonb(d) ->> 'daticurules'
FROM pg_database d WHERE datname = %s
"""


@pytest.mark.parametrize(
    ("major", "options"),
    [
        (18, "ENCODING 'UTF8' LOCALE 'C'"),
        (18, "ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"),
        (18, "ENCODING 'LATIN1' LOCALE 'C'"),
        (15, "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"),
        (15, "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LOCALE 'C'"),
        (15, "ENCODING 'SQL_ASCII' LOCALE 'C'"),
    ],
)
def test_encoding_and_locale_are_the_services(
    major: int, options: str, postgres: Server, postgres15: Server, new_role: NewRole
) -> None:
    """With each provider that the version has."""
    server = {18: postgres, 15: postgres15}[major]
    role = new_role(server, "CREATEDB")
    name = f"locale_of_{role.name}"
    server.execute(f"CREATE DATABASE {name} OWNER {role.name} TEMPLATE template0 {options}")
    try:
        with scratch.open_scratch(server.url(name, role=role), "auth") as place:
            assert server.fetch(LOCALES, [place.name]) == server.fetch(LOCALES, [name])
            assert place.warnings == []
    finally:
        server.drop_database(name)


@pytest.mark.parametrize(
    ("major", "options"),
    [
        (14, "ENCODING 'UTF8' LOCALE 'C'"),
        (16, "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en' ICU_RULES '&a < g' LOCALE 'C'"),
        (17, "ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"),
    ],
)
def test_other_versions_work_too(
    major: int, options: str, postgres_version: Callable[[int], Server], new_role: NewRole
) -> None:
    """Made with their ways to say a locale, and given ones are emptied."""
    server = postgres_version(major)
    role = new_role(server, "CREATEDB")
    names = [f"locale_of_{role.name}", f"given_of_{role.name}"]
    for name in names:
        server.execute(f"CREATE DATABASE {name} OWNER {role.name} TEMPLATE template0 {options}")
        server.execute(f"GRANT CREATE ON SCHEMA public TO {role.name}", database=name)
    service_url, given_url = (server.url(name, role=role) for name in names)
    try:
        with scratch.open_scratch(service_url, "auth") as place:
            assert server.fetch(LOCALES, [place.name]) == server.fetch(LOCALES, [names[0]])
        assert not _exists(server, place.name)
        with scratch.open_scratch(service_url, "auth", scratch_url=given_url) as other:
            server.execute(EVERYTHING, database=names[1], role=role)
        assert connection.run(given_url, scratch_given._objects) == []
        assert (place.warnings, other.warnings) == ([], [])
    finally:
        for name in names:
            server.drop_database(name)


def test_the_kernel_copies_where_it_can_and_the_server_where_it_cannot(service: Database, owner: Role) -> None:
    """PostgreSQL 18 without fsync is told to clone; what can't be done so is done the usual way."""

    def work(conn: Connection) -> tuple[str, str, list[str]]:
        def method() -> str:
            return str(conn.exec_driver_sql("SHOW file_copy_method").scalar())

        warnings: list[str] = []
        like = scratch_create.facts(conn)
        assert like.throw_away
        scratch_create.create(conn, f"{service.name}_cloned", "auth", like, warnings)
        told = method()
        scratch_create.execute(conn, f"DROP DATABASE {service.name}_cloned")
        assert not scratch_create._done_at_once(conn, "CREATE DATABASE cloned TEMPLATE not_there")
        return told, method(), warnings

    assert connection.run(service.url(role=owner), work, autocommit=True) == ("clone", "copy", [])


def test_settings_that_decide_what_sql_means_are_the_services(service: Database, owner: Role) -> None:
    """search_path and time zone, but neither the mark of production nor what would only get in the way."""
    for setting in (
        "search_path = app, public",
        "timezone = 'Asia/Tokyo'",
        "datestyle = 'SQL, DMY'",
        "default_transaction_read_only = on",
        "stillroom.environment = 'production'",
    ):
        service.server.execute(f'ALTER DATABASE "{service.name}" SET {setting}')
    with scratch.open_scratch(service.url(role=owner), "auth") as place:
        shown = [
            connection.run(place.url, _sql(f"SELECT current_setting('{name}', true)"))
            for name in (
                "search_path",
                "timezone",
                "datestyle",
                "default_transaction_read_only",
                "stillroom.environment",
            )
        ]
    assert shown == ["app, public", "Asia/Tokyo", "SQL, DMY", "off", None]


def test_an_own_tablespace_is_used_where_there_is_one(postgres15: Server, new_role: NewRole) -> None:
    """Only by a role that may create in it; it need not exist."""
    role = new_role(postgres15, "CREATEDB")
    query = "SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = %s"

    def tablespace() -> str:
        with scratch.open_scratch(postgres15.url(role=role), "auth") as place:
            return str(postgres15.fetch(query, [place.name])[0][0])

    assert tablespace() == "pg_default"
    _in_place_tablespace(postgres15)
    try:
        assert tablespace() == "pg_default"
        postgres15.execute(f"GRANT CREATE ON TABLESPACE stillroom_scratch TO {role.name}")
        assert tablespace() == "stillroom_scratch"
        postgres15.execute(f"REVOKE CREATE ON TABLESPACE stillroom_scratch FROM {role.name}")
    finally:
        postgres15.execute("DROP TABLESPACE stillroom_scratch")


def _in_place_tablespace(server: Server) -> None:
    with server.connect() as own:
        own.execute("SET allow_in_place_tablespaces = on")
        own.execute("CREATE TABLESPACE stillroom_scratch LOCATION ''")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_it_is_dropped_whatever_is_raised(error: type[BaseException], service: Database, owner: Role) -> None:
    """And the error comes out as it is."""
    with pytest.raises(error), scratch.open_scratch(service.url(role=owner), "auth") as place:
        raise error
    assert not _exists(service.server, place.name)


def test_it_is_dropped_although_somebody_is_connected(service: Database, owner: Role) -> None:
    """An engine that the service's code never closed is no reason to leave it."""
    with contextlib.ExitStack() as open_ones:
        with scratch.open_scratch(service.url(role=owner), "auth") as place:
            left = open_ones.enter_context(
                contextlib.closing(psycopg.connect(urls.render(urls.parse(place.url).set(drivername="postgresql"))))
            )
            left.execute("CREATE TABLE t (n int)")
        assert not _exists(service.server, place.name)
        assert place.warnings == []


def test_a_drop_that_fails_is_a_warning(service: Database, owner: Role, postgres: Server) -> None:
    """It does not hide the error that came before, and says how to drop it by hand."""
    with (
        pytest.raises(LookupError, match="first"),
        scratch.open_scratch(service.url(role=owner), "auth") as place,
    ):
        postgres.execute(f"ALTER DATABASE {place.name} OWNER TO {postgres.superuser.name}")
        raise LookupError("first")
    assert _exists(postgres, place.name)
    postgres.drop_database(place.name)
    [warning] = place.warnings
    assert f'DROP DATABASE "{place.name}"' in warning


def test_many_at_once(service: Database, owner: Role) -> None:
    """Fourteen services make theirs from the same template in the same moment."""
    names = []

    def one(number: int) -> None:
        with scratch.open_scratch(service.url(role=owner), f"service{number}") as place:
            names.append(place.name)

    with ThreadPoolExecutor(14) as pool:
        list(pool.map(one, range(14)))
    assert len(set(names)) == 14
    assert _scratch_databases(service.server, owner) == []


def test_a_template_that_is_busy_is_waited_for(service: Database, owner: Role, postgres: Server) -> None:
    """Somebody who is connected to template0 leaves sooner or later."""
    postgres.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
    try:
        visitor = postgres.connect("template0")
        threading.Timer(0.1, visitor.close).start()
        with scratch.open_scratch(service.url(role=owner), "auth") as place:
            assert _exists(postgres, place.name)
    finally:
        postgres.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS false")


def test_a_role_that_may_not_create_databases(new_database: NewDatabase, new_role: NewRole) -> None:
    """no-scratch-database, which names every way to one."""
    role = new_role()
    database = new_database(owner=role)
    for driver in DRIVERS:
        with pytest.raises(faults.DatabaseFault) as caught, scratch.open_scratch(database.url(driver, role), "auth"):
            pass
        assert caught.value.code == "no-scratch-database"
        for way in (
            f"ALTER ROLE {role.name} CREATEDB",
            "scratch_url_variable",
            "scratch: embedded",
            "--reset-in-place",
        ):
            assert way in caught.value.mend


def test_whether_a_role_may_create_databases_can_be_asked(service: Database, owner: Role, new_role: NewRole) -> None:
    """For preflight."""
    assert connection.run(service.url(role=owner), scratch.can_create) is True
    assert connection.run(service.url(role=new_role()), scratch.can_create) is False
    assert connection.run(service.url(), scratch.can_create) is True


def test_an_unreachable_service_database_is_said_plainly(postgres: Server) -> None:
    """Its fault comes out as it is."""
    with pytest.raises(faults.DatabaseFault) as caught, scratch.open_scratch(postgres.url("not_there"), "auth"):
        pass
    assert caught.value.code == "database-missing"


TERMINATED = """
import signal, sys
from stillroom.runtime.scratches import scratch
def terminate(*_):
    raise SystemExit(143)
signal.signal(signal.SIGTERM, terminate)
with scratch.open_scratch(sys.argv[1], "auth") as place:
    print(place.name, flush=True)
    signal.pause()
"""


def test_it_is_dropped_on_sigterm(service: Database, owner: Role) -> None:
    """Where the process turns the signal into an exception."""
    with subprocess.Popen(
        [sys.executable, "-c", TERMINATED, service.url(role=owner)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        assert _exists(service.server, name)
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 143
    assert not _exists(service.server, name)


def test_it_can_be_made_empty_again(service: Database, owner: Role) -> None:
    """Under the same name, although somebody is connected, with the same settings."""
    with scratch.open_scratch(service.url(role=owner), "auth") as place:
        plain = urls.render(urls.parse(place.url).set(drivername="postgresql"))
        with contextlib.closing(psycopg.connect(plain, autocommit=True)) as left:
            left.execute("CREATE SCHEMA app")
            place.renew()
        assert connection.run(place.url, _sql("SELECT to_regnamespace('app')::text")) is None
        assert connection.run(place.url, _sql("SHOW synchronous_commit")) == "off"
    assert not _exists(service.server, place.name)
    assert place.warnings == []


# Swept


@pytest.fixture
def leftovers(service: Database, owner: Role) -> Iterator[Callable[[str], str]]:
    """Makes a database of our naming that no run will drop."""
    made: list[str] = []

    def make(
        stamp: str,
        *,
        prefix: str = "stillroom_scratch_auth_a_",
        role: Role | None = None,
        comment: str = "stillroom scratch; made by somebody",
    ) -> str:
        name = f"{prefix}{stamp}_{len(made):08x}"
        service.server.execute(f'CREATE DATABASE "{name}"', role=role or owner)
        if comment:
            service.server.execute(f"COMMENT ON DATABASE \"{name}\" IS '{comment}'")
        made.append(name)
        return name

    yield make
    for name in made:
        service.server.drop_database(name)


def test_leftovers_of_crashed_runs_are_swept(
    service: Database, owner: Role, new_role: NewRole, leftovers: Callable[..., str]
) -> None:
    """Old ones of ours without sessions; nothing else."""
    now = service.fetch("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISS')")[0][0]
    stranger = new_role(attributes="CREATEDB")
    old = leftovers("20200101000000")
    kept = [
        leftovers(now),
        leftovers("20200101000001", role=stranger),
        leftovers("99999999999999"),
        leftovers("20200101000000", prefix="stillroom_scratchy_"),
        leftovers("20200101000000", prefix="orders_"),
        leftovers("20200101000002", prefix="STILLROOM_SCRATCH_auth_a_"),
    ]
    busy = leftovers("20200101000003")
    with service.server.connect(busy, owner):
        assert scratch.sweep(service.url(role=owner)) == [old]
    assert not _exists(service.server, old)
    assert all(_exists(service.server, name) for name in [*kept, busy])
    _until_left(service, busy)
    assert scratch.sweep(service.url(role=owner)) == [busy]
    service.server.execute(f"GRANT {stranger.name} TO {owner.name}")
    assert scratch.sweep(service.url(role=owner), older_than_seconds=0) == sorted(kept[:2])


def test_a_clock_that_jumps_costs_no_living_run_its_database(
    service: Database, owner: Role, leftovers: Callable[..., str]
) -> None:
    """Two hours ahead, or set back: what a living process made stays; after two days it is nobody's any more."""
    ago = "SELECT to_char(now() AT TIME ZONE 'UTC' - %s::interval, 'YYYYMMDDHH24MISS')"
    stamps = {jump: service.fetch(ago, [jump])[0][0] for jump in ("2 hours", "2 days", "-2 hours")}
    comment = f"stillroom scratch; made by me {makers.myself()} at some time"
    kept = [leftovers(stamps[jump], comment=comment) for jump in ("2 hours", "-2 hours")]
    gone = [leftovers(stamps["2 days"], comment=comment), leftovers(stamps["2 hours"])]
    assert sorted(scratch.sweep(service.url(role=owner))) == sorted(gone)
    assert all(_exists(service.server, name) for name in kept)


def test_a_database_that_nobody_said_to_have_made_is_left_only_while_it_is_being_made(
    service: Database, owner: Role, leftovers: Callable[..., str]
) -> None:
    """Killed between making and commenting, a run has left it; while the session that makes it lives, it may go on."""
    [[now]] = service.fetch("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISS')")
    name = leftovers(now, comment="")
    assert name.endswith("_00000000")
    with service.connect(owner) as maker:
        maker.execute("SET application_name = 'stillroom scratch 00000000'")
        assert scratch.sweep(service.url(role=owner)) == []
    while service.fetch("SELECT 1 FROM pg_stat_activity WHERE application_name = 'stillroom scratch 00000000'"):
        pass
    with scratch.open_scratch(service.url(role=owner), "sales") as place:
        assert place.warnings == [f"The scratch database {name}, which an earlier run for auth had left, was dropped"]


def _until_left(service: Database, name: str) -> None:
    """A session is over for the server a moment after it is for the client."""
    while service.fetch(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'") != [(0,)]:
        pass


ABANDONED = """
import os, signal, sys
from stillroom.runtime.scratches import scratch
with scratch.open_scratch(sys.argv[1], "sales") as place:
    print(place.name, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_goes_when_the_next_one_begins(service: Database, owner: Role) -> None:
    """At once, since its maker is known to be dead; a living maker's stays, though nobody is connected to it."""
    url = service.url(role=owner)
    left = subprocess.run([sys.executable, "-c", ABANDONED, url], capture_output=True, text=True).stdout.strip()
    assert _exists(service.server, left)
    with scratch.open_scratch(url, "auth") as living, scratch.open_scratch(url, "auth", label="b") as place:
        [warning] = living.warnings
        assert re.fullmatch(
            rf"The scratch database {left}, which an earlier run for sales \(\S+@\S+, 20\S+Z\) had left, was dropped",
            warning,
        )
        assert place.warnings == []
        assert _scratch_databases(service.server, owner) == sorted([living.name, place.name])
    assert _scratch_databases(service.server, owner) == []


# Given


def _refused(given: Database, service: Database, owner: Role, **options: Any) -> faults.RefusedFault:
    with (
        pytest.raises(faults.RefusedFault) as caught,
        scratch.open_scratch(service.url(role=owner), "auth", scratch_url=given.url(role=owner), **options),
    ):
        pass
    return caught.value


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_given_database_is_used_and_emptied(driver: str, service: Database, given: Database, owner: Role) -> None:
    """What arose in it is gone, the database is not; nothing is made beside it."""
    with scratch.open_scratch(service.url(driver, owner), "auth", scratch_url=given.url(driver, owner)) as place:
        assert (place.name, place.created, place.strategy) == (given.name, False, "given-url")
        assert urls.address(place.url) == urls.address(given.url())
        assert _scratch_databases(service.server, owner) == []
        connection.run(place.url, _sql("CREATE TABLE t (n int)"))
    assert place.warnings == []
    assert given.fetch("SELECT count(*) FROM pg_class WHERE oid >= 16384") == [(0,)]


EVERYTHING = """
CREATE SCHEMA app;
CREATE TYPE public.mood AS ENUM ('sad', 'ok');
CREATE TYPE public.pair AS (a int, b text);
CREATE TYPE public.span AS RANGE (subtype = float8);
CREATE DOMAIN public.positive AS int CHECK (VALUE > 0);
CREATE SEQUENCE public.numbers;
CREATE TABLE public.parent (id serial PRIMARY KEY, m mood, p positive DEFAULT 1, i int GENERATED ALWAYS AS IDENTITY);
CREATE TABLE app.child (id int PRIMARY KEY DEFAULT nextval('public.numbers'), parent int REFERENCES public.parent);
ALTER TABLE public.parent ADD child int REFERENCES app.child;
CREATE TABLE public.parts (at date) PARTITION BY RANGE (at);
CREATE TABLE public.part PARTITION OF public.parts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE public."Odd ""name" (x int);
CREATE VIEW public.seen AS SELECT id FROM public.parent;
CREATE MATERIALIZED VIEW public.frozen AS SELECT * FROM public.seen;
CREATE FUNCTION public.f(a int, b text DEFAULT 'x') RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.trg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER t BEFORE INSERT ON public.parent FOR EACH ROW EXECUTE FUNCTION public.trg();
CREATE PROCEDURE public.proc() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE public.total (int) (SFUNC = int4pl, STYPE = int);
CREATE OPERATOR public.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE COLLATION public.coll FROM "C";
CREATE CONVERSION public.conv FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
CREATE TEXT SEARCH CONFIGURATION public.conf (COPY = simple);
CREATE TEXT SEARCH DICTIONARY public.dict (TEMPLATE = simple);
CREATE STATISTICS public.stats ON id, p FROM public.parent;
CREATE RULE r AS ON DELETE TO public.seen DO INSTEAD NOTHING;
ALTER TABLE public.parent ENABLE ROW LEVEL SECURITY;
CREATE POLICY pol ON public.parent USING (true);
SELECT lo_create(0);
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
"""
OF_A_SUPERUSER = """
CREATE OPERATOR FAMILY public.fam USING btree;
CREATE PUBLICATION pub FOR TABLE public.parent;
CREATE FUNCTION public.evt() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
CREATE FOREIGN DATA WRAPPER wrapper;
CREATE SERVER remote FOREIGN DATA WRAPPER wrapper;
CREATE FOREIGN TABLE public.far (n int) SERVER remote;
CREATE CAST (public.pair AS text) WITH INOUT;
CREATE EXTENSION citext;
CREATE TABLE public.with_extension (t citext);
CREATE EVENT TRIGGER evt ON sql_drop EXECUTE FUNCTION public.evt();
"""


@pytest.mark.parametrize("superuser", [False, True])
def test_every_kind_of_object_is_cleaned_away(
    superuser: bool, postgres15: Server, new_database: NewDatabase, new_role: NewRole
) -> None:
    """As an ordinary role, and as a superuser also what only those can make, an event trigger that forbids drops too."""
    role = postgres15.superuser if superuser else new_role(postgres15, "CREATEDB")
    service, given = new_database(postgres15, owner=role), new_database(postgres15, owner=role)
    before = connection.run(given.url(), scratch_given._objects)
    with scratch.open_scratch(service.url(role=role), "auth", scratch_url=given.url(role=role)) as place:
        given.execute(EVERYTHING + (OF_A_SUPERUSER if superuser else ""), role=role)
        kinds = {each.kind for each in connection.run(given.url(), scratch_given._objects)}
        assert len(kinds) >= (24 if superuser else 16)
    assert place.warnings == []
    assert connection.run(given.url(), scratch_given._objects) == before
    assert given.fetch("SELECT count(*) FROM pg_default_acl") == [(0,)]


def test_what_was_prepared_stays(given: Database, service: Database, owner: Role, postgres: Server) -> None:
    """Extensions, schemas with their grants, and defaults that an administrator has set count as empty."""
    given.execute("CREATE EXTENSION vector; CREATE SCHEMA app; CREATE SCHEMA other")
    given.execute(f"GRANT USAGE ON SCHEMA other TO PUBLIC; ALTER SCHEMA app OWNER TO {owner.name}")
    given.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO PUBLIC")
    query = "SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname IN ('app', 'other', 'public') ORDER BY 1"
    before = given.fetch(query)
    with scratch.open_scratch(service.url(role=owner), "auth", scratch_url=given.url(role=owner)) as place:
        given.execute("CREATE TABLE app.t (n int, v public.vector(3)); CREATE SCHEMA mine", role=owner)
    assert place.warnings == []
    assert given.fetch(query) == before
    assert given.fetch("SELECT extname FROM pg_extension WHERE extname = 'vector'") == [("vector",)]
    assert given.fetch("SELECT count(*) FROM pg_default_acl") == [(1,)]
    assert given.fetch("SELECT to_regclass('app.t')") == [(None,)]


def test_a_given_database_can_be_made_empty_again(given: Database, service: Database, owner: Role) -> None:
    """As it was when it was borrowed: a schema that was prepared stays, one that a migration made goes."""
    given.execute(f"CREATE SCHEMA prepared AUTHORIZATION {owner.name}")
    with scratch.open_scratch(service.url(role=owner), "auth", scratch_url=given.url(role=owner)) as place:
        for _ in range(2):
            given.execute("CREATE SCHEMA app; CREATE TABLE app.t (); CREATE TABLE prepared.t ()", role=owner)
            place.renew()
            assert given.fetch("SELECT to_regnamespace('app'), to_regclass('prepared.t')") == [(None, None)]
            assert given.fetch("SELECT to_regnamespace('prepared') IS NOT NULL") == [(True,)]
    assert place.warnings == []


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE TABLE customers (n int)", "table public.customers"),
        ("CREATE SCHEMA app; CREATE VIEW app.v AS SELECT 1", "view app.v"),
        ("CREATE TYPE mood AS ENUM ('sad')", "type public.mood"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function public.f()"),
        ("CREATE SEQUENCE numbers", "sequence public.numbers"),
        ("SELECT lo_create(77)", "large object 77"),
    ],
)
def test_a_database_that_is_not_empty_is_refused(
    statement: str, named: str, given: Database, service: Database, owner: Role
) -> None:
    """With what is in it; and it stays."""
    given.execute(statement, role=owner)
    fault = _refused(given, service, owner)
    assert fault.code == "scratch-not-empty"
    assert named in fault.message
    assert _refused(given, service, owner).message == fault.message


def test_many_objects_are_counted(given: Database, service: Database, owner: Role) -> None:
    """The message names some and says how many more there are."""
    given.execute("".join(f"CREATE TABLE t{number:02} (n int);" for number in range(20)))
    fault = _refused(given, service, owner)
    assert "and 12 more" in fault.message
    assert len(fault.data["objects"]) == 20


def test_the_services_own_database_is_no_scratch_database(service: Database, owner: Role) -> None:
    """However its URL is spelled."""
    fault = _refused(service, service, owner)
    assert fault.code == "scratch-is-service-database"
    spelled = service.url("postgresql+psycopg", owner).replace("127.0.0.1", "localhost")
    with (
        pytest.raises(faults.RefusedFault, match="own database"),
        scratch.open_scratch(service.url(role=owner), "auth", scratch_url=spelled),
    ):
        pass


def test_what_cannot_be_dropped_is_a_warning(
    given: Database, service: Database, owner: Role, new_role: NewRole
) -> None:
    """It is named, the rest goes, and the error before it is what people see."""
    stranger = new_role()
    given.execute(f"GRANT CREATE ON SCHEMA public TO {stranger.name}")
    with (
        pytest.raises(LookupError),
        scratch.open_scratch(service.url(role=owner), "auth", scratch_url=given.url(role=owner)) as place,
    ):
        given.execute("CREATE SCHEMA app; CREATE TABLE app.stays (n int)")  # the superuser's
        given.execute("CREATE TABLE goes (n int)", role=owner)
        raise LookupError
    [warning] = place.warnings
    assert "schema app (must be owner of schema app)" in warning
    assert given.fetch("SELECT to_regclass('goes'), to_regclass('app.stays') IS NULL") == [(None, False)]


HOLDER = """
import sys
from stillroom.runtime.scratches import scratch
with scratch.open_scratch(sys.argv[1], "first", scratch_url=sys.argv[2]):
    print("open", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(service: Database, given: Database, owner: Role) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the given database open until it is told, or killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, service.url(role=owner), given.url(role=owner)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        yield child
        child.kill()


def test_one_run_at_a_time_uses_a_given_database(
    holder: subprocess.Popen[str], given: Database, service: Database, owner: Role
) -> None:
    """scratch-busy names the holder; when the wait suffices, it goes on."""
    fault = _refused(given, service, owner, wait_seconds=0.1)
    assert fault.code == "scratch-busy"
    assert re.search(r"session \d+ \('stillroom scratch first ", fault.message), fault.message
    assert holder.stdin is not None

    def waiting() -> bool:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name LIKE '%%scratch second%%'"
        )
        return given.server.fetch(query, [given.name]) == [(1,)]

    def release() -> None:
        while not waiting():
            pass
        assert holder.stdin is not None
        holder.stdin.write("go\n")
        holder.stdin.flush()

    helper = threading.Thread(target=release)
    helper.start()
    with scratch.open_scratch(service.url(role=owner), "second", scratch_url=given.url(role=owner)) as place:
        assert place.name == given.name
    helper.join()


def test_a_killed_holder_leaves_the_database_free(
    holder: subprocess.Popen[str], given: Database, service: Database, owner: Role
) -> None:
    """The lock goes with the session."""
    holder.kill()
    holder.wait()
    with scratch.open_scratch(service.url(role=owner), "auth", scratch_url=given.url(role=owner)) as place:
        assert place.warnings == []


def test_the_same_process_does_not_wait_for_itself(given: Database, service: Database, owner: Role) -> None:
    """It would wait for ever; afterwards the database is free."""
    with scratch.open_scratch(service.url(role=owner), "auth", scratch_url=given.url(role=owner)):
        assert _refused(given, service, owner).code == "scratch-busy"
    with scratch.open_scratch(service.url(role=owner), "auth", scratch_url=given.url(role=owner)):
        pass


def test_a_lock_that_is_lost_is_a_warning(given: Database, service: Database, owner: Role) -> None:
    """An administrator ends the session, or a pooler gives it to somebody else."""
    with scratch.open_scratch(service.url(role=owner), "auth", scratch_url=given.url(role=owner)) as place:
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'stillroom scratch%%'"
        )
        given.server.execute(query + f" AND datname = '{given.name}'")
    assert any("lock" in warning for warning in place.warnings)


def test_an_index_can_be_made_concurrently_while_others_wait(given: Database, service: Database, owner: Role) -> None:
    """Waiting by polling holds no snapshot, so that CREATE INDEX CONCURRENTLY does not wait for the waiter."""
    errors: list[BaseException] = []

    def second() -> None:
        script = HOLDER.replace("sys.stdin.readline()", "pass")
        child = subprocess.run(
            [sys.executable, "-c", script, service.url(role=owner), given.url(role=owner)],
            capture_output=True,
            text=True,
        )
        if child.returncode:
            errors.append(RuntimeError(child.stderr))

    waiter = threading.Thread(target=second)
    with scratch.open_scratch(service.url(role=owner), "auth", scratch_url=given.url(role=owner)) as place:
        waiter.start()
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name LIKE '%%scratch first%%'"
        while given.server.fetch(query, [given.name]) != [(1,)]:
            pass
        given.execute("CREATE TABLE t (n int)", role=owner)
        with given.connect(owner) as own:
            own.execute("SET statement_timeout = '20s'")
            own.execute("CREATE INDEX CONCURRENTLY ix ON t (n)")
    waiter.join()
    assert place.warnings == []
    assert not errors
