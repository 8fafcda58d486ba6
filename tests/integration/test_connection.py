"""One connection with each driver: transactions, faults by their real causes, nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.engine import Connection

from stillroom.runtime import faults
from stillroom.runtime.connections import connection, diagnosis
from tests.conftest import NewDatabase, NewRole
from tests.support.postgres import Database, Role, Server

DRIVERS = ("postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2", "postgresql+psycopg_async", "postgresql")

each_driver = pytest.mark.parametrize("driver", DRIVERS)


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


def _sql(statement: str) -> Callable[[Connection], Any]:
    def work(conn: Connection) -> Any:
        result = conn.execute(sqlalchemy.text(statement))
        return result.scalar() if result.returns_rows else None

    return work


def _fault(url: str, statement: str = "SELECT 1", **options: Any) -> faults.DatabaseFault:
    with pytest.raises(faults.DatabaseFault) as caught:
        connection.run(url, _sql(statement), **options)
    return caught.value


@each_driver
def test_the_work_is_committed_when_it_returns(driver: str, database: Database) -> None:
    """And its value is the value of the call."""
    connection.run(database.url(driver), _sql("CREATE TABLE kept (n int)"))
    assert connection.run(database.url(driver), _sql("SELECT count(*) FROM kept")) == 0


@each_driver
def test_the_work_is_rolled_back_when_it_raises(driver: str, database: Database) -> None:
    """And what it raises comes out as it is."""

    def work(conn: Connection) -> None:
        conn.execute(sqlalchemy.text("CREATE TABLE gone (n int)"))
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        connection.run(database.url(driver), work)
    assert database.fetch("SELECT to_regclass('gone')") == [(None,)]


@each_driver
def test_autocommit_is_without_a_transaction(driver: str, database: Database) -> None:
    """What PostgreSQL refuses inside a transaction block works, and stays when the work raises later."""

    def work(conn: Connection) -> None:
        conn.execute(sqlalchemy.text("CREATE TABLE t (n int)"))
        conn.execute(sqlalchemy.text("CREATE INDEX CONCURRENTLY ix ON t (n)"))
        raise LookupError

    with pytest.raises(LookupError):
        connection.run(database.url(driver), work, autocommit=True)
    assert database.fetch("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix'::regclass") == [(True,)]


@each_driver
def test_the_connection_is_named_and_closed(driver: str, database: Database) -> None:
    """`pg_stat_activity` shows it while it works, and no longer."""
    name = connection.run(
        database.url(driver) + "?application_name=other",
        _sql("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"),
        application_name="stillroom test",
    )
    assert name == "stillroom test"
    _wait_until_gone(database, "stillroom test")


def _wait_until_gone(database: Database, application_name: str) -> None:
    """Returns when no session has that name; the test's own time limit ends it otherwise."""
    with database.connect() as own:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND datname = %s"
        while own.execute(query, [application_name, database.name]).fetchall() != [(0,)]:
            pass


@each_driver
def test_json_comes_back_as_values(driver: str, database: Database) -> None:
    """With each driver the same, written and read."""

    def work(conn: Connection) -> Any:
        table = sqlalchemy.Table(
            "j",
            sqlalchemy.MetaData(),
            sqlalchemy.Column("a", sqlalchemy.JSON),
            sqlalchemy.Column("b", sqlalchemy.dialects.postgresql.JSONB),
        )
        table.create(conn)
        conn.execute(table.insert(), [{"a": {"k": [1, None]}, "b": {"ü": 2.5}}])
        typed = conn.execute(sqlalchemy.select(table)).one()
        return tuple(typed), tuple(conn.execute(sqlalchemy.text("SELECT a, b FROM j")).one())

    expected = ({"k": [1, None]}, {"ü": 2.5})
    assert connection.run(database.url(driver), work) == (expected, expected)


@each_driver
def test_reflection_works(driver: str, database: Database) -> None:
    """Although SQLAlchemy did not ask the server what it usually asks."""
    database.execute("CREATE TABLE parent (id int PRIMARY KEY, name text DEFAULT 'it''s \\ ')")

    def work(conn: Connection) -> Any:
        inspector = sqlalchemy.inspect(conn)
        version = conn.dialect.server_version_info
        return inspector.get_table_names(), inspector.default_schema_name, version and version[0]

    assert connection.run(database.url(driver), work) == (["parent"], "public", database.server.major)


@each_driver
def test_a_literal_percent_and_a_backslash_survive(driver: str, database: Database) -> None:
    """Statements that the runtime builds itself go through as they are."""

    def work(conn: Connection) -> Any:
        options = {"no_parameters": True}
        return conn.exec_driver_sql(r"SELECT '100%' || '\n' || ':x'", execution_options=options).scalar()

    assert connection.run(database.url(driver), work) == r"100%\n:x"


@each_driver
def test_an_older_server_works_too(driver: str, postgres15: Server) -> None:
    """Version 15, which answers the protocol's newer questions otherwise."""
    query = "SELECT current_setting('server_version_num')::int / 10000"
    assert connection.run(postgres15.url(driver=driver), _sql(query)) == 15


# Inside of loops


@each_driver
def test_it_works_inside_a_running_loop(driver: str, database: Database) -> None:
    """In a thread of its own where the driver needs a loop."""

    async def main() -> Any:
        return connection.run(database.url(driver), _sql("SELECT 7"))

    assert asyncio.run(main()) == 7


def test_it_works_inside_itself(database: Database) -> None:
    """The work may open another connection."""

    def work(conn: Connection) -> Any:
        return connection.run(database.asyncpg, _sql("SELECT 8"))

    assert connection.run(database.asyncpg, work) == 8


def test_the_threads_current_loop_is_left_alone(database: Database) -> None:
    """An env.py of the old kind calls `get_event_loop` afterwards, which after `asyncio.run` would fail."""
    found: list[Any] = []

    def main() -> None:
        mine = asyncio.new_event_loop()
        asyncio.set_event_loop(mine)
        connection.run(database.asyncpg, _sql("SELECT 1"))
        found.append(asyncio.get_event_loop() is mine)
        found.append(mine.is_closed())
        mine.close()

    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
    assert found == [True, False]


class _Terminated(SystemExit):  # asyncio swallows every other one that comes up inside its own code
    pass


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg"])
def test_a_signal_closes_the_connection(driver: str, database: Database) -> None:
    """SIGTERM that becomes an exception in the middle of a statement leaves no session behind."""

    def terminate(*_: object) -> None:
        raise _Terminated

    def send_when_it_sleeps() -> None:
        with database.connect() as own:
            query = "SELECT query FROM pg_stat_activity WHERE application_name = 'sleeper' AND datname = %s"
            while own.execute(query, [database.name]).fetchall() != [("SELECT pg_sleep(600)",)]:
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, terminate)
    helper = threading.Thread(target=send_when_it_sleeps)
    try:
        helper.start()
        with pytest.raises(_Terminated):
            connection.run(database.url(driver), _sql("SELECT pg_sleep(600)"), application_name="sleeper")
    finally:
        signal.signal(signal.SIGTERM, before)
        helper.join()
    _wait_until_gone(database, "sleeper")


# Options of URLs


@pytest.mark.parametrize(
    ("driver", "query"),
    [
        ("postgresql+asyncpg", "sslmode=disable"),
        ("postgresql+asyncpg", "ssl=prefer"),
        ("postgresql+asyncpg", "sslmode=prefer&channel_binding=prefer&connect_timeout=5&keepalives=1"),
        ("postgresql+asyncpg", "prepared_statement_cache_size=0&command_timeout=30&timeout=20"),
        ("postgresql+asyncpg", "target_session_attrs=read-write"),
        ("postgresql+asyncpg", "statement_cache_size=0"),
        ("postgresql+psycopg", "sslmode=prefer&connect_timeout=5"),
        ("postgresql+psycopg", "ssl=prefer&prepared_statement_cache_size=0"),
        ("postgresql+psycopg2", "target_session_attrs=read-write"),
        ("postgresql", "sslmode=disable"),
        ("postgresql", "ssl=disable"),
    ],
)
def test_options_are_understood_by_each_driver(driver: str, query: str, database: Database) -> None:
    """libpq's names with asyncpg, SQLAlchemy's for asyncpg with libpq: a plain URL may carry either."""
    assert connection.run(f"{database.url(driver)}?{query}", _sql("SELECT 1")) == 1


@each_driver
def test_options_for_the_server_arrive(driver: str, database: Database) -> None:
    """`options=-c …` sets what it says."""
    url = database.url(driver) + "?options=-c%20statement_timeout%3D1234"
    assert connection.run(url, _sql("SHOW statement_timeout")) == "1234ms"


@each_driver
def test_a_required_tls_is_not_left_out(driver: str, database: Database) -> None:
    """The server of the tests has none, so the connection fails rather than going on in the clear."""
    assert _fault(database.url(driver) + "?sslmode=require").code == "database-unreachable"


@each_driver
def test_a_socket_works(driver: str, database: Database) -> None:
    """`?host=/folder&port=`."""
    [[folders]] = database.fetch("SHOW unix_socket_directories")
    folder, server = folders.split(",")[0].strip(' "'), database.server
    role = server.superuser
    url = f"{driver}://{role.name}:{role.password}@/{database.name}?host={folder}&port={server.port}"
    assert connection.run(url, _sql("SELECT inet_client_addr() IS NULL")) is True


@each_driver
def test_the_second_host_is_tried(driver: str, database: Database) -> None:
    """Where the first does not answer."""
    server = database.server
    role = server.superuser
    dead = _closed_port()
    url = f"{driver}://{role.name}:{role.password}@127.0.0.1:{dead},127.0.0.1:{server.port}/{database.name}"
    assert connection.run(url, _sql("SELECT 1")) == 1


@each_driver
def test_a_password_of_any_characters_works(driver: str, database: Database, new_role: NewRole) -> None:
    """Percent-encoded in the URL."""
    role = new_role(database.server)
    database.execute(f"ALTER ROLE {role.name} PASSWORD 'p@:/?#%&= ü'")
    url = database.url(driver, Role(role.name, "p@:/?#%&= ü"))
    assert connection.run(url, _sql("SELECT current_user")) == role.name


# Faults, each by its cause


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@each_driver
def test_a_port_where_nobody_listens(driver: str) -> None:
    """database-unreachable, naming where."""
    port = _closed_port()
    fault = _fault(f"{driver}://u:secret-word@127.0.0.1:{port}/d")
    assert fault.code == "database-unreachable"
    assert f"127.0.0.1:{port}/d" in fault.message
    assert f"pg_isready -h 127.0.0.1 -p {port}" in fault.mend
    assert fault.data["port"] == port
    assert "secret-word" not in str(fault.to_dict())


@each_driver
def test_a_host_that_does_not_exist(driver: str) -> None:
    """database-unreachable."""
    fault = _fault(f"{driver}://u:p@nowhere.invalid/d")
    assert (fault.code, "nowhere.invalid:5432/d" in fault.message) == ("database-unreachable", True)


@each_driver
def test_a_socket_that_does_not_exist(driver: str) -> None:
    """database-unreachable."""
    assert _fault(f"{driver}://u:p@/d?host=/nowhere").code == "database-unreachable"


@each_driver
def test_something_that_listens_and_hangs_up(driver: str) -> None:
    """database-unreachable, whatever the driver makes of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        assert _fault(f"{driver}://u:p@127.0.0.1:{port}/d").code == "database-unreachable"
        listener.shutdown(socket.SHUT_RDWR)


def test_something_that_listens_and_never_answers() -> None:
    """database-unreachable, after the time limit."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"postgresql+asyncpg://u:p@127.0.0.1:{listener.getsockname()[1]}/d"
        assert _fault(url, connect_timeout=0.2).code == "database-unreachable"


@each_driver
def test_a_database_that_does_not_exist(driver: str, postgres: Server) -> None:
    """database-missing, with the command that makes it."""
    fault = _fault(postgres.url("not_there", driver))
    assert fault.code == "database-missing"
    assert "'not_there'" in fault.message
    assert f"createdb -h 127.0.0.1 -p {postgres.port} not_there" in fault.mend


@each_driver
def test_a_wrong_password(driver: str, database: Database) -> None:
    """authentication-failed, naming the role and not the password."""
    role = Role(database.server.superuser.name, "wrong-password")
    fault = _fault(database.url(driver, role))
    assert fault.code == "authentication-failed"
    assert repr(role.name) in fault.message
    assert "wrong-password" not in str(fault.to_dict())


@each_driver
def test_no_password(driver: str, database: Database) -> None:
    """authentication-failed; libpq notices itself that it has none."""
    server = database.server
    fault = _fault(f"{driver}://{server.superuser.name}@127.0.0.1:{server.port}/{database.name}")
    assert fault.code == "authentication-failed"


@each_driver
def test_a_role_that_may_not_log_in(driver: str, database: Database, new_role: NewRole) -> None:
    """authentication-failed."""
    role = new_role()
    database.execute(f"ALTER ROLE {role.name} NOLOGIN")
    assert _fault(database.url(driver, role)).code == "authentication-failed"


@each_driver
def test_a_role_that_may_not_connect(driver: str, database: Database, new_role: NewRole) -> None:
    """permission-denied, with the GRANT."""
    role = new_role()
    database.execute(f'REVOKE CONNECT ON DATABASE "{database.name}" FROM PUBLIC')
    fault = _fault(database.url(driver, role))
    assert fault.code == "permission-denied"
    assert f"GRANT CONNECT, CREATE ON DATABASE {database.name} TO {role.name}" in fault.mend


@each_driver
def test_a_role_that_may_not_create_in_the_schema(driver: str, database: Database, new_role: NewRole) -> None:
    """permission-denied for schema public: the GRANT, and the other way."""
    role = new_role()
    fault = _fault(database.url(driver, role), "CREATE TABLE t (n int)")
    assert fault.code == "permission-denied"
    assert "permission denied for schema public" in fault.message
    assert f"GRANT USAGE, CREATE ON SCHEMA public TO {role.name};" in fault.mend
    assert f"ALTER DATABASE {database.name} OWNER TO {role.name};" in fault.mend
    assert fault.data == {
        "sqlstate": "42501",
        "host": "localhost",
        "port": database.server.port,
        "database": database.name,
        "role": role.name,
    }


@pytest.mark.parametrize(
    ("statement", "mend"),
    [
        ("SELECT * FROM theirs", "GRANT ALL ON theirs TO {role}"),
        ("SELECT nextval('numbers')", "GRANT ALL ON SEQUENCE numbers TO {role}"),
        ("ALTER TABLE theirs ADD n int", "ALTER TABLE theirs OWNER TO {role};"),
        ("CREATE DATABASE more", "ALTER ROLE {role} CREATEDB"),
        ('CREATE TABLE "My Schema".t ()', 'GRANT USAGE, CREATE ON SCHEMA "My Schema" TO {role}'),
    ],
)
def test_what_is_denied_says_what_to_grant(statement: str, mend: str, database: Database, new_role: NewRole) -> None:
    """One line that somebody with the right can paste."""
    role = new_role()
    database.execute('CREATE TABLE theirs (); CREATE SEQUENCE numbers; CREATE SCHEMA "My Schema"')
    for driver in DRIVERS:
        fault = _fault(database.url(driver, role), statement, autocommit=True)
        assert (fault.code, mend.format(role=role.name) in fault.mend) == ("permission-denied", True), fault.mend


@each_driver
def test_a_role_with_no_connection_left(driver: str, database: Database, new_role: NewRole) -> None:
    """too-many-connections."""
    role = new_role(attributes="CONNECTION LIMIT 1")
    with database.connect(role):
        fault = _fault(database.url(driver, role))
    assert fault.code == "too-many-connections"
    assert role.name in fault.message


def fill_disk(database: Database, table: str) -> None:
    """From now on the table lies on a disk without room: its file is a link to /dev/full, where no byte can be written."""
    ((path,),) = database.fetch(f"SELECT pg_relation_filepath('{table}')")
    file = database.server.cluster.data / path
    assert file.stat().st_size == 0
    file.unlink()
    file.symlink_to("/dev/full")


@each_driver
def test_a_disk_of_the_server_that_is_full(driver: str, database: Database) -> None:
    """server-disk-full: with the file, and what to do."""
    database.execute("CREATE UNLOGGED TABLE crowded (n int)")
    fill_disk(database, "crowded")
    fault = _fault(database.url(driver), "INSERT INTO crowded VALUES (1)")
    assert (fault.code, fault.data["sqlstate"]) == ("server-disk-full", "53100"), fault.message
    assert "No space left on device" in fault.message
    assert "Make room on the server's disk" in fault.mend
    database.execute("DROP TABLE crowded")


@each_driver
def test_a_server_without_memory(driver: str, database: Database) -> None:
    """server-out-of-memory: of locks, and of everything else."""
    for said, mend in (("out of shared memory", "max_locks_per_transaction"), ("out of memory", "more memory")):
        statement = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53200', MESSAGE = '{said}'; END $$"
        fault = _fault(database.url(driver), statement)
        assert (fault.code, mend in fault.mend) == ("server-out-of-memory", True), fault.mend


@each_driver
def test_a_lock_that_is_not_to_be_had(driver: str, database: Database) -> None:
    """lock-timeout."""
    database.execute("CREATE TABLE held (n int)")
    with database.connect() as other, other.transaction():
        other.execute("LOCK held")

        def work(conn: Connection) -> None:
            conn.execute(sqlalchemy.text("SET lock_timeout = '1ms'"))
            conn.execute(sqlalchemy.text("ALTER TABLE held ADD m int"))

        with pytest.raises(faults.DatabaseFault) as caught:
            connection.run(database.url(driver), work)
    assert caught.value.code == "lock-timeout"
    assert "pg_blocking_pids" in caught.value.mend


@each_driver
def test_a_statement_that_is_wrong(driver: str, database: Database) -> None:
    """statement-failed, with the statement as detail and the server's code as data."""
    fault = _fault(database.url(driver), "SELECT no_such_column")
    assert fault.code == "statement-failed"
    assert 'column "no_such_column" does not exist' in fault.message
    assert (fault.data["sqlstate"], fault.detail) == ("42703", "SELECT no_such_column")


@each_driver
def test_a_constraint_that_fails_at_commit(driver: str, database: Database) -> None:
    """statement-failed: what the server refuses at the end counts, too."""
    database.execute(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED)"
    )
    fault = _fault(database.url(driver), "INSERT INTO c VALUES (1)")
    assert (fault.code, fault.data["sqlstate"]) == ("statement-failed", "23503")


@each_driver
def test_a_session_that_is_ended_by_an_administrator(driver: str, database: Database) -> None:
    """database-unreachable: trying again may help."""
    fault = _fault(database.url(driver), "SELECT pg_terminate_backend(pg_backend_pid())")
    assert fault.code == "database-unreachable"


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "psycopg2"])
def test_a_driver_that_is_not_installed(driver: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """driver-missing, with the line for pip."""
    monkeypatch.setitem(sys.modules, driver, None)  # type: ignore[arg-type]
    fault = _fault(database.url(f"postgresql+{driver}"))
    assert fault.code == "driver-missing"
    assert fault.mend.startswith(f"pip install '{driver}")


def test_greenlet_that_is_not_installed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """greenlet-missing, with the line for pip; the other drivers do without."""
    monkeypatch.setitem(sys.modules, "greenlet", None)  # type: ignore[arg-type]
    fault = _fault(database.asyncpg)
    assert (fault.code, fault.mend) == ("greenlet-missing", "pip install 'sqlalchemy[asyncio]'")
    assert connection.run(database.psycopg, _sql("SELECT 1")) == 1


def test_errors_that_are_not_the_databases_are_nobodys_faults(database: Database) -> None:
    """A network error of something else, raised by the work, is not about the database."""

    def work(_: Connection) -> None:
        raise ConnectionRefusedError("some web service")

    for driver in DRIVERS:
        with pytest.raises(ConnectionRefusedError):
            connection.run(database.url(driver), work)


@each_driver
def test_a_fault_of_the_work_passes_as_it_is(driver: str, database: Database) -> None:
    """It is not wrapped a second time."""
    mine = faults.RefusedFault("mine", "mine", "mine")

    def work(_: Connection) -> None:
        raise mine

    with pytest.raises(faults.RefusedFault) as caught:
        connection.run(database.url(driver), work)
    assert caught.value is mine


@each_driver
def test_an_error_of_alembic_is_diagnosed_too(driver: str, database: Database) -> None:
    """`database_fault` finds the driver's error in whatever was raised around it."""
    try:
        connection.run(database.url(driver), _sql("SELECT no_such_column"))
    except faults.DatabaseFault as fault:
        error = RuntimeError("wrapped")
        error.__cause__ = fault.__cause__
    found = diagnosis.database_fault(error, database.url(driver))
    assert found is not None
    assert found.code == "statement-failed"
    assert diagnosis.database_fault(RuntimeError("other"), database.url(driver)) is None
