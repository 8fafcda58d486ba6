"""Preflight by real causes: small broken services, real servers, a real pooler."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
import sqlalchemy

from stillroom import errors, fleet, preflight, session
from stillroom.people import findings
from stillroom.registry import model
from stillroom.reports import Finding, Report
from stillroom.targets import base, local
from tests.conftest import NewDatabase, NewRole
from tests.support import accounts, pgbouncer, postgres, projects


class _Watcher:
    def begin(self, service: str) -> None: ...
    def step(self, service: str, step: str) -> None: ...
    def warn(self, service: str, message: str) -> None: ...
    def output(self, service: str, line: str) -> None: ...
    def end(self, service: str, outcome: fleet.Outcome[Any]) -> None: ...


class _Session(session.Session):
    """A session whose processes are forked from one parent for all tests, since starting that takes the longest."""

    parents: ClassVar[list[local.Local]] = []

    def _reach(self) -> base.Target:
        return self.parents[0]


@pytest.fixture(scope="module", autouse=True)
def parents() -> Iterator[None]:
    """The processes that services are forked from, until the last test is done."""
    _Session.parents.append(local.Local())
    yield
    _Session.parents.pop().close()


def outcomes_of(
    registry: model.Fleet,
    services: Sequence[model.Service] | None = None,
    *,
    skip_db_check: bool = False,
    own_parent: bool = False,
    alone: bool = False,
) -> list[fleet.Outcome[Report]]:
    """A preflight of these services (default: all), with the variables of databases as they are set now.

    `own_parent`: the parent of the processes is started anew, for it takes its own variables along.
    """
    environment = registry.environments[registry.default_environment]
    chosen = tuple(_with_variables(each) for each in (registry.services if services is None else services))
    with (session.Session if own_parent else _Session)(registry, environment, 3) as opened:
        opened.open(chosen)
        return preflight.run(opened, chosen, preflight.Options(skip_db_check=skip_db_check, alone=alone), _Watcher())


def _with_variables(service: model.Service) -> model.Service:
    names = [service.url_variable, service.scratch_url_variable or ""]
    found = {name: os.environ[name] for name in names if name in os.environ}
    return dataclasses.replace(service, env={**service.env, **found})


def look(
    registry: model.Fleet,
    services: Sequence[model.Service] | None = None,
    *,
    skip_db_check: bool = False,
    own_parent: bool = False,
    alone: bool = False,
) -> dict[str, Report]:
    """The reports by name; see `outcomes_of`."""
    outcomes = outcomes_of(registry, services, skip_db_check=skip_db_check, own_parent=own_parent, alone=alone)
    reports = {outcome.service.name: outcome.value for outcome in outcomes if outcome.value is not None}
    assert len(reports) == len(outcomes)
    return reports


def only(report: Report, check: str) -> Finding:
    """The one finding of a check."""
    found = [each for each in report.findings if each.check == check]
    assert len(found) == 1, [(each.check, each.level, each.message) for each in report.findings]
    return found[0]


def bad(report: Report) -> list[tuple[str, str]]:
    """(check, level) of what is not well."""
    return [(each.check, each.level) for each in report.findings if each.level in ("warning", "error")]


def levels(report: Report) -> dict[str, str]:
    """Check to level."""
    return {each.check: each.level for each in report.findings}


# One run over a fleet of broken services: what is wrong with one must not touch what is said of another, nor may a
# failing check hide the others of the same service.

FIRST = projects.revision("0001", upgrade="op.execute('SELECT 1')", downgrade="op.execute('SELECT 1')")
CONNECTS = """
import psycopg
psycopg.connect("host=127.0.0.1 port={port} dbname=elsewhere user=nobody connect_timeout=2")
"""
ONLINE_ONLY = """
import os
from alembic import context
from sqlalchemy import create_engine
from app.models import Base
with create_engine(os.environ["{url_variable}"].replace("+asyncpg", "+psycopg")).connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
"""
ONLINE_UNKNOWN = ONLINE_ONLY.replace("target_metadata=Base.metadata", "target_metadata=vars(Base)['metadata']")
NO_TARGET = projects.ENV.replace("target_metadata=Base.metadata", "target_metadata=None")
BROKEN_ENV = projects.ENV.replace("from app.models", "from app.nowhere import nothing\nfrom app.models")
MISTYPED = projects.ENV.replace("Base.metadata", "Bass.metadata")
MISTYPED_OFFLINE = projects.ENV.replace(
    "literal_binds=True, target_metadata=Base", "literal_binds=True, target_metadata=Bass"
)
HARDCODED = projects.ENV.replace('os.environ["{url_variable}"]', '"postgresql+asyncpg://me:secretword@127.0.0.1/shop"')
SETTINGS = 'import os\n\nTABLE = os.environ.get("NO_SUCH_VARIABLE", "computed_versions")\n'
COMPUTED = projects.ENV.replace("from app.models", "from app.settings import TABLE\nfrom app.models")


def _write(root: Path, port: int) -> dict[str, projects.Made]:
    def make(name: str, **more: Any) -> projects.Made:
        return projects.make_service(root / name, **more)

    made = [
        # First, so that its wait is spent beside the others; enough for the checks that come before, on a busy machine.
        make("hangs", files={"app/models.py": "import threading\nthreading.Event().wait()\n"}, time_limit=8.0),
        make("sound", history=[FIRST]),
        make("syntax", files={"app/models.py": "from app import parts\n", "app/parts.py": "x = 1\nclass Broken(:\n"}),
        make("import-error", files={"app/models.py": "import os\n\nimport no_such_thing_at_all\n"}),
        make("no-variable", files={"app/models.py": 'import os\nKEY = os.environ["JWT_SECRET_OF_TEST"]\n'}),
        make("exits", files={"app/models.py": "import sys\nsys.exit(3)\n"}),
        make("crashes", files={"app/models.py": "import os\nos._exit(9)\n"}),
        make("empty", models=""),
        make("no-metadata", files={"app/models.py": "VALUE = 1\n"}),
        make("connects", files={"app/models.py": CONNECTS.format(port=port)}),
        make("declared", modules=None, metadata="app.models:Base"),
        make("misdeclared", metadata="app.models:Bass.metadata"),
        make("from-env", modules=None),
        make("online-only", modules=None, env=ONLINE_ONLY),
        make("online-unknown", modules=None, env=ONLINE_UNKNOWN),
        make("env-import-error", modules=None, files={"app/models.py": "import os\n\nimport no_such_thing_at_all\n"}),
        make("env-exits", modules=None, files={"app/models.py": "import sys\nsys.exit(3)\n"}),
        make("env-without-target", modules=None, env=NO_TARGET),
        make("env-without-tables", modules=None, models=""),
        make("env-of-no-base", env=NO_TARGET),
        make("broken-env", env=BROKEN_ENV),
        make("mistyped-env", env=MISTYPED),
        make("mistyped-offline", env=MISTYPED_OFFLINE),
        make("hardcoded", env=HARDCODED),
        make("computed", env=COMPUTED, configure="version_table=TABLE", files={"app/settings.py": SETTINGS}),
        make("contradicted", version_table="one", configure="version_table='other'"),
        make("no-config"),
        make("no-section", ini="[loggers]\nkeys = root\n"),
        make("no-script", ini="[alembic]\nscript_location = nowhere\n"),
        make("no-env", files={"migrations/env.py": None}),
        make("no-folder"),
        make("read-only", ini=projects.INI + "version_locations = /proc/sys\n"),
        make(
            "two-heads",
            history=[FIRST, *(projects.revision(each, "0001", upgrade="op.f('x')") for each in ("2a", "2b"))],
        ),
        make("long-id", history=[projects.revision("a" * 40, upgrade="op.f('x')", name="long.py")]),
        make("empty-file", history={"0002_empty.py": ""}),
        make("no-url"),
        make("wrong-url"),
        make("unanswered"),
        make("no-database"),
        make("no-password"),
        make("no-driver"),
        make("stale", history=[FIRST]),
        make("old-arrangement", configure="version_table='new_versions'"),
        make("citext", models=projects.table("person", "mail: Mapped[str] = mapped_column(postgresql.CITEXT)")),
    ]
    named = {each.name: each for each in made}
    named["no-folder"].versions.rmdir()
    return named


@pytest.fixture(scope="module")
def broken(postgres: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Report]]:
    """The reports on all of them, by one run."""
    root = tmp_path_factory.mktemp("broken")
    with contextlib.ExitStack() as cleanup, pytest.MonkeyPatch.context() as patch, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens there
        port = taken.getsockname()[1]
        database = postgres.create_database()
        cleanup.callback(postgres.drop_database, database.name)
        services = _write(root, port)
        for service in services.values():
            own = postgres.create_database()
            cleanup.callback(postgres.drop_database, own.name)
            service.connects_to(patch, own.asyncpg)
            if service.name == "stale":
                own.execute(
                    "CREATE TABLE alembic_version (version_num varchar(64)); INSERT INTO alembic_version VALUES ('gone')"
                )
            if service.name == "old-arrangement":
                own.execute("CREATE TABLE alembic_version (version_num varchar(32))")
        server = f"{postgres.superuser.name}:{postgres.superuser.password}@{postgres.host}:{postgres.port}"
        patch.delenv(services["no-url"].url_variable)
        services["wrong-url"].connects_to(patch, "mysql://root:secretword@127.0.0.1/shop")
        services["unanswered"].connects_to(patch, f"postgresql+asyncpg://nobody:secretword@127.0.0.1:{port}/nothing")
        services["no-database"].connects_to(patch, f"postgresql+asyncpg://{server}/no_such_database")
        services["no-password"].connects_to(patch, database.asyncpg.replace(postgres.superuser.password, "secretword"))
        services["no-driver"].connects_to(patch, f"postgresql+nodriver://{server}/{database.name}")
        registry = projects.make_registry(root, *services.values())
        services["no-config"].config.unlink()
        yield look(registry)


def test_a_sound_service_has_nothing_but_ok_and_its_facts(broken: dict[str, Report]) -> None:
    """Every check is made, and what was seen is there to plan with."""
    report = broken["sound"]
    assert set(levels(report).values()) == {"ok", "skipped"}
    assert [each.check for each in report.findings if each.level == "skipped"] == ["uncommitted"]
    facts = report.facts
    assert facts["heads"] == ["0001"] and facts["applied"] is None and facts["metadata_tables"] == ["product"]
    assert facts["version_table"] == "public.alembic_version" and facts["driver"] == "asyncpg"
    assert (facts["schemas"], facts["database_tables"], facts["scratch"]) == (["public"], 0, "create")
    assert facts["address"] == f"127.0.0.1:{facts['port']}/{facts['database']}"  # as it was given
    assert facts["host"] == "localhost"  # by what it is known, however it is given
    assert facts["server_version"].startswith("18.") and facts["role"] == "postgres"
    (file,) = facts["files"]
    assert (file["name"], file["revision"], len(file["sha256"])) == ("0001_.py", "0001", 64)
    assert {"python", "alembic", "sqlalchemy", "asyncpg", "greenlet"} <= set(facts["versions"])


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("syntax", "app/parts.py:2)"),
        ("import-error", "app/models.py:3)"),
        ("no-variable", "needs the environment variable JWT_SECRET_OF_TEST"),
        ("exits", "app/models.py:2)"),
        ("connects", "elsewhere"),
        ("env-import-error", "app/models.py:3)"),
        ("env-exits", "app/models.py:2)"),
        ("crashes", "(app.models) took the service's process down"),
        ("hangs", "did not end within the time limit of 8 s"),
    ],
)
def test_models_that_do_not_import_are_told_with_file_and_line(
    broken: dict[str, Report], service: str, said: str
) -> None:
    """And every other check is made all the same, also where the models take the process with them."""
    finding = only(broken[service], "models")
    assert (finding.level, said in finding.message) == ("error", True), finding.message
    assert finding.mend
    assert bad(broken[service]) == [("models", "error")]
    assert {"database", "history", "rights", "scratch", "version table"} <= set(levels(broken[service]))


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("empty", "metadata-empty"),
        ("no-metadata", "metadata-missing"),
        ("misdeclared", "metadata-missing"),
        ("env-without-target", "metadata-none"),
        ("env-without-tables", "metadata-empty"),
    ],
)
def test_metadata_without_tables_is_an_error(broken: dict[str, Report], service: str, code: str) -> None:
    """A baseline of nothing would be empty; so would one of the wrong module."""
    assert bad(broken[service]) == [("models", "error")]
    assert only(broken[service], "models").data["code"] == code


LEAN_OFFLINE = """
import os
from alembic import context
from app.models import Base
from sqlalchemy import create_engine

target_metadata = Base.metadata
table = "shop_" + "versions"
if context.is_offline_mode():
    context.configure(url=os.environ["{url_variable}"])
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(os.environ["{url_variable}"].replace("+asyncpg", "+psycopg")).connect() as connection:
        context.configure(connection=connection, target_metadata=target_metadata, version_table=table)
        with context.begin_transaction():
            context.run_migrations()
"""


def test_what_only_the_branch_for_a_database_says_is_found(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many an env.py gives its metadata, and its version table, to `configure` only where there is a connection."""
    shop = projects.make_service(tmp_path / "shop", modules=None, env=LEAN_OFFLINE, history=[FIRST])
    shop.connects_to(monkeypatch, new_database().asyncpg)

    report = look(projects.make_registry(tmp_path, shop))["shop"]

    assert bad(report) == []
    assert report.facts["metadata_tables"] == ["product"]
    assert report.facts["version_table"] == "public.shop_versions"


@pytest.mark.parametrize("modules", ["app.models", None])
def test_a_setup_that_fails_is_an_error(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch, modules: str | None
) -> None:
    """Whoever tells what the models are: nothing that runs env.py would come further."""
    shop = projects.make_service(
        tmp_path / "shop",
        modules=modules,
        history=[FIRST],
        files={"app/start.py": "def prepare():\n    import no_such_driver\n"},
        setup="app.start:prepare",
    )
    shop.connects_to(monkeypatch, new_database().asyncpg)

    report = look(projects.make_registry(tmp_path, shop))["shop"]

    assert bad(report) == [("models", "error")]
    assert "no_such_driver" in only(report, "models").message


def test_a_history_written_by_hand_is_sound_where_nothing_is_to_be_generated(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`apply` needs no models: `invoke preflight` warns of what revision and regenerate would stop at."""
    shop = projects.make_service(tmp_path / "shop", modules=None, env=NO_TARGET, history=[FIRST])
    bare = projects.make_service(tmp_path / "bare", modules=None, env=NO_TARGET)
    for each in (shop, bare):
        each.connects_to(monkeypatch, new_database().asyncpg)

    reports = look(projects.make_registry(tmp_path, shop, bare), alone=True)

    assert bad(reports["shop"]) == [("models", "warning")]
    assert "target_metadata of env.py is None" in only(reports["shop"], "models").message
    assert ("models", "error") in bad(reports["bare"])


@pytest.mark.parametrize("service", ["declared", "from-env", "online-only"])
def test_metadata_is_found_where_it_is_declared_or_by_env_py_without_a_database(
    broken: dict[str, Report], service: str
) -> None:
    """`metadata:` may name the base; without models, env.py tells in offline mode, or by its names where it has none."""
    assert bad(broken[service]) == []
    assert broken[service].facts["metadata_tables"] == ["product"]


def test_what_only_a_database_would_tell_is_not_called_ok(broken: dict[str, Report]) -> None:
    """An env.py without an offline branch is refused its connection; where its names don't tell, the check was not made."""
    finding = only(broken["online-unknown"], "models")
    assert finding.level == "skipped"
    assert "services.yaml names no models" in finding.message and "models: app.models" in finding.mend
    assert "metadata_tables" not in broken["online-unknown"].facts


def test_env_py_must_come_as_far_as_the_models(broken: dict[str, Report]) -> None:
    """Also where the models import: env.py may fail on its own, or give Alembic another metadata, or none."""
    for service, code, said in (
        ("broken-env", "models-do-not-import", "migrations/env.py:"),
        ("mistyped-env", "service-code-failed", "name 'Bass' is not defined"),
        ("env-of-no-base", "metadata-empty", "target_metadata of env.py is None, while the models hold 1"),
    ):
        (finding,) = broken[service].errors
        assert (finding.check, finding.data["code"], bool(finding.mend)) == ("env.py", code, True)
        assert said in finding.message
        assert only(broken[service], "models").level == "ok"
    assert bad(broken["mistyped-offline"]) == []


def test_a_mistake_in_the_offline_mode_is_a_doubt_without_a_database(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one, env.py is run as Alembic runs it, and the offline mode is nobody's business."""
    shop = projects.make_service(tmp_path / "shop", env=MISTYPED_OFFLINE)
    shop.connects_to(monkeypatch, new_database().asyncpg)
    registry = projects.make_registry(tmp_path, shop)

    (doubt,) = look(registry, skip_db_check=True)["shop"].warnings
    assert (doubt.check, doubt.data["code"]) == ("env.py", "service-code-failed")
    assert "in offline mode; whether it also fails with a database is not known" in doubt.message
    assert bad(look(registry)["shop"]) == []


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (
            projects.ENV.replace(
                "async def run_online():", "async def run_online():\n    context.config.nothing_of_it"
            ),
            "'Config' object has no attribute 'nothing_of_it'",
        ),
        (projects.ENV.replace("asyncio.run(run_online())", "pass"), "env.py ended well without running any migration"),
        (
            projects.ENV.replace("async with engine", "import app.gone\n    async with engine"),
            "No module named 'app.gone'",
        ),
    ],
    ids=["option of its own command", "nothing done", "missing module"],
)
def test_what_fails_in_env_py_only_with_a_database_is_found(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch, env: str, said: str
) -> None:
    """It is run as `alembic current` runs it; the offline mode would tell nothing of it."""
    shop = projects.make_service(tmp_path / "shop", env=env, history=[FIRST])
    shop.connects_to(monkeypatch, new_database().asyncpg)

    (finding,) = look(projects.make_registry(tmp_path, shop))["shop"].errors

    assert (finding.check, said in finding.message) == ("env.py", True), finding.message


def test_a_revision_that_does_not_load_is_found(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It imports a name that the application no longer has: Alembic would fail before its first statement."""
    old = dataclasses.replace(FIRST, text="from app.models import NoLongerThere\n" + FIRST.text)
    shop = projects.make_service(tmp_path / "shop", history=[old])
    shop.connects_to(monkeypatch, new_database().asyncpg)

    (finding,) = look(projects.make_registry(tmp_path, shop))["shop"].errors

    assert (finding.check, finding.data["code"]) == ("revisions", "models-do-not-import")
    assert "cannot import name 'NoLongerThere'" in finding.message and "0001_.py:1" in finding.message


STARTS = """
import os
from alembic import command, config

def prepare():
    settings = config.Config(os.path.join(os.path.dirname(__file__), os.pardir, "alembic.ini"))
    command.upgrade(settings, "head")
"""
CREATES = (
    projects.HEAD
    + projects.table("product")
    + """

import os
Base.metadata.create_all(sa.create_engine(os.environ["SHOP_DATABASE_URL"].replace("+asyncpg", "+psycopg")))
"""
)


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (
            {"files": {"app/start.py": STARTS}, "setup": "app.start:prepare"},
            "setup-migrates",
            "setup: app.start:prepare changes the database by itself (CREATE TABLE alembic_version",
        ),
        (
            {"files": {"app/models.py": CREATES}},
            "import-migrates",
            "importing its models changes the database by itself (CREATE TABLE product",
        ),
    ],
    ids=["setup", "import"],
)
def test_code_that_migrates_by_itself_is_kept_from_it(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch, more: Any, code: str, said: str
) -> None:
    """A look at a service leaves its database as it was, whatever an application does when it starts."""
    database = new_database()
    history = [projects.revision("0001", upgrade="op.create_table('made', sa.Column('id', sa.Integer))")]
    shop = projects.make_service(tmp_path / "shop", history=history, **more)
    shop.connects_to(monkeypatch, database.asyncpg)

    (finding,) = look(projects.make_registry(tmp_path, shop))["shop"].errors

    assert (finding.data["code"], said in finding.message) == (code, True), finding.message
    assert database.fetch("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


@pytest.mark.parametrize(("applied", "level"), [("", "error"), ("0001", "warning")])
def test_what_sqlalchemy_2_refuses_is_known_before(
    tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch, applied: str, level: str
) -> None:
    """A revision of SQLAlchemy 1's days fails each time it runs; where it is applied, only a baseline has to do with it."""
    if sqlalchemy.__version__.startswith("1."):
        pytest.skip("this is SQLAlchemy 1")
    database = new_database()
    if applied:
        database.execute(
            f"CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('{applied}')"
        )
    old = projects.revision("0001", upgrade="op.get_bind().execute('SELECT 1')")
    shop = projects.make_service(tmp_path / "shop", history=[old])
    shop.connects_to(monkeypatch, database.asyncpg)

    ((check, found_level),) = bad(look(projects.make_registry(tmp_path, shop))["shop"])

    assert (check, found_level) == ("revisions", level)


def test_a_url_in_env_py_is_told_before_the_guard_has_to(broken: dict[str, Report]) -> None:
    """A warning with file and line, and without its password."""
    (finding,) = broken["hardcoded"].warnings
    assert (finding.check, finding.data["code"]) == ("url", "url-hardcoded")
    assert "migrations/env.py:" in finding.message and "127.0.0.1:5432/shop" in finding.message
    assert "HARDCODED_DATABASE_URL" in finding.mend
    assert "secretword" not in repr(broken["hardcoded"])


def test_a_computed_version_table_is_asked_of_env_py_and_not_guessed(broken: dict[str, Report]) -> None:
    """The source does not tell; offline mode does."""
    assert broken["computed"].facts["version_table"] == "public.computed_versions"
    assert bad(broken["computed"]) == []


def test_registry_and_env_py_must_name_one_version_table(broken: dict[str, Report]) -> None:
    """Both are named."""
    (finding,) = broken["contradicted"].errors
    assert finding.data["code"] == "version-table-differs"
    assert "'one'" in finding.message and "'other'" in finding.message


@pytest.mark.parametrize(
    ("service", "check", "code"),
    [
        ("no-config", "config", "config-missing"),
        ("no-section", "config", "config-section-missing"),
        ("no-script", "env.py", "script-location-missing"),
        ("no-env", "env.py", "env-missing"),
        ("no-folder", "folder", "folder-missing"),
        ("read-only", "writable", "not-writable"),
        ("two-heads", "history", "unexpected-heads"),
        ("long-id", "history", "id-too-long"),
        ("empty-file", "history", "not-a-revision"),
        ("no-url", "url", "variable-missing"),
        ("wrong-url", "url", "url-invalid"),
        ("unanswered", "database", "database-unreachable"),
        ("no-database", "database", "database-missing"),
        ("no-password", "database", "authentication-failed"),
        ("no-driver", "driver", "driver-missing"),
        ("citext", "extensions", "extension-missing"),
    ],
)
def test_each_cause_is_one_error_with_its_mend(broken: dict[str, Report], service: str, check: str, code: str) -> None:
    """By name; what hangs on it is not looked at instead of failing, too."""
    report = broken[service]
    assert len(report.errors) == 1, report.errors
    (finding,) = report.errors
    assert (finding.check, finding.data["code"], bool(finding.mend)) == (check, code, True)
    assert [each for each in report.warnings if each.data.get("code") != "sharing-undeclared"] == []


@pytest.mark.parametrize("service", ["no-url", "wrong-url", "unanswered", "no-database", "no-password"])
def test_without_a_database_the_models_are_looked_at_all_the_same(broken: dict[str, Report], service: str) -> None:
    """One error, not a row of them; and no password in it."""
    assert len(broken[service].errors) == 1
    assert only(broken[service], "models").level == "ok"
    assert "secretword" not in repr(broken[service])


def test_a_missing_folder_is_told_with_the_command_that_makes_it(broken: dict[str, Report]) -> None:
    """003: local migration directories exist."""
    (finding,) = broken["no-folder"].errors
    assert finding.mend.startswith("mkdir -p ") and "/no-folder/migrations/versions" in finding.mend


def test_a_database_at_a_revision_that_the_code_has_not_is_told_so(broken: dict[str, Report]) -> None:
    """With both ways out; the wider column of this version table is taken into account."""
    report = broken["stale"]
    assert (report.facts["applied"], report.facts["database_tables"]) == (["gone"], 1)
    (finding,) = report.warnings
    assert "invoke adopt --service stale" in finding.mend and "invoke cleanup --service stale" in finding.mend


def test_revisions_noted_in_another_table_than_env_py_says_are_told(broken: dict[str, Report]) -> None:
    """K12: the version table was renamed in env.py, and the database was not."""
    (finding,) = broken["old-arrangement"].warnings
    assert "public.new_versions" in finding.message and "public.alembic_version" in finding.message


# Rights


def _as(database: postgres.Database, role: postgres.Role) -> str:
    return database.url("postgresql+asyncpg", role)


def test_permission_denied_for_schema_public_gives_the_exact_grant(
    postgres15: postgres.Server,
    new_database: NewDatabase,
    new_role: NewRole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F5, 003: the line that is printed, run by a superuser, is all that it takes."""
    database, role = new_database(postgres15), new_role(postgres15, "CREATEDB")
    shop = projects.make_service(tmp_path / "shop")
    shop.connects_to(monkeypatch, _as(database, role))
    registry = projects.make_registry(tmp_path, shop)

    (finding,) = look(registry)["shop"].errors
    assert "permission denied for schema public" in finding.message and role.name in finding.message
    grant = finding.mend.split(";")[0]
    assert grant == f"GRANT USAGE, CREATE ON SCHEMA public TO {role.name}"
    database.execute(grant)
    assert look(registry)["shop"].errors == ()


def test_a_schema_that_is_missing_is_an_error_only_where_it_may_not_be_made(
    postgres15: postgres.Server,
    new_database: NewDatabase,
    new_role: NewRole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The printed statement makes it, for this role."""
    database, role = new_database(postgres15), new_role(postgres15, "CREATEDB")
    till = projects.make_service(tmp_path / "till", models=projects.table("till", schema="till_floor"))
    till.connects_to(monkeypatch, _as(database, role))
    registry = projects.make_registry(tmp_path, till)

    (finding,) = look(registry)["till"].errors
    assert finding.mend.startswith(f"CREATE SCHEMA till_floor AUTHORIZATION {role.name};")
    database.execute(finding.mend.split(";")[0])
    assert look(registry)["till"].errors == ()
    database.execute("DROP SCHEMA till_floor")
    database.execute(f"GRANT CREATE ON DATABASE {database.name} TO {role.name}")
    assert look(registry)["till"].errors == ()


def test_without_createdb_the_scratch_database_that_is_used_instead_is_named(
    postgres15: postgres.Server,
    new_database: NewDatabase,
    new_role: NewRole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G1: an error only where none is to be had; and what is given has to be empty, and another one."""
    role = new_role(postgres15)
    own, empty, full = (new_database(postgres15, owner=role) for _ in range(3))
    full.execute("CREATE TABLE somebodys (id int)")
    variables = {
        "none": None,
        "given": _as(empty, role),
        "full": _as(full, role),
        "same": _as(own, role),
        "unset": "",
    }
    services = []
    for name, url in variables.items():
        scratch = {} if url is None else {"scratch_url_variable": f"SCRATCH_{name.upper()}"}
        services.append(projects.make_service(tmp_path / name, **scratch))
        services[-1].connects_to(monkeypatch, _as(own, role))
        if url:
            monkeypatch.setenv(f"SCRATCH_{name.upper()}", url)
    reports = look(projects.make_registry(tmp_path, *services))

    scratch = {name: only(report, "scratch") for name, report in reports.items()}
    assert {name: each.level for name, each in scratch.items()} == {
        "none": "error",
        "given": "warning",
        "full": "error",
        "same": "error",
        "unset": "error",
    }
    assert f"ALTER ROLE {role.name} CREATEDB" in scratch["none"].mend
    assert all(way in scratch["none"].mend for way in ("scratch_url_variable", "scratch: embedded", "--reset-in-place"))
    assert "SCRATCH_GIVEN" in scratch["given"].message
    assert "not empty (1 tables" in scratch["full"].message
    assert "the service's own database" in scratch["same"].message
    assert "SCRATCH_UNSET is not set" in scratch["unset"].message


def test_the_embedded_server_stands_in_and_its_other_version_is_told(
    postgres15: postgres.Server,
    new_database: NewDatabase,
    new_role: NewRole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`scratch: embedded`: proven on 18, applied on 15."""
    role = new_role(postgres15)
    database = new_database(postgres15, owner=role)
    shop = projects.make_service(tmp_path / "shop", scratch="embedded")
    shop.connects_to(monkeypatch, _as(database, role))
    report = look(projects.make_registry(tmp_path, shop))["shop"]

    assert report.errors == ()
    instead, version = (each for each in report.findings if each.check == "scratch")
    assert "the embedded server" in instead.message
    assert "PostgreSQL 18" in version.message and "of 15" in version.message


def test_tables_of_another_owner_and_a_version_table_without_rights_are_told(
    postgres15: postgres.Server,
    new_database: NewDatabase,
    new_role: NewRole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F4: a superuser made the tables by hand. Both printed statements help."""
    role = new_role(postgres15, "CREATEDB")
    database = new_database(postgres15, owner=role)
    database.execute("CREATE TABLE product (id int); CREATE TABLE unrelated (id int)")
    database.execute(
        "CREATE TABLE alembic_version (version_num varchar(32)); GRANT SELECT ON alembic_version TO PUBLIC"
    )
    shop = projects.make_service(tmp_path / "shop")
    shop.connects_to(monkeypatch, _as(database, role))
    registry = projects.make_registry(tmp_path, shop)

    report = look(registry)["shop"]
    assert bad(report) == [("owner", "warning"), ("version table", "error")]
    owner, table = only(report, "owner"), only(report, "version table")
    assert owner.data["tables"] == ["public.product"]
    database.execute(owner.mend.split(";")[0])
    database.execute(table.mend.split(";")[0])
    assert bad(look(registry)["shop"]) == []


def test_a_server_that_takes_no_writes_is_an_error(
    postgres15: postgres.Server,
    new_database: NewDatabase,
    new_role: NewRole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here by the role's setting; the printed statement undoes it."""
    role = new_role(postgres15, "CREATEDB")
    database = new_database(postgres15, owner=role)
    database.execute(f"ALTER ROLE {role.name} SET default_transaction_read_only = on")
    shop = projects.make_service(tmp_path / "shop")
    shop.connects_to(monkeypatch, _as(database, role))
    registry = projects.make_registry(tmp_path, shop)

    finding = only(look(registry)["shop"], "primary")
    assert finding.data["code"] == "read-only"
    database.execute(finding.mend.split(";")[0])
    assert look(registry)["shop"].errors == ()


def test_extensions_of_models_and_history_are_looked_for_on_the_server(
    postgres15: postgres.Server,
    new_database: NewDatabase,
    new_role: NewRole,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """K17: trusted ones are fine; one that only a superuser may install has to be there, and lacks on a scratch
    database."""
    role = new_role(postgres15, "CREATEDB")
    database = new_database(postgres15, owner=role)
    shop = projects.make_service(
        tmp_path / "shop",
        models=projects.table("person", "mail: Mapped[str] = mapped_column(postgresql.CITEXT)"),
        history=[projects.revision("0001", upgrade="op.execute('CREATE EXTENSION IF NOT EXISTS dblink')")],
        extensions=["timescaledb"],
    )
    shop.connects_to(monkeypatch, _as(database, role))
    registry = projects.make_registry(tmp_path, shop)

    found = {
        each.data.get("extension", "citext"): each
        for each in look(registry)["shop"].findings
        if each.check == "extensions"
    }
    assert {name: each.level for name, each in found.items()} == {
        "citext": "ok",
        "dblink": "error",
        "timescaledb": "error",
    }
    assert "0001_.py" in found["dblink"].message and "postgresql-15-timescaledb" in found["timescaledb"].mend
    database.execute(found["dblink"].mend.split(";")[0])
    later = [each for each in look(registry)["shop"].findings if each.data.get("extension") == "dblink"]
    assert [(each.level, "scratch database" in each.message) for each in later] == [("warning", True)]


def test_the_mark_of_a_database_is_a_fact(
    new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `invoke protect` wrote is there for whoever plans, and is shown."""
    database = new_database()
    database.execute(f"ALTER DATABASE {database.name} SET stillroom.environment = 'production'")
    shop = projects.make_service(tmp_path / "shop")
    shop.connects_to(monkeypatch, database.asyncpg)
    report = look(projects.make_registry(tmp_path, shop))["shop"]
    assert report.facts["marker"] == "production"
    assert "marked production" in findings.summary(report)


# A pooler in between


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pooler_is_noticed_and_the_server_behind_it_named(
    mode: str, new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B2, B8, B9: with each driver, a real PgBouncer."""
    database = new_database()
    server = f"{database.server.host}:{database.server.port}"
    services = {driver: projects.make_service(tmp_path / driver) for driver in ("asyncpg", "psycopg", "psycopg2")}
    with pgbouncer.pooling(database, mode) as pooler:
        for driver, service in services.items():
            service.connects_to(monkeypatch, database.url(f"postgresql+{driver}").replace(server, pooler))
        registry = projects.make_registry(tmp_path, *services.values())
        found = {driver: only(look(registry, [registry.service(driver)])[driver], "pooler") for driver in services}
    for driver, finding in found.items():
        assert (finding.level, finding.data["mode"], finding.data["server"]) == ("warning", mode, server), driver
        assert f"let {services[driver].url_variable} name the server itself" in finding.mend and server in finding.mend


def test_prepared_statements_that_are_there_already_are_told_as_what_they_are(
    new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B9: an earlier client of the same server connection left those that asyncpg is about to make."""
    database = new_database()
    server = f"{database.server.host}:{database.server.port}"
    shop = projects.make_service(tmp_path / "shop")
    with pgbouncer.pooling(database, "transaction", pool_size=1) as pooler:
        with psycopg.connect(database.url("postgresql").replace(server, pooler), autocommit=True) as client:
            for number in range(1, 64):
                client.execute(f"PREPARE __asyncpg_stmt_{number:x}__ AS SELECT 1".encode())
        shop.connects_to(monkeypatch, database.asyncpg.replace(server, pooler))
        report = look(projects.make_registry(tmp_path, shop))["shop"]
    assert bad(report) == [("pooler", "error")]
    assert "5432" in only(report, "pooler").mend


def test_a_pool_of_one_connection_in_session_mode_does_not_hang(
    new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mode can't be told there, since nobody else gets a connection; the pooler is told even so."""
    database = new_database()
    server = f"{database.server.host}:{database.server.port}"
    shop = projects.make_service(tmp_path / "shop", time_limit=60.0)
    with pgbouncer.pooling(database, "session", pool_size=1) as pooler:
        shop.connects_to(monkeypatch, database.asyncpg.replace(server, pooler))
        finding = only(look(projects.make_registry(tmp_path, shop))["shop"], "pooler")
    assert (finding.level, finding.data["mode"]) == ("warning", "unknown")


# Libraries and interpreters


@pytest.mark.parametrize(
    ("module", "check", "mend"),
    [
        ("greenlet", "greenlet", "pip install 'sqlalchemy[asyncio]'"),
        ("alembic", "alembic", "pip install alembic"),
        ("sqlalchemy", "sqlalchemy", "pip install sqlalchemy"),
        ("asyncpg", "driver", "pip install asyncpg"),
    ],
)
def test_a_library_that_is_missing_is_told_with_the_command_that_installs_it(
    module: str, check: str, mend: str, new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A10. A folder ahead on the path hides it, as if it were not installed."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / f"{module}.py").write_text(
        f"raise ModuleNotFoundError(\"No module named '{module}'\", name='{module}')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(hidden))
    shop = projects.make_service(tmp_path / "shop")
    shop.connects_to(monkeypatch, new_database().asyncpg)

    report = look(projects.make_registry(tmp_path, shop), own_parent=True)["shop"]
    finding = only(report, check)
    assert finding.level == "error" and finding.mend.endswith(mend)
    assert finding.mend.startswith(sys.executable)
    assert only(report, "history").level == "ok"


def test_an_old_alembic_is_a_warning(
    new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below 1.12; said by the library itself."""
    shop = projects.make_service(
        tmp_path / "shop", files={"sitecustomize.py": "import alembic\nalembic.__version__ = '1.11.3'\n"}
    )
    monkeypatch.setenv("PYTHONPATH", str(shop.path))
    shop.connects_to(monkeypatch, new_database().asyncpg)
    report = look(projects.make_registry(tmp_path, shop), own_parent=True)["shop"]
    assert bad(report) == [("alembic", "warning")]
    assert report.facts["versions"]["alembic"] == "1.11.3"


def test_an_interpreter_that_does_not_exist_is_a_finding_and_not_an_end(
    new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The virtual environment was deleted; the other service is looked at."""
    shops = [projects.make_service(tmp_path / name) for name in ("shop", "till")]
    for each in shops:
        each.connects_to(monkeypatch, new_database().asyncpg)
    registry = projects.make_registry(tmp_path, *shops)
    gone = dataclasses.replace(registry.services[0], python=str(tmp_path / ".venv/bin/python"))
    reports = look(registry, [gone, registry.services[1]])
    assert only(reports["shop"], "target").data["code"] == "interpreter-missing"
    assert only(reports["shop"], "writable").level == "ok"
    assert bad(reports["till"]) == []


# What is left out, neighbours, git


def test_skip_db_check_leaves_the_database_out_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither URL nor server is needed; nothing of it is called ok."""
    shop = projects.make_service(tmp_path / "shop", modules=None)
    monkeypatch.delenv(shop.url_variable, raising=False)
    report = look(projects.make_registry(tmp_path, shop), skip_db_check=True)["shop"]
    assert bad(report) == []
    assert {check for check, level in levels(report).items() if level == "skipped"} == {
        "url",
        "database",
        "uncommitted",
    }
    assert not {"rights", "scratch", "version table", "server"} & set(levels(report))
    assert report.facts["metadata_tables"] == ["product"]


def test_a_version_table_for_two_services_is_an_error_with_its_mend(
    new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K4: declared neighbours with one version table, both looked at or one alone; and neighbours that nobody
    declared."""
    shared, secret = new_database(), new_database()
    tables = {name: projects.table(name, schema=name) for name in ("pos", "orders")}
    services = [
        *(projects.make_service(tmp_path / n, models=t, database="floor", schemas=[n]) for n, t in tables.items()),
        projects.make_service(tmp_path / "mine", configure="version_table='mine_versions'"),
        projects.make_service(tmp_path / "yours", configure="version_table='yours_versions'"),
    ]
    for each in services[:2]:
        each.connects_to(monkeypatch, shared.asyncpg)
    for each in services[2:]:
        each.connects_to(monkeypatch, secret.asyncpg)
    registry = projects.make_registry(tmp_path, *services)

    reports = look(registry)
    (finding,) = reports["pos"].errors
    assert finding.data["code"] == "version-table-shared" and "orders" in finding.message
    assert "version_table: pos_alembic_version" in finding.mend
    assert [each.data["code"] for each in reports["orders"].errors] == ["version-table-shared"]
    assert [each.data["code"] for each in reports["mine"].warnings] == ["sharing-undeclared"]
    alone = look(registry, [registry.service("orders")])["orders"]
    assert [each.data["code"] for each in alone.warnings] == ["version-table-shared"]
    assert "invoke preflight --service orders,pos" in alone.warnings[0].mend


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_uncommitted_changes_in_the_migrations_folder_are_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed and new files of this service, in a folder whose name needs quoting; not those of its neighbour."""
    root = tmp_path / 'döner "shop"'
    services = [projects.make_service(root / name, history=[FIRST]) for name in ("shop", "till")]
    registry = projects.make_registry(root, *services)
    _git(root, "init", "-q")
    _git(root, "add", ".")
    _git(root, "commit", "-qm", "all")
    services[0].add(projects.revision("0001", upgrade="op.execute('SELECT 2')"))
    services[0].add(projects.revision("0002", "0001", upgrade="op.execute('SELECT 2')"))
    services[1].write("app/other.py", "")

    reports = look(registry, skip_db_check=True)
    finding = only(reports["shop"], "uncommitted")
    assert finding.level == "warning"
    assert finding.data["files"] == [" M shop/migrations/versions/0001_.py", "?? shop/migrations/versions/0002_.py"]
    assert only(reports["till"], "uncommitted").level == "ok"


def test_without_git_the_check_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no program of this name on the path; that is no error."""
    shop = projects.make_service(tmp_path / "shop")
    registry = projects.make_registry(tmp_path, shop)
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = only(look(registry, skip_db_check=True)["shop"], "uncommitted")
    assert (finding.level, finding.message) == ("skipped", "git is not installed here")


def test_a_repository_that_git_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    """A `.git` that is no repository."""
    shop = projects.make_service(tmp_path / "shop")
    registry = projects.make_registry(tmp_path, shop)
    (tmp_path / ".git").write_text("gitdir: /nowhere/at/all\n")
    finding = only(look(registry, skip_db_check=True)["shop"], "uncommitted")
    assert finding.level == "skipped" and finding.message.startswith("git says: ")


def test_a_folder_without_write_permission_is_noticed() -> None:
    """A27: files that root made in a container."""
    with tempfile.TemporaryDirectory() as name:
        locked, free = Path(name, "locked"), Path(name, "free")
        for folder, mode in ((locked, 0o555), (free, 0o777), (Path(name), 0o755)):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        said = accounts.as_ordinary_user(lambda: f"{preflight.unwritable(locked)}|{preflight.unwritable(free)}")
    assert said == "Permission denied|"


def test_errors_stop_a_run_and_warnings_do_not(tmp_path: Path) -> None:
    """`refuse` is what `regenerate` asks before it touches anything; exit code 3."""
    good, broken = (projects.make_service(tmp_path / name) for name in ("good", "broken"))
    broken.versions.rmdir()
    registry = projects.make_registry(tmp_path, good, broken)
    outcomes = outcomes_of(registry, skip_db_check=True)
    preflight.refuse([each for each in outcomes if each.service.name == "good"])
    with pytest.raises(errors.PreflightFailed, match=r"1 error \(broken\); nothing was touched") as raised:
        preflight.refuse(outcomes)
    assert raised.value.exit_code == 3 and "--ignore-preflight" in raised.value.mend
