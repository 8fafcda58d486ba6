"""A service's start under a real server: it starts on a database that is ready, and on no other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NewDatabase
from tests.support import projects, serving
from tests.support.postgres import Database

FIRST = projects.revision(
    "374752db316e",
    upgrade='op.create_table("product", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String))',
)
SECOND = projects.revision(
    "5a1b0c9d8e7f", "374752db316e", upgrade='op.create_table("extra", sa.Column("id", sa.Integer, primary_key=True))'
)

LIFESPAN = """
import os

from fastapi import FastAPI
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(lifespan=lifespan("shop", lambda: os.environ["SHOP_DATABASE_URL"]))
app.add_middleware(FailsPlainly)
"""
SUBCLASS = """
import os

from stillroom.runtime.service import BaseFastAPIService


class Shop(BaseFastAPIService):
    async def on_startup(self, app):
        print("on_startup", self.readiness.service, flush=True)

    async def on_shutdown(self, app):
        print("on_shutdown", flush=True)


app = Shop("shop", lambda: os.environ["SHOP_DATABASE_URL"]).create_app()
"""
STARLETTE = """
import os
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from stillroom.runtime.service import lifespan


@asynccontextmanager
async def ours(app):
    yield {"greeting": "bonjour"}


async def hello(request):
    return PlainTextResponse(request.state.greeting)


app = Starlette(
    routes=[Route("/health/live", hello), Mount("/", Route("/", hello))],
    lifespan=lifespan("shop", lambda: os.environ["SHOP_DATABASE_URL"], then=ours),
)
"""
VERIFIED = [
    "[info] Database verification mode - checking database is ready",
    "[info] Database state checked",
    "[info] Database verification successful migration_count=1 current_revision=374752db316e table_count=1",
    "[info] Database verification completed",
]
SKIPPED = ["[info] Migration skip enabled - verifying database only"], ["[info] Database verified successfully"]
MIGRATED = [
    "[info] Migration mode - running database migrations",
    "[info] Running pending migrations service=shop",
    "[info] Migrations applied successfully service=shop",
    "[info] Revisions applied service=shop previous_revision=base current_revision=374752db316e revisions=374752db316e",
]


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty one."""
    return new_database()


@pytest.fixture
def shop(tmp_path: Path) -> projects.Made:
    """A service with one revision, and its application as a subclass."""
    return projects.make_service(tmp_path / "shop", history=[FIRST], files={"app/main.py": SUBCLASS})


def migrate(made: projects.Made, database: Database) -> None:
    """By Alembic itself, as somebody may have done."""
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=made.path,
        env={**os.environ, made.url_variable: database.asyncpg},
        check=True,
        capture_output=True,
    )


def migrated(database: Database) -> None:
    """What `FIRST` leaves, without a process for it."""
    database.execute(
        "CREATE TABLE product (id serial PRIMARY KEY, name varchar);"
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);"
        "INSERT INTO alembic_version VALUES ('374752db316e')"
    )


def served(made: projects.Made, database: Database, **variables: str) -> serving.Served:
    """The service under uvicorn."""
    return serving.Served(made.path, {made.url_variable: database.asyncpg, **variables})


def refused(made: projects.Made, database: Database, **variables: str) -> str:
    """The one line with which a start ends; nothing else says why, and nothing is a traceback."""
    with served(made, database, **variables) as service:
        code = service.ended()
    assert code not in (0, None), service.told
    assert "Traceback" not in service.out, service.told
    errors = [line for line in service.lines if line.startswith("[error] ")]
    assert len(errors) == 1, service.told
    return errors[0].removeprefix("[error] ")


@pytest.mark.parametrize("main", [LIFESPAN, SUBCLASS, STARLETTE], ids=["lifespan", "subclass", "starlette"])
def test_a_service_starts_on_a_migrated_database(shop: projects.Made, database: Database, main: str) -> None:
    """The documented lines, in order; live, ready and database answer; it ends without an error."""
    shop.write("app/main.py", main)
    if main is LIFESPAN:
        migrate(shop, database)
    else:
        migrated(database)
    with served(shop, database) as service:
        ready = service.get("/health/ready")
        assert (ready.status, ready.json) == (
            200,
            {"status": "ready", "service": "shop", "current_revision": "374752db316e"},
        )
        assert service.get("/health/live").status == 200
        now = service.get("/health/database")
        assert (now.status, now.json["database"]) == (200, "answers")
        metrics = service.get("/metrics")
        assert 'stillroom_verifications_total{service="shop",state="at_head"} 1.0' in metrics.body
        assert 'stillroom_revision_info{revision="374752db316e",service="shop"} 1.0' in metrics.body
        assert database.server.superuser.password not in metrics.body
    assert service.lines == VERIFIED, service.told
    assert service.code in (0, -15), service.told


def test_hooks_of_a_subclass_run_after_verifying_and_before_the_end(shop: projects.Made, database: Database) -> None:
    """`on_startup` sees a database that is ready."""
    migrated(database)
    with served(shop, database) as service:
        service.get("/health/live")
    hooks = [line for line in service.out.splitlines() if line.startswith(("on_", "[info]"))]
    assert hooks == [*VERIFIED, "on_startup shop", "on_shutdown"]


def test_an_app_of_starlette_keeps_its_own_lifespan_and_its_own_paths(shop: projects.Made, database: Database) -> None:
    """State of the inner lifespan arrives; a health path that the app has is not replaced; a mount hides none of ours."""
    shop.write("app/main.py", STARLETTE)
    migrated(database)
    with served(shop, database) as service:
        assert service.get("/health/live").body == "bonjour"
        assert service.get("/health/ready").json["status"] == "ready"


def test_the_older_lines_come_in_addition_where_migrations_are_skipped(shop: projects.Made, database: Database) -> None:
    """`SKIP_MIGRATIONS=true`: the first and the last line are those of the older documents."""
    migrated(database)
    with served(shop, database, SKIP_MIGRATIONS="true") as service:
        service.get("/health/ready")
    assert service.lines == [*SKIPPED[0], *VERIFIED, *SKIPPED[1]]


def test_json_lines_hold_the_same_fields_in_the_same_order(shop: projects.Made, database: Database) -> None:
    """`LOG_FORMAT=json`: one object a line."""
    migrated(database)
    with served(shop, database, LOG_FORMAT="json") as service:
        service.get("/health/ready")
    lines = [json.loads(line) for line in service.out.splitlines() if line.startswith("{")]
    assert [each["event"] for each in lines] == [
        line.removeprefix("[info] ").partition(" migration_count=")[0] for line in VERIFIED
    ]
    assert list(lines[2]) == ["timestamp", "level", "event", "migration_count", "current_revision", "table_count"]


@pytest.mark.parametrize("main", [LIFESPAN, SUBCLASS], ids=["lifespan", "subclass"])
def test_a_service_does_not_start_on_an_empty_database(shop: projects.Made, database: Database, main: str) -> None:
    """One line: the state, and what to do; nothing is made."""
    shop.write("app/main.py", main)
    line = refused(shop, database)
    assert line.startswith("DB not ready: Database is empty"), line
    assert "python -m stillroom.runtime migrate" in line
    assert database.fetch("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]


def test_without_the_middleware_the_line_is_there_as_well(shop: projects.Made, database: Database) -> None:
    """The server then adds its traceback; the process ends all the same."""
    shop.write("app/main.py", STARLETTE)
    with served(shop, database) as service:
        assert service.ended() != 0
    assert [line for line in service.lines if line.startswith("[error] DB not ready: Database is empty")]


def test_a_service_does_not_start_on_a_database_that_is_behind(shop: projects.Made, database: Database) -> None:
    """It names both revisions."""
    shop.add(SECOND)
    migrated(database)
    line = refused(shop, database)
    assert line.startswith("DB not ready: ")
    assert "374752db316e" in line
    assert "5a1b0c9d8e7f" in line


def test_a_service_does_not_start_without_migration_files(shop: projects.Made, database: Database) -> None:
    """`No migration files found`: they are not in the image; the mend says how they get there."""
    migrated(database)
    (shop.versions / FIRST.name).unlink()
    line = refused(shop, database)
    assert line.startswith("DB not ready: No migration files found for shop")
    assert "image" in line


def test_a_service_does_not_start_without_a_configuration(shop: projects.Made, database: Database) -> None:
    """The whole project is missing in the image."""
    shop.config.unlink()
    line = refused(shop, database)
    assert line.startswith("DB not ready: No migration files found for shop: there is no Alembic configuration in")


def test_a_start_by_a_runner_of_its_own_ends_with_the_code_of_the_state(
    shop: projects.Made, database: Database
) -> None:
    """`ends_plainly` around uvicorn: 13, where uvicorn's own command ends with 3; as JSON the line has state and code."""
    runner = "import uvicorn\nfrom stillroom.runtime.service import ends_plainly\nwith ends_plainly():\n    {}"
    ran = subprocess.run(
        [sys.executable, "-c", runner.format("uvicorn.run('app.main:app', host='127.0.0.1', port=0)")],
        cwd=shop.path,
        env={**os.environ, shop.url_variable: database.asyncpg, "LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, "Traceback" in ran.stderr) == (13, False), ran
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    (checked,) = [line for line in lines if line["event"] == "Database state checked"]
    assert (checked["service"], checked["state"]) == ("shop", "empty")
    (error,) = [line for line in lines if line["level"] == "error"]
    assert (error["service"], error["state"], error["code"]) == ("shop", "empty", "database-empty")
    other = subprocess.run([sys.executable, "-c", runner.format("raise SystemExit(3)")], cwd=shop.path)
    assert other.returncode == 3


def test_a_service_does_not_start_where_nobody_answers(shop: projects.Made, database: Database) -> None:
    """The line names the place, and no password."""
    line = refused(shop, database, SHOP_DATABASE_URL="postgresql+asyncpg://shop:tarte-tatin-5@127.0.0.1:1/shop")
    assert line.startswith("DB not ready: ")
    assert ":1/shop" in line
    assert "tatin" not in line


def test_a_service_does_not_start_without_a_url(shop: projects.Made, database: Database) -> None:
    """The variable is not set: that is what is said."""
    shop.write(
        "app/main.py", SUBCLASS.replace('os.environ["SHOP_DATABASE_URL"]', 'os.environ.get("SHOP_DATABASE_URL")')
    )
    line = refused(shop, database, SHOP_DATABASE_URL="")
    assert "no URL" in line


@pytest.mark.parametrize("environment", ["production", ""])
def test_a_protected_service_never_migrates_whatever_else_is_set(
    shop: projects.Made, database: Database, environment: str
) -> None:
    """Not by SKIP_MIGRATIONS, not by DB_FORCE_RECREATE: it verifies, and refuses. All of the matrix: test_service_mode."""
    line = refused(shop, database, ENVIRONMENT=environment, SKIP_MIGRATIONS="false", DB_FORCE_RECREATE="true")
    assert line.startswith("DB not ready: Database is empty")
    assert database.fetch("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]


def test_a_service_of_a_developer_may_migrate_at_its_start(shop: projects.Made, database: Database) -> None:
    """`ENVIRONMENT=development` and an explicit `SKIP_MIGRATIONS=false`; the second start finds nothing to do."""
    with served(shop, database, ENVIRONMENT="development", SKIP_MIGRATIONS="false") as service:
        assert service.get("/health/ready").status == 200, service.told
        assert 'outcome="done",service="shop"} 1.0' in service.get("/metrics").body
    assert service.lines == MIGRATED, service.told
    assert database.fetch("SELECT version_num::text FROM alembic_version") == [("374752db316e",)]
    database.execute("INSERT INTO product (name) VALUES ('bread')")
    with served(shop, database, ENVIRONMENT="dev", SKIP_MIGRATIONS="false", DB_FORCE_RECREATE="true") as again:
        assert again.get("/health/ready").status == 200, again.told
    assert (
        "[info] Database is at head already - no pending migrations service=shop current_revision=374752db316e"
        in again.lines
    )
    assert "[warning] DB_FORCE_RECREATE has no effect here" in again.out
    assert database.fetch("SELECT count(*) FROM product") == [(1,)]


def test_many_replicas_that_migrate_at_their_start_are_safe(shop: projects.Made, database: Database) -> None:
    """Three at once: one applies, all of them start."""
    free = {"ENVIRONMENT": "local", "SKIP_MIGRATIONS": "false"}
    with served(shop, database, **free) as a, served(shop, database, **free) as b, served(shop, database, **free) as c:
        assert [each.get("/health/ready").status for each in (a, b, c)] == [200, 200, 200]
    lines = [line for each in (a, b, c) for line in each.lines]
    assert lines.count("[info] Running pending migrations service=shop") == 1, lines


def test_a_migration_that_fails_at_a_start_ends_it_with_its_reason(shop: projects.Made, database: Database) -> None:
    """`Migration failed:` is another line than `DB not ready:`."""
    shop.add(projects.revision("5a1b0c9d8e7f", "374752db316e", upgrade='op.execute("SELECT 1/0")'))
    line = refused(shop, database, ENVIRONMENT="development", SKIP_MIGRATIONS="false")
    assert line.startswith("Migration failed: "), line
    assert "division by zero" in line


@pytest.mark.parametrize("name", ["VERIFY_DEPTH", "STILLROOM_AHEAD"])
def test_a_setting_that_makes_no_sense_ends_a_start(shop: projects.Made, database: Database, name: str) -> None:
    """Nothing falls back to something else."""
    assert name in refused(shop, database, **{name: "perhaps"})


def test_readiness_does_not_depend_on_the_database_once_it_was_verified(
    shop: projects.Made, database: Database
) -> None:
    """The database goes away: live and ready still say 200, and only `/health/database` tells."""
    migrated(database)
    with served(shop, database) as service:
        assert service.get("/health/ready").status == 200
        database.server.execute(f'ALTER DATABASE "{database.name}" ALLOW_CONNECTIONS false')
        database.server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'"
        )
        assert service.get("/health/ready").status == 200
        assert service.get("/health/live").status == 200
        gone = service.get("/health/database")
    assert gone.status == 503
    assert gone.json["database"] == "does not answer"
    assert database.server.superuser.password not in gone.body
