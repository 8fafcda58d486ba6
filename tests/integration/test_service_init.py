"""`DatabaseInitManager` and `initialize_service_database`: what they give, what they say, and what ends them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stillroom.runtime.service import (
    DatabaseInitManager,
    DatabaseManager,
    MigrationFailed,
    ends_plainly,
    initialize_service_database,
    prepare_database,
)
from stillroom.runtime.verifying import verdict
from tests.conftest import NewDatabase
from tests.integration.test_service_metrics import Gateway, gateway
from tests.support import projects
from tests.support.postgres import Database

__all__ = ["gateway"]

EXAMPLE = Path(__file__).parents[2] / "examples" / "bakery"
FIRST = projects.revision(
    "aaaa00000001",
    upgrade='op.create_table("product", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String))',
    downgrade='op.drop_table("product")',
)
LEFT = projects.revision("bbbb00000002", "aaaa00000001")
RIGHT = projects.revision("cccc00000003", "aaaa00000001")
VERIFIED = "Database verified successfully - ready for service"


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty one."""
    return new_database()


@pytest.fixture
def shop(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> projects.Made:
    """A service with one revision, in whose folder the process works."""
    made = projects.make_service(tmp_path / "shop", history=[FIRST])
    made.connects_to(monkeypatch, database.asyncpg)
    monkeypatch.chdir(made.path)
    return made


def initialize(database: Database, *, driver: str = "postgresql+asyncpg", **said: Any) -> dict[str, Any]:
    """`initialize_service_database`, or with a further argument the class behind it."""

    async def run() -> dict[str, Any]:
        manager = DatabaseManager(database.url(driver))
        try:
            if set(said) <= {"verify_only", "force_recreate"}:
                return await initialize_service_database(manager, "shop", **said)
            return await DatabaseInitManager(manager, "shop", **said).initialize_database()
        finally:
            await manager.close()

    return asyncio.run(run())


def test_a_job_migrates_and_a_service_verifies(
    shop: projects.Made, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    """The documented returns and lines, from an empty database to a service that may start."""
    assert initialize(database, verify_only=False) == {
        "action": "migrations_applied",
        "message": "Pending migrations applied successfully",
    }
    assert capfd.readouterr().out.splitlines() == [
        "[info] Migration mode - running database migrations",
        "[info] Running pending migrations service=shop",
        "[info] Migrations applied successfully service=shop",
        "[info] Revisions applied service=shop previous_revision=base current_revision=aaaa00000001 revisions=aaaa00000001",
    ]
    assert initialize(database) == {
        "action": "verified",
        "message": VERIFIED,
        "current_revision": "aaaa00000001",
        "migration_count": 1,
        "table_count": 1,
    }
    assert capfd.readouterr().out.splitlines() == [
        "[info] Database verification mode - checking database is ready",
        "[info] Database state checked",
        "[info] Database verification successful migration_count=1 current_revision=aaaa00000001 table_count=1",
        "[info] Database verification completed",
    ]
    assert initialize(database, verify_only=False)["action"] == "already_at_head"


def test_several_heads_are_joined_by_commas_and_sorted(shop: projects.Made, database: Database) -> None:
    """Whatever the order of the rows; also with psycopg."""
    shop.add(LEFT, RIGHT)
    subprocess.run([sys.executable, "-m", "alembic", "upgrade", "heads"], check=True, capture_output=True)
    told = initialize(database, driver="postgresql+psycopg")
    assert told["current_revision"] == "bbbb00000002,cccc00000003"
    assert (told["migration_count"], told["table_count"]) == (3, 1)


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg"])
def test_a_verification_on_a_warm_engine_is_one_statement_in_the_servers_log(
    shop: projects.Made, database: Database, driver: str
) -> None:
    """No BEGIN, no ROLLBACK, no ping; and no transaction is left open."""
    initialize(database, verify_only=False)
    database.execute(f"ALTER DATABASE \"{database.name}\" SET log_statement = 'all'")
    log = database.server.cluster.log

    async def run() -> tuple[int, int, str]:
        manager = DatabaseManager(database.url(driver), pool_size=1)
        async with manager.engine.connect() as conn:
            pid = int((await conn.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one())
        before = log.stat().st_size
        await DatabaseInitManager(manager, "shop").initialize_database()
        ((state,),) = database.fetch("SELECT state::text FROM pg_stat_activity WHERE pid = %s", [pid])
        await manager.close()
        return pid, before, state

    pid, before, state = asyncio.run(run())
    with log.open("rb") as file:
        file.seek(before)
        lines = [line for line in file.read().decode(errors="replace").splitlines() if f"[{pid}]" in line]
    sent = [line for line in lines if re.search(r"LOG: +(statement|execute [^:]*): ", line)]
    assert len(sent) == 1, lines
    assert ": WITH place AS" in sent[0]
    assert state == "idle"


@pytest.mark.parametrize(
    ("sql", "state", "said"),
    [
        ("DROP TABLE product, alembic_version", "empty", "Database is empty"),
        ("DROP TABLE alembic_version", "unversioned", "no revision"),
        ("DELETE FROM alembic_version", "unversioned", "no revision"),
        ("UPDATE alembic_version SET version_num = 'ffff'; DROP SCHEMA stillroom CASCADE", None, "ahead of this image"),
    ],
)
def test_each_state_has_its_exception_its_message_and_its_mend(
    shop: projects.Made,
    database: Database,
    capfd: pytest.CaptureFixture[str],
    sql: str,
    state: str | None,
    said: str,
) -> None:
    """`DB not ready:` and what to do; a database that is ahead is let pass, with a warning."""
    initialize(database, verify_only=False)
    database.execute(sql)
    capfd.readouterr()
    if state is None:
        assert initialize(database)["current_revision"] == "ffff"
        assert said in "".join(line for line in capfd.readouterr().out.splitlines() if line.startswith("[warning]"))
        return
    with pytest.raises(verdict.NotReady) as refused:
        initialize(database)
    assert refused.value.verdict.state == state
    assert refused.value.message.startswith("DB not ready: ")
    assert said in refused.value.message
    assert refused.value.mend
    assert refused.value.exit_code == verdict.EXIT_CODES[state]


def test_deep_stops_at_a_column_that_was_dropped_by_hand_and_names_it(shop: projects.Made, database: Database) -> None:
    """The stamp is right and the schema is not: `stamp` lets it pass, `deep` does not."""
    initialize(database, verify_only=False)
    assert initialize(database, verify_depth="deep")["action"] == "verified"
    database.execute("ALTER TABLE product DROP COLUMN name")
    assert initialize(database, verify_depth="stamp")["action"] == "verified"
    with pytest.raises(verdict.DatabaseDrifted) as refused:
        initialize(database, verify_depth="deep")
    assert "product.name" in refused.value.message
    with pytest.raises(verdict.DatabaseDrifted):
        initialize(database, environ={**os.environ, "VERIFY_DEPTH": "deep"})


def test_a_read_only_role_may_verify(shop: projects.Made, database: Database, new_role: Any) -> None:
    """SELECT on the version table is all it takes."""
    initialize(database, verify_only=False)
    reader = new_role()
    database.execute(f'GRANT SELECT ON alembic_version TO "{reader.name}"')

    async def run() -> dict[str, Any]:
        manager = DatabaseManager(database.url(role=reader))
        try:
            return await initialize_service_database(manager, "shop")
        finally:
            await manager.close()

    assert asyncio.run(run())["action"] == "verified"


def test_recreating_needs_an_environment_that_allows_it(shop: projects.Made, database: Database) -> None:
    """A Job's `force_recreate`: refused where ENVIRONMENT is not set, and nothing is touched."""
    initialize(database, verify_only=False)
    database.execute("INSERT INTO product (name) VALUES ('bread')")
    for environment in ("", "production"):
        with pytest.raises(MigrationFailed) as refused:
            initialize(
                database,
                verify_only=False,
                force_recreate=True,
                environ={**os.environ, "ENVIRONMENT": environment, "DB_FORCE_RECREATE": "true"},
            )
        assert (refused.value.code, refused.value.exit_code) == ("recreate-refused", 22)
        assert refused.value.message.startswith("Migration failed: ")
    assert database.fetch("SELECT count(*) FROM product") == [(1,)]


def test_a_job_recreates_where_it_may(shop: projects.Made, database: Database) -> None:
    """The content is gone, the history is applied anew."""
    initialize(database, verify_only=False)
    database.execute("INSERT INTO product (name) VALUES ('bread')")
    told = initialize(
        database, verify_only=False, force_recreate=True, environ={**os.environ, "ENVIRONMENT": "development"}
    )
    assert told["action"] == "recreated"
    assert database.fetch("SELECT count(*) FROM product") == [(0,)]


def test_a_service_never_recreates(shop: projects.Made, database: Database, capfd: pytest.CaptureFixture[str]) -> None:
    """`force_recreate` beside `verify_only` is told to have no effect, whatever the environment."""
    initialize(database, verify_only=False)
    database.execute("INSERT INTO product (name) VALUES ('bread')")
    free = {**os.environ, "ENVIRONMENT": "development", "DB_FORCE_RECREATE": "true"}
    assert initialize(database, force_recreate=True, environ=free)["action"] == "verified"
    assert "[warning] force_recreate has no effect here" in capfd.readouterr().out
    assert database.fetch("SELECT count(*) FROM product") == [(1,)]


def test_a_failed_migration_says_which_and_why(shop: projects.Made, database: Database) -> None:
    """`Migration failed:`, with the code and the mend of the cause, and the exit code of a Job."""
    shop.add(projects.revision("bbbb00000002", "aaaa00000001", upgrade='op.execute("SELECT 1/0")'))
    with pytest.raises(MigrationFailed) as refused:
        initialize(database, verify_only=False)
    assert refused.value.message.startswith("Migration failed: ")
    assert "bbbb00000002" in refused.value.message
    assert "division by zero" in refused.value.message
    assert refused.value.mend
    assert (refused.value.code, refused.value.exit_code) == ("revision-failed", 20)


def test_what_an_env_py_prints_goes_on_and_breaks_nothing(
    shop: projects.Made, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    """On both outputs, also what looks like a log line and is none."""
    shop.write(
        "migrations/env.py",
        'import sys\nprint("to stdout")\nprint("{not json", file=sys.stderr)\nprint(\'{"a": 1}\', file=sys.stderr)\n'
        'print("x" * 3_000_000, file=sys.stderr)\n'
        + projects.ENV.replace("{url_variable}", shop.url_variable)
        .replace("{configure}", "")
        .replace("from __future__ import annotations", ""),
    )
    assert initialize(database, verify_only=False)["action"] == "migrations_applied"
    told = capfd.readouterr()
    assert '{not json\n{"a": 1}\n' in told.err
    assert "x" * 3_000_000 + "\n" in told.err
    assert "to stdout\n" in told.out
    assert "[info] Migrations applied successfully service=shop" in told.out


def test_a_plain_function_prepares_a_database_for_any_program(
    shop: projects.Made, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    """For workers: the decision matrix, the lines, the fault; from a URL, a manager or an engine."""
    with pytest.raises(verdict.DatabaseEmpty):
        asyncio.run(prepare_database("shop", database.asyncpg))
    assert "[error] DB not ready: Database is empty" in capfd.readouterr().out
    free = {**os.environ, "ENVIRONMENT": "test", "SKIP_MIGRATIONS": "false"}
    assert asyncio.run(prepare_database("shop", database.asyncpg, environ=free))["action"] == "migrations_applied"

    async def with_an_engine() -> dict[str, Any]:
        manager = DatabaseManager(database.asyncpg)
        try:
            assert (await prepare_database("shop", manager))["action"] == "verified"
            return await prepare_database("shop", lambda: manager.engine)
        finally:
            await manager.close()

    assert asyncio.run(with_an_engine())["action"] == "verified"


@pytest.mark.parametrize("form", ["console", "yaml"])
def test_a_variable_or_a_format_that_is_wrong_is_one_line(
    shop: projects.Made, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], form: str
) -> None:
    """A URL that a function looks for and that is not set; a LOG_FORMAT that is none: told once, whatever the format."""
    monkeypatch.setenv("LOG_FORMAT", form)
    url = "postgresql+asyncpg://me@127.0.0.1:1/x" if form == "yaml" else None
    with pytest.raises(SystemExit) as ended, ends_plainly():
        asyncio.run(prepare_database("shop", lambda: url or os.environ["ELSEWHERE_DATABASE_URL"]))
    (line,) = capfd.readouterr().out.splitlines()
    assert ended.value.code == 1
    told = (
        "LOG_FORMAT is 'yaml'; set LOG_FORMAT" if url else "the environment variable ELSEWHERE_DATABASE_URL, which is"
    )
    assert line.startswith(f"[error] {told}"), line


def test_another_key_that_is_missing_is_a_matter_of_the_service(shop: projects.Made) -> None:
    """It comes out as it is."""
    with pytest.raises(KeyError, match="url"):
        asyncio.run(prepare_database("shop", lambda: {}["url"]))


# The example's migration script


def script(folder: Path, variables: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`scripts/run_migrations.py` of the example, as a Job runs it."""
    return subprocess.run(
        [sys.executable, str(EXAMPLE / "scripts" / "run_migrations.py"), *arguments],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )


JOB = [
    "[info] Migration job starting",
    "[info] Migration mode - running database migrations",
    "[info] Running pending migrations service=shop",
    "[info] Migrations applied successfully service=shop",
    "[info] Revisions applied service=shop previous_revision=base current_revision=aaaa00000001 revisions=aaaa00000001",
    "[info] Migration job completed successfully",
]


def test_the_script_of_the_example_is_a_migration_job(
    shop: projects.Made, database: Database, gateway: Gateway
) -> None:
    """The documented lines in their order; its metrics are pushed; the second run has nothing to do."""
    variables = {"PROMETHEUS_PUSHGATEWAY_URL": f"http://127.0.0.1:{gateway.port}"}
    ran = script(shop.path, variables)
    assert (ran.returncode, ran.stdout.splitlines()) == (0, JOB), ran.stderr
    found = gateway.values()
    assert found["stillroom_migrations_total[('outcome', 'done'), ('service', 'shop')]"] == 1
    assert found["stillroom_revision_info[('revision', 'aaaa00000001'), ('service', 'shop')]"] == 1
    assert database.server.superuser.password not in str(gateway.pushed)
    again = script(shop.path, {})
    assert again.returncode == 0
    assert again.stdout.splitlines()[2] == (
        "[info] Database is at head already - no pending migrations service=shop current_revision=aaaa00000001"
    )


def test_a_job_that_fails_ends_with_its_exit_code_and_one_line(shop: projects.Made, database: Database) -> None:
    """20: the migration is wrong; 21: try again; no traceback."""
    shop.add(projects.revision("bbbb00000002", "aaaa00000001", upgrade='op.execute("SELECT 1/0")'))
    ran = script(shop.path, {})
    assert ran.returncode == 20, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    assert [line for line in ran.stdout.splitlines() if line.startswith("[error] Migration failed: ")]
    away = script(shop.path, {shop.url_variable: "postgresql+asyncpg://shop:tarte-tatin-4@127.0.0.1:1/shop"})
    assert away.returncode == 21, away.stdout + away.stderr
    assert "tatin" not in away.stdout + away.stderr


def test_a_job_that_is_told_to_end_rolls_back_first(shop: projects.Made, database: Database) -> None:
    """SIGTERM reaches the process that migrates; the script ends with 143, and nothing is left half done."""
    shop.add(
        projects.revision(
            "bbbb00000002",
            "aaaa00000001",
            upgrade='op.execute("CREATE TABLE half (id int)"); op.execute("SELECT pg_sleep(600)")',
        )
    )
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLE / "scripts" / "run_migrations.py")],
        cwd=shop.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    sleeping = (
        "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%' AND datname = current_database()"
    )
    while not database.fetch(sleeping.replace("%", "%%"), []):
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate()
    assert process.returncode == 143, said
    assert database.fetch("SELECT to_regclass('half')::text, (SELECT version_num::text FROM alembic_version)") == [
        (None, "aaaa00000001")
    ]
    assert database.fetch(sleeping.replace("%", "%%"), []) == []


def test_the_command_of_a_job_pushes_its_metrics_as_well(
    shop: projects.Made, database: Database, gateway: Gateway
) -> None:
    """`python -m stillroom.runtime migrate`: what it did, and how it failed; its own lines and exit code stay."""
    environment = {**os.environ, "PROMETHEUS_PUSHGATEWAY_URL": f"http://127.0.0.1:{gateway.port}"}
    command = [sys.executable, "-P", "-m", "stillroom.runtime", "migrate", "--service", "shop"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.splitlines()) == (0, JOB), ran.stderr
    assert gateway.values()["stillroom_migrations_total[('outcome', 'done'), ('service', 'shop')]"] == 1
    shop.add(projects.revision("bbbb00000002", "aaaa00000001", upgrade='op.execute("SELECT 1/0")'))
    failed = subprocess.run([*command, "--json"], env=environment, capture_output=True, text=True)
    assert (failed.returncode, json.loads(failed.stdout)["code"]) == (20, "revision-failed"), failed.stderr
    assert gateway.values()["stillroom_migrations_total[('outcome', 'failed'), ('service', 'shop')]"] == 1
