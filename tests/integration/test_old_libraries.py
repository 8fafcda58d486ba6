"""Libraries that are too old, or that an interpreter can't import: told by name with their mend, by every command."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import corners, interpreters, postgres, ways

_OLD = corners.Corner("3.10", "1.3.24", "1.11.*", "psycopg2", corners.PLAIN, False)
_TOML = corners.Corner("3.12", "2.0.*", "1.15.*", "psycopg2", corners.PLAIN, False)
_BROKEN = corners.Corner("3.13", "2.0.0", "1.12.0", "psycopg2", corners.PLAIN, False)
_CORNERS = (_OLD, _TOML, _BROKEN)

Told = dict[str, dict[str, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, postgres: postgres.Server) -> Told:
    """What preflight finds (errors and warnings), and the error of `status` and `regenerate`: by command and service."""
    found = interpreters.find()
    missing = [each.python for each in _CORNERS if each.python not in found]
    if missing:
        pytest.skip(interpreters.absent(missing[0]))
    try:
        pythons = interpreters.venvs([(found[each.python], each.requirements) for each in _CORNERS])
    except interpreters.Unavailable as problem:
        pytest.fail(str(problem), pytrace=False)
    chosen = [corner.way(python) for corner, python in zip(_CORNERS, pythons, strict=True)]
    chosen[1] = ways.Way(_TOML.name, lambda place: _in_pyproject(place, _TOML.way(pythons[1])))
    with ways.fleet(chosen, tmp_path_factory.mktemp("old"), postgres) as fleet:
        looked = fleet.answers("preflight")
        return {
            "preflight": {
                name: [each for each in answer["findings"] if each["level"] in ("warning", "error")]
                for name, answer in looked.items()
            },
            "status": _errors(fleet.answers("status")),
            "regenerate": _errors(fleet.answers("regenerate", "--yes", "--ignore-preflight")),
        }


def _in_pyproject(place: ways.Place, way: ways.Way) -> ways.Written:
    """The same service with its configuration in [tool.alembic]."""
    written = way.write(place)
    (place.folder / "alembic.ini").unlink()
    text = '[tool.alembic]\nscript_location = "%(here)s/migrations"\nprepend_sys_path = ["."]\n'
    (place.folder / "pyproject.toml").write_text(text)
    return written


def _errors(answers: dict[str, dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    return {name: [answer["error"]] if answer.get("error") else [] for name, answer in answers.items()}


def test_preflight_names_what_is_old(told: Told) -> None:
    """A warning for Alembic, with which most things work, an error for SQLAlchemy; no other check stumbles over it."""
    alembic, sqlalchemy = told["preflight"][_OLD.name]
    assert (alembic["level"], alembic["data"]["code"]) == ("warning", "alembic-old")
    assert alembic["mend"].endswith("-m pip install 'alembic>=1.12'")
    assert (sqlalchemy["level"], sqlalchemy["data"]["code"]) == ("error", "sqlalchemy-old")
    assert sqlalchemy["mend"].endswith("-m pip install 'sqlalchemy>=1.4'")


def test_preflight_names_what_does_not_import(told: Told) -> None:
    """SQLAlchemy 2.0.0 on Python 3.13; that Alembic does not import either is the same problem."""
    (only,) = told["preflight"][_BROKEN.name]
    assert (only["level"], only["data"]["code"]) == ("error", "sqlalchemy-broken")
    assert "Python 3.13" in only["message"] and "AssertionError" in only["message"]
    assert only["mend"].endswith("-m pip install --upgrade sqlalchemy")


def test_preflight_names_an_alembic_that_does_not_read_pyproject(told: Told) -> None:
    """Before 1.16 it knows ini files alone."""
    codes = {each["data"].get("code") for each in told["preflight"][_TOML.name] if each["level"] == "error"}
    assert codes == {"alembic-old"}


@pytest.mark.parametrize(
    ("command", "name", "code", "mend"),
    [
        ("status", _OLD.name, "sqlalchemy-old", "pip install 'sqlalchemy>=1.4'"),
        ("regenerate", _OLD.name, "sqlalchemy-old", "pip install 'sqlalchemy>=1.4'"),
        ("status", _BROKEN.name, "sqlalchemy-broken", "pip install --upgrade sqlalchemy"),
        ("regenerate", _BROKEN.name, "sqlalchemy-broken", "pip install --upgrade sqlalchemy"),
        ("regenerate", _TOML.name, "alembic-old", "pip install 'alembic>=1.16'"),
    ],
)
def test_commands_say_the_same(told: Told, command: str, name: str, code: str, mend: str) -> None:
    """Instead of what happened to fail for it."""
    (error,) = told[command][name]
    assert (error["code"], mend in error["mend"]) == (code, True), error
