"""What `env.py` learns its URL from, where that is missing, wrong, or not what it really reads; and the embedded server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import postgres as support
from tests.support import projects, url_ways, ways
from tests.support.ways import Place, Way, Written

_INI = "[alembic]\nscript_location = %(here)s/migrations\n"
_BY_INI = {"url": {"ini": "sqlalchemy.url"}}


def _by_ini(place: Place, line: str) -> Written:
    made = ways.project(place, url='context.config.get_main_option("sqlalchemy.url")', ini=_INI + line)
    return Written(made, _BY_INI, {})


def _by_command(place: Place, *command: str) -> Written:
    name = place.variable("URL")
    made = ways.project(place, imports="import os", url=f"os.environ[{name!r}]")
    url = place.database.url("postgresql+psycopg2", support.Role(place.role.name, "gone-by"))
    return Written(made, {"url_variable": name, "password_command": list(command)}, {name: url})


def _unset(place: Place) -> Written:
    names = {
        "host": "UNSET_HOST",
        "port": "UNSET_PORT",
        "user": "UNSET_USER",
        "password": "UNSET_PASS",
        "name": "UNSET_NAME",
    }
    made = ways.project(place, imports="import os", url='"postgresql://" + os.environ["UNSET_HOST"]')
    return Written(made, {"url": {"variables": names}}, {"UNSET_USER": "me"})


def _no_port(place: Place) -> Written:
    names = {"host": "NO_PORT_HOST", "port": "NO_PORT_PORT", "name": "NO_PORT_NAME"}
    made = ways.project(place, imports="import os", url='"postgresql://" + os.environ["NO_PORT_HOST"]')
    values = {"NO_PORT_HOST": "localhost", "NO_PORT_PORT": "hush-hush", "NO_PORT_NAME": "x"}
    return Written(made, {"url": {"variables": names}}, values)


def _stubborn(place: Place, settings: dict[str, Any]) -> Written:
    """Says one thing in the registry, and connects to its own database whatever happens."""
    own = place.database.url("postgresql+psycopg2", place.role)
    (place.folder / "app").mkdir(parents=True)
    (place.folder / "app" / "where.py").write_text(f"URL = {own!r}\n")
    names = {part: place.variable(part.upper()) for part in ("host", "port", "user", "password", "name")}
    values = {
        "host": place.server.host,
        "port": str(place.server.port),
        "user": place.role.name,
        "password": place.role.password,
        "name": place.database.name,
    }
    made = ways.project(place, imports="from app.where import URL", url="URL", ini=f"{_INI}sqlalchemy.url = {own}\n")
    variables = {names[part]: value for part, value in values.items()} | {place.variable("URL"): own}
    return Written(made, settings or {"url": {"variables": names}}, variables)


def _narrow(place: Place) -> Written:
    """Only the name can be told to env.py, and the scratch database has another role."""
    user = f"{place.role.name}:{place.role.password}@{place.server.host}:{place.server.port}"
    made = ways.project(place, imports="import os", url=f'"postgresql+psycopg2://{user}/" + os.environ["NARROW_NAME"]')
    scratch = place.another()
    variables = {
        "NARROW_NAME": place.database.name,
        "NARROW_HOST": place.server.host,
        "NARROW_PORT": str(place.server.port),
        "NARROW_SCRATCH_URL": scratch.url("postgresql"),
    }
    names = {"host": "NARROW_HOST", "port": "NARROW_PORT", "name": "NARROW_NAME"}
    return Written(made, {"url": {"variables": names}, "scratch_url_variable": "NARROW_SCRATCH_URL"}, variables)


def _argument_of(place: Place) -> Written:
    return _stubborn(place, {"url": {"argument": "db_url"}, "url_variable": place.variable("URL")})


def _percent(place: Place) -> Written:
    """An encoded password, and a project that forgets what `%` means in an ini file."""
    name = place.variable("URL")
    before = f'context.config.set_main_option("sqlalchemy.url", os.environ[{name!r}])'
    made = ways.project(place, imports="import os", before=before, url="None")
    url = place.database.url("postgresql", support.Role(place.role.name, "hush%hush"))
    return Written(made, {"url_variable": name}, {name: url})


def _talkative(place: Place) -> Written:
    """Says all that it knows where it fails."""
    name = place.variable("URL")
    made = ways.project(
        place, imports="import os", before=f"raise RuntimeError('no use: ' + os.environ[{name!r}])", url="None"
    )
    return Written(made, {"url_variable": name}, {name: place.database.url("postgresql", place.role)})


_BROKEN = (
    Way("unset", _unset),
    Way("no-port", _no_port),
    Way("placeholder", lambda place: _by_ini(place, "sqlalchemy.url = driver://user:pass@localhost/dbname\n")),
    Way("unfilled", lambda place: _by_ini(place, "sqlalchemy.url = postgresql://me:hush-hush@%(DB_HOST)s/shop\n")),
    Way("no-key", lambda place: _by_ini(place, "")),
    Way("no-url", lambda place: _by_ini(place, "sqlalchemy.url = sqlite:///shop.db\n")),
    Way("exits", lambda place: _by_command(place, sys.executable, "-c", "print('hush-hush'); raise SystemExit(3)")),
    Way("silent", lambda place: _by_command(place, sys.executable, "-c", "")),
    Way("no-program", lambda place: _by_command(place, "no-such-program", "hush-hush")),
    Way("stubborn-variables", lambda place: _stubborn(place, {})),
    Way("stubborn-ini", lambda place: _stubborn(place, _BY_INI)),
    Way("stubborn-argument", _argument_of),
    Way("narrow", _narrow),
    Way("percent", _percent),
    Way("talkative", _talkative),
)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, postgres: support.Server) -> Iterator[ways.Fleet]:
    """A fleet of services that fail, each in its own way."""
    with ways.fleet(_BROKEN, tmp_path_factory.mktemp("broken"), postgres) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def found(broken: ways.Fleet) -> dict[str, dict[str, dict[str, Any]]]:
    """What preflight finds of each: errors and warnings by code."""
    return {
        name: {
            each["data"].get("code", ""): each
            for each in answer.get("findings", [])
            if each["level"] in ("warning", "error")
        }
        for name, answer in broken.answers("preflight").items()
    }


@pytest.fixture(scope="module")
def generated(broken: ways.Fleet) -> dict[str, dict[str, Any]]:
    """The error of each when it is generated all the same."""
    answers = broken.answers("regenerate", "--yes", "--ignore-preflight")
    return {name: answer.get("error", {}) for name, answer in answers.items()}


def test_all_variables_that_are_missing_are_named_at_once(found: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Those that are set are not; neither is the port, which has a default."""
    finding = found["unset"]["variable-missing"]
    assert "UNSET_NAME, UNSET_HOST, UNSET_PASS" in finding["message"]
    assert finding["data"]["variables"] == ["UNSET_NAME", "UNSET_HOST", "UNSET_PASS"]
    assert "UNSET_USER" not in finding["message"] + finding["mend"]


@pytest.mark.parametrize(
    ("name", "code", "words", "mend"),
    [
        (
            "placeholder",
            "url-placeholder",
            ["sqlalchemy.url", "driver://user:***@localhost/dbname"],
            "url_variable: NAME",
        ),
        ("unfilled", "config-value", ["sqlalchemy.url", "[alembic]"], "url: {variables:"),
        ("no-key", "ini-url-missing", ["no `sqlalchemy.url` in [alembic]"], "url_variable: NAME"),
        ("no-url", "url-invalid", ["sqlalchemy.url in alembic.ini", "'sqlite'"], "sqlalchemy.url = postgresql"),
        ("no-port", "url-invalid", ["NO_PORT_PORT"], "export NO_PORT_PORT=5432"),
        ("exits", "password-command-failed", ["exited 3"], "by hand"),
        ("silent", "password-command-failed", ["one line"], "by hand"),
        ("no-program", "password-command-failed", ["no-such-program could not be started"], "by hand"),
    ],
)
def test_what_is_wrong_with_the_url_is_told_by_preflight(
    found: dict[str, dict[str, dict[str, Any]]], name: str, code: str, words: list[str], mend: str
) -> None:
    """With the place where it stands, and what to write there or into services.yaml."""
    assert code in found[name], found[name]
    finding = found[name][code]
    assert all(word in finding["message"] for word in words), finding
    assert mend in finding["mend"]


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("stubborn-variables", "STUBBORN_VARIABLES_HOST"),
        ("stubborn-ini", "context.config.get_main_option('sqlalchemy.url')"),
        ("stubborn-argument", "context.get_x_argument(as_dictionary=True)['db_url']"),
    ],
)
def test_an_env_py_that_reads_its_url_elsewhere_is_refused(
    broken: ways.Fleet, generated: dict[str, dict[str, Any]], name: str, mend: str
) -> None:
    """Before a statement; the mend says how to read it, and the service's own database stays as it was."""
    error = generated[name]
    assert error.get("code") == "wrong-database", error
    assert broken.places[name].database.name in error["message"]
    assert mend in error["mend"]
    assert broken.tables(name) == []
    assert not broken.scratch_left(name)


def test_a_way_that_does_not_lead_to_the_scratch_database_is_told(generated: dict[str, dict[str, Any]]) -> None:
    """Rather than generating with a role that nobody asked for."""
    error = generated["narrow"]
    assert error.get("code") == "source-too-narrow", error
    assert error["data"]["parts"] == ["user", "password"]


def test_an_error_of_the_services_code_is_told_without_the_password_in_it(
    broken: ways.Fleet, generated: dict[str, dict[str, Any]], found: dict[str, dict[str, dict[str, Any]]]
) -> None:
    """Neither in the message nor in the traceback; where `%` is the matter, that is what is said."""
    assert "percent-not-doubled" in found["percent"]
    assert "hush%" not in broken.said
    error = generated["talkative"]
    assert (
        "no use: postgresql://" in error["message"] and broken.places["talkative"].database.name not in error["message"]
    )
    assert broken.places["talkative"].role.password not in str(error)


def test_no_secret_is_printed(
    broken: ways.Fleet, found: dict[str, dict[str, dict[str, Any]]], generated: dict[str, dict[str, Any]]
) -> None:
    """Neither a password from an ini file, nor what a command printed or was called with, nor a variable's value."""
    assert found and generated
    assert "hush-hush" not in broken.said
    assert not [name for name, place in broken.places.items() if place.role.password in broken.said]


_HALF = """
with op.get_context().autocommit_block():
    op.execute("CREATE TABLE stays (id int)")
op.execute("SELECT 1/0")
"""


def test_what_settings_have_read_at_import_holds_no_longer_on_another_database(
    tmp_path: Path, postgres: support.Server
) -> None:
    """After a revision that failed half-way the same process replays the history on a scratch database."""
    way = next(each for each in url_ways.WAYS if each.name == "settings")
    with ways.fleet([way], tmp_path / "fleet", postgres) as fleet:
        fleet.written["settings"].made.add(
            projects.revision("0001", upgrade="op.execute('CREATE TABLE product (id int)')"),
            projects.revision("0002", "0001", upgrade=_HALF),
        )
        answer = fleet.answers("apply", "--yes")["settings"]
        assert answer["error"]["code"] == "half-applied", answer
        assert any("public.stays" in line for line in answer["error"]["data"]["difference"])
        assert "warnings" not in answer


def test_each_way_leads_to_the_embedded_server(tmp_path: Path, postgres: support.Server) -> None:
    """Whatever stands in variables and ini files: in such an environment its databases are meant."""
    names = ("asyncpg", "several-variables", "ini", "ini-key", "argument", "password-command")
    chosen = [each for each in url_ways.WAYS if each.name in names]
    with ways.fleet(chosen, tmp_path / "fleet", postgres, database="embedded") as fleet:
        applied = fleet.answers("regenerate", "--apply", "--yes")
        assert {name: answer.get("applied", answer) for name, answer in applied.items()} == dict.fromkeys(
            names, "upgraded"
        )
        states = fleet.answers("status")
        assert {name: answer["state"] for name, answer in states.items()} == dict.fromkeys(names, "at_head")
        assert {name: fleet.tables(name) for name in names} == {name: [] for name in names}
