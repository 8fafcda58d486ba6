"""Where a project's parts are: every way of `support.layouts` through the commands, all of them in one fleet.

Each command runs once, over all services; each test is a cell of the table of ways and commands, which is printed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NewDatabase, NewRole
from tests.support import fleets, layouts, program, projects
from tests.support.postgres import Server

COMMANDS: dict[str, tuple[str, ...]] = {
    "preflight": ("preflight",),
    "plan": ("regenerate", "--dry-run"),
    "regenerate": ("regenerate", "--yes", "--apply"),
    "again": ("regenerate", "--yes"),
    "status": ("status",),
    "revision": ("revision", "--message", "a note"),
    "script": ("apply", "--dry-run"),
    "apply": ("apply", "--yes"),
    "cleanup": ("cleanup", "--yes", "--skip-backup"),
    "from empty": ("apply", "--yes"),
    "adopt": ("adopt", "--dry-run"),
}
"""Cell to what is run for it, in this order. Before `revision` each model gets a column."""


@dataclasses.dataclass
class Walked:
    """What became of the fleet: the answers by cell, and the revision files after each."""

    laid: dict[str, layouts.Laid]
    ran: dict[str, program.Ran] = dataclasses.field(default_factory=dict)
    files: dict[str, dict[str, list[str]]] = dataclasses.field(default_factory=dict)

    def answer(self, way: str, command: str) -> dict[str, Any]:
        """What a command answered about a service."""
        found: dict[str, Any] = next(each for each in self.ran[command].json["services"] if each["name"] == way)
        return found

    def cell(self, way: str, command: str) -> str:
        """`ok`, or the code of what went wrong."""
        answer = self.answer(way, command)
        if answer.get("ok", self.ran[command].code == 0):
            return "ok"
        return str(answer.get("error", {}).get("code") or answer.get("findings"))


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> Iterator[Walked]:
    """All commands over a service of each way, each with a database of its own."""
    owner = postgres.create_role("CREATEDB")
    fleet = fleets.Fleet(tmp_path_factory.mktemp("layouts") / "fleet")
    done = Walked({name: way(fleet.folder / name) for name, way in layouts.WAYS.items()})
    for name, laid in done.laid.items():
        database = postgres.create_database(owner=owner)
        fleet.services[name], fleet.databases[name], fleet.roles[name] = laid.made, database, owner
        fleet.program.variables[laid.made.url_variable] = database.url(role=owner)
    fleet.written()
    for cell, arguments in COMMANDS.items():
        if cell == "revision":
            for laid in done.laid.values():
                add_column(laid.made)
        done.ran[cell] = fleet.run(*arguments, "--json")
        done.files[cell] = {name: files(laid.lands) for name, laid in done.laid.items()}
    yield done
    for database in fleet.databases.values():
        postgres.drop_database(database.name)
    postgres.drop_role(owner)


def add_column(service: projects.Made) -> None:
    """One column more in the first model."""
    models = next(service.path.glob("**/app/models.py"))
    key = "    id: Mapped[int] = mapped_column(primary_key=True)\n"
    models.write_text(models.read_text().replace(key, f"{key}    note: Mapped[str | None]\n", 1))


def files(folder: Path) -> list[str]:
    """The revision files in a folder and below."""
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*.py"))


def table(done: Walked) -> str:
    """Ways and commands."""
    lines = ["", f"{'':20}" + "".join(f"{command:>12}" for command in COMMANDS)]
    for way in done.laid:
        cells = [done.cell(way, command) for command in COMMANDS]
        lines.append(f"{way:20}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("way", layouts.WAYS)
def test_every_command_works_on_every_way(walked: Walked, way: str, command: str) -> None:
    """Each cell of the table."""
    assert walked.cell(way, command) == "ok", walked.answer(way, command)


def test_the_table_is_shown(walked: Walked, capsys: pytest.CaptureFixture[str]) -> None:
    """Ways and commands, each cell run."""
    with capsys.disabled():
        print(table(walked))  # noqa: T201 - that is what it is for
    assert set(walked.laid) == set(layouts.WAYS)


@pytest.mark.parametrize("way", layouts.WAYS)
def test_files_come_where_alembic_looks_for_them(walked: Walked, way: str) -> None:
    """The baseline alone, the same one again, then a revision beside it."""
    first = walked.files["regenerate"][way]
    assert len(first) == 1
    assert walked.files["again"][way] == first
    both = walked.files["revision"][way]
    assert len(both) == 2
    assert set(first) < set(both)


def test_files_of_an_installed_package_are_said_to_be_lost(walked: Walked) -> None:
    """They are written, backed up and replaced like others; the next installation takes them away."""
    found = walked.answer("installed", "preflight")["findings"]
    assert [each["mend"] for each in found if each["data"].get("code") == "folder-installed"] == [
        "install it from its source folder (pip install -e FOLDER), or name the folder of env.py there, "
        "script_location: in services.yaml"
    ]


@pytest.mark.parametrize("way", layouts.WAYS)
def test_databases_come_to_head(walked: Walked, way: str) -> None:
    """By the baseline, by the revision, and from empty."""
    assert walked.answer(way, "status")["state"] == "at_head"
    assert len(walked.answer(way, "apply")["applied"]) == 1
    assert len(walked.answer(way, "from empty")["applied"]) == 2


# What is wrong, each with its mend


def refusal(fleet: fleets.Fleet, *arguments: str) -> dict[str, Any]:
    """What a command over one service is answered with."""
    ran = fleet.run(*arguments, "--json")
    assert ran.code != 0, ran.told
    error: dict[str, Any] = ran.json["services"][0]["error"]
    return error


@pytest.fixture
def shop(tmp_path: Path, new_database: NewDatabase, new_role: NewRole) -> Callable[..., fleets.Fleet]:
    """Makes a fleet of one service, `shop`."""

    def make(**said: Any) -> fleets.Fleet:
        owner = new_role(attributes="CREATEDB")
        return fleets.Fleet(tmp_path / "fleet").add("shop", new_database(owner=owner), owner, **said).written()

    return make


def test_a_revision_goes_beside_the_one_that_it_follows(shop: Callable[..., fleets.Fleet]) -> None:
    """Of several version locations, the one of its head; a backup and the way back have all of them."""
    fleet = shop(ini=projects.INI + "version_locations = %(here)s/migrations/core:%(here)s/migrations/more\n")
    service = fleet.services["shop"]
    first = service.write("migrations/core/0001_.py", layouts.baseline("0001").text)
    second = service.write("migrations/more/0002_.py", projects.revision("0002", "0001").text)
    before = first.read_text(), second.read_text()
    add_column(service)
    ran = fleet.run("revision", "--message", "a note")
    assert ran.code == 0, ran.told
    assert (len(files(first.parent)), len(files(second.parent))) == (1, 2)
    ran = fleet.run("regenerate", "--yes")
    assert ran.code == 0, ran.told
    assert (len(files(first.parent)), len(files(second.parent))) == (1, 0)
    ran = fleet.run("restore", "--service", "shop", "--yes")
    assert ran.code == 0, ran.told
    assert (first.read_text(), second.read_text()) == before
    assert (len(files(first.parent)), len(files(second.parent))) == (1, 2)


@pytest.mark.parametrize(
    ("said", "code", "mend"),
    [
        ({"config": "database.ini"}, "config-missing", "`config:`"),
        ({"ini": "[loggers]\nkeys = root\n"}, "config-section-missing", "`ini_section:`"),
        ({"ini_section": "shops"}, "config-section-missing", "`ini_section:`"),
        ({"ini": "[alembic]\nprepend_sys_path = .\n"}, "script-location-missing", "`script_location:`"),
        ({"script_location": "nobody_has_this:migrations"}, "package-missing", "`prepend_sys_path:`"),
        ({"setup": "app.models:nothing"}, "function-missing", "correct setup: in services.yaml"),
        ({"setup": "app.nowhere:nothing"}, "models-do-not-import", "app is the service's own"),
        ({"bootstrap": "app.models:nothing"}, "function-missing", "correct bootstrap: in services.yaml"),
        ({"bootstrap": ["no-such-program"]}, "bootstrap-failed", "correct bootstrap: in services.yaml"),
        ({"bootstrap": ["python", "-c", "raise SystemExit(5)"]}, "bootstrap-failed", "--verbose shows what it printed"),
    ],
    ids=str,
)
def test_what_is_not_there_is_told_with_its_mend(
    shop: Callable[..., fleets.Fleet], said: dict[str, Any], code: str, mend: str
) -> None:
    """In whichever command comes across it."""
    fleet = shop(**said)
    with fleet.untouched():
        error = refusal(fleet, "regenerate", "--yes", "--ignore-preflight")
    assert (error["code"], mend in error["mend"]) == (code, True), error
    if "exit" not in error["data"]:  # without running the command, nobody knows
        found = fleet.run("preflight", "--json").json["services"][0]["findings"]
        assert code in {each["data"].get("code") for each in found if each["level"] == "error"}


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("context.script.version_locations = ['elsewhere']", True),
        ("context.config.set_main_option('version_locations', 'elsewhere')", False),
    ],
)
def test_folders_that_env_py_sets_have_to_be_declared(
    shop: Callable[..., fleets.Fleet], line: str, known: bool
) -> None:
    """What counts for Alembic always; what comes too late for it where no revision would be found."""
    fleet = shop(env=f"from alembic import context\n{line}\n" + layouts.without_future(projects.ENV))
    service = fleet.services["shop"]
    service.write("elsewhere/0001_.py", layouts.baseline("0001").text)
    assert refusal(fleet, "apply", "--yes")["code"] == "version-locations-in-code"
    found = fleet.run("preflight", "--json").json["services"][0]["findings"]
    mends = [each["mend"] for each in found if (each["data"] or {}).get("code") == "version-locations-in-code"]
    assert "version_locations: [FOLDER, ...]" in mends[0]
    service.add(layouts.baseline("0001"))
    assert (fleet.run("apply", "--yes", "--dry-run").code == 0) is not known
    service.settings["version_locations"] = ["elsewhere"]
    fleet.written()
    ran = fleet.run("apply", "--yes")
    assert ran.code == 0, ran.told


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ("import os\nREDIS = os.environ['REDIS_URL']", "REDIS_URL"),
        ("import os\nif not os.getenv('SMTP_HOST'): raise RuntimeError('SMTP_HOST is not set')", "SMTP_HOST"),
        (
            """
            import pydantic


            class Settings(pydantic.BaseModel):
                model_config = pydantic.ConfigDict(env_prefix="SHOP_")
                redis_url: str
                workers: int


            Settings()
            """,
            "SHOP_REDIS_URL, SHOP_WORKERS",
        ),
    ],
    ids=["environ", "message", "settings"],
)
def test_missing_variables_are_named(shop: Callable[..., fleets.Fleet], settings: str, names: str) -> None:
    """By whatever the service's settings raise; the mend is a line of the registry."""
    env = "import app.settings\n" + layouts.without_future(projects.ENV)
    fleet = shop(env=env, files={"app/settings.py": settings})
    error = refusal(fleet, "regenerate", "--yes", "--ignore-preflight")
    assert error["code"] == "variable-missing"
    assert names in error["message"]
    assert f"env: {{{names.split(', ')[0]}: ..." in error["mend"]


def test_an_env_that_does_nothing_is_no_success(shop: Callable[..., fleets.Fleet]) -> None:
    """It schedules a task that nobody awaits: no baseline is made of it, nothing is called applied."""
    run = "asyncio.run(run_online())"
    fleet = shop(env=projects.ENV.replace(run, "asyncio.new_event_loop().create_task(run_online())"))
    assert refusal(fleet, "regenerate", "--yes", "--ignore-preflight")["code"] == "env-did-nothing"
    fleet.services["shop"].add(layouts.baseline("0001"))
    assert refusal(fleet, "apply", "--yes")["code"] == "env-did-nothing"


def test_two_services_may_have_one_ini_file_with_a_section_each(
    tmp_path: Path, new_database: NewDatabase, new_role: NewRole
) -> None:
    """As `alembic -n` has it."""
    owner = new_role(attributes="CREATEDB")
    fleet = fleets.Fleet(tmp_path / "fleet")
    for name in ("auth", "sales"):
        fleet.add(name, new_database(owner=owner), owner, config="../databases.ini", ini_section=name)
    ini = "".join(f"[{name}]\nscript_location = migrations\nprepend_sys_path = .\n" for name in fleet.services)
    (fleet.folder / "databases.ini").write_text(ini)
    ran = fleet.written().run("regenerate", "--yes", "--apply")
    assert ran.code == 0, ran.told
    assert [len(fleet.history(name)) for name in fleet.services] == [1, 1]


def test_an_interrupted_bootstrap_is_not_run_twice(shop: Callable[..., fleets.Fleet]) -> None:
    """A database that holds what it makes and nothing else is ready for the first revision."""
    fleet = shop(
        models=layouts.CODED.replace("next_code()", "'code'"),
        bootstrap="app.first:prepare",
        history=[layouts.baseline("0001")],
    )
    service, database = fleet.services["shop"], fleet.databases["shop"]
    once = "CREATE TABLE elders (id int PRIMARY KEY)"
    service.write("app/first.py", layouts.first(service.url_variable, once))
    database.execute(layouts.FUNCTION)
    database.execute(once)
    role = fleet.roles["shop"].name
    database.execute(f"ALTER TABLE elders OWNER TO {role}")
    database.execute(f"ALTER FUNCTION next_code() OWNER TO {role}")
    ran = fleet.run("apply", "--yes")
    assert ran.code == 0, ran.told


CONNECTS = """
import os
import psycopg

with psycopg.connect({0}, autocommit=True) as connection:
    connection.execute("CREATE TABLE elders (id int)")
"""


@pytest.mark.parametrize("way", ["''", "os.environ['REPORTS_URL']", "os.environ['STILLROOM_SERVICE_URL']"])
def test_a_bootstrap_command_is_led_to_the_scratch_database(shop: Callable[..., fleets.Fleet], way: str) -> None:
    """By libpq's variables, by another variable with the service's URL, by ours: its own database is as it was."""
    fleet = shop(bootstrap=["python", "first.py"], files={"first.py": CONNECTS.format(way)})
    database, role = fleet.databases["shop"], fleet.roles["shop"]
    fleet.program.variables["REPORTS_URL"] = database.url("postgresql", role)
    fleet.program.variables.update(database.server.environment(database.name, role))
    if "STILLROOM" in way:
        fleet.services["shop"].write("first.py", CONNECTS.format(f"{way}.replace('+asyncpg', '')"))
    ran = fleet.run("regenerate", "--yes")
    assert ran.code == 0, ran.told
    assert database.fetch("SELECT to_regclass('elders')") == [(None,)]
    ran = fleet.run("apply", "--yes")
    assert ran.code == 0, ran.told
    assert database.fetch("SELECT to_regclass('elders')::text") == [("elders",)]


@pytest.mark.parametrize(
    ("bootstrap", "code"), [(["python", "first.py"], "bootstrap-elsewhere"), ("first:connect", "wrong-database")]
)
def test_a_bootstrap_that_connects_elsewhere_is_refused(
    shop: Callable[..., fleets.Fleet], bootstrap: Any, code: str
) -> None:
    """A function before it does anything; of a command, what it changed in the service's own database is told."""
    fleet = shop(bootstrap=bootstrap)
    database = fleet.databases["shop"]
    url = database.url("postgresql", fleet.roles["shop"])
    lines = CONNECTS.format(repr(url)).strip().splitlines()
    connects = "\n".join(["def connect():", *(f"    {line}" for line in lines)])
    fleet.services["shop"].write("first.py", connects + "\n\nif __name__ == '__main__':\n    connect()\n")
    error = refusal(fleet, "regenerate", "--yes")
    assert error["code"] == code, error
    made = database.fetch("SELECT to_regclass('elders')::text")
    assert made == ([("elders",)] if code == "bootstrap-elsewhere" else [(None,)])
    assert ("table public.elders" in error["message"]) == (code == "bootstrap-elsewhere"), error
    assert fleet.history("shop") == {}
