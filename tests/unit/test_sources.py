"""What `env.py` is given in the place of its own URL, for each way in which it learns it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from stillroom.runtime import facts, faults, secrecy
from stillroom.runtime.projects import sources

_NAMES = {"host": "T_HOST", "port": "T_PORT", "user": "T_USER", "password": "T_PASSWORD", "name": "T_NAME"}
_VALUES = {"T_HOST": "h", "T_PORT": "5433", "T_USER": "me", "T_PASSWORD": "p@ss", "T_NAME": "shop"}


def service(**said: Any) -> facts.ServiceFacts:
    """A service of the folder that is the current one."""
    return facts.ServiceFacts("shop", str(Path.cwd()), str(Path("alembic.ini").absolute()), **said)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, with variables of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(secrecy, "_known", {})
    for name, value in _VALUES.items():
        monkeypatch.setenv(name, value)


def test_variables_are_read_as_one_url() -> None:
    """With whatever signs in them."""
    assert sources.url(service(url={"variables": _NAMES})) == "postgresql://me:p%40ss@h:5433/shop"


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("postgresql://me:p%40ss@h:5433/scratch", {"T_NAME": "scratch"}),
        ("postgresql+asyncpg://me:p%40ss@other/s", {"T_NAME": "s", "T_HOST": "other", "T_PORT": "5432"}),
        ("postgresql://you:x%25@h:5433/shop", {"T_USER": "you", "T_PASSWORD": "x%"}),
        (
            "postgresql://me:p%40ss@/s?host=/run/pg&port=1",
            {"T_NAME": "s", "T_HOST": "/run/pg", "T_PORT": "1"},
        ),
    ],
)
def test_only_what_differs_is_given_to_variables(url: str, given: dict[str, str]) -> None:
    """So that an address stays as its owner wrote it."""
    assert sources.of(service(url={"variables": _NAMES})).given(url).variables == given


def test_host_and_port_in_one_variable_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no variable is declared for the port."""
    monkeypatch.setenv("T_HOST", "h:5433")
    way = sources.of(service(url={"variables": {"host": "T_HOST", "name": "T_NAME"}}))
    assert way.read() == "postgresql://h:5433/shop"
    assert way.given("postgresql://other:5434/s").variables == {"T_HOST": "other:5434", "T_NAME": "s"}


def test_what_no_variable_can_say_is_an_error_and_not_left_out() -> None:
    """Else `env.py` would work on another server than is thought."""
    way = sources.of(service(url={"variables": {"name": "T_NAME", "host": "T_HOST"}}))
    with pytest.raises(faults.ProjectFault) as caught:
        way.given("postgresql://you@other:99/s")
    assert (caught.value.code, caught.value.data) == ("source-too-narrow", {"parts": ["user", "port"]})


def test_a_password_that_env_py_has_by_itself_needs_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a command of its own, or a password file; for the same role on the same server."""
    names = {part: name for part, name in _NAMES.items() if part != "password"}
    way = sources.of(service(url={"variables": names}))
    assert way.given("postgresql://me:token@h:5433/scratch").variables == {"T_NAME": "scratch"}


def test_a_password_from_the_operator_holds_for_the_rest_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for code that reads the variables itself."""
    monkeypatch.setattr(sources, "_current", {})
    monkeypatch.setenv("GIVEN", "tok/en")
    assert sources.url(service(url={"variables": _NAMES}, password_variable="GIVEN")) == (
        "postgresql://me:tok%2Fen@h:5433/shop"
    )
    assert os.environ["T_PASSWORD"] == "tok/en"


def test_everything_is_as_before_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that were not there are gone; the innermost block counts meanwhile."""
    monkeypatch.setenv("T_URL", "postgres://me@h/shop")
    before = dict(os.environ)
    one = service(url_variable="T_URL")
    with sources.pointed_at(one, "postgresql+asyncpg://me@h/a"):
        with sources.pointed_at(one, "postgresql://me@h/b"):
            assert os.environ["T_URL"] == "postgres://me@h/b"
            assert sources.url(one) == os.environ[sources.EVERYBODY] == "postgresql://me@h/b"
        assert os.environ["T_URL"] == "postgres://me@h/a"
    assert os.environ == before
    assert sources.url(one) == "postgres://me@h/shop"


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("sqlalchemy.url = postgresql+psycopg2://me:p%%40ss@h/shop", "postgresql+psycopg2://me:p%40ss@h/shop"),
        ("who = me\nsqlalchemy.url = postgresql://%(who)s@h/shop", "postgresql://me@h/shop"),
        ("sqlalchemy.url: postgresql:///shop?host=%(here)s", "postgresql:///shop?host=HERE"),
    ],
)
def test_an_ini_file_is_read_as_alembic_reads_it(line: str, url: str, tmp_path: Path) -> None:
    """Doubled percent signs, names of the section, `%(here)s`."""
    Path("alembic.ini").write_text(f"[alembic]\n{line}\n")
    way = sources.of(service(url={"ini": "sqlalchemy.url"}))
    assert way.read() == url.replace("HERE", tmp_path.as_posix())
    given = way.given("postgresql+asyncpg://me@h/s").options["sqlalchemy.url"]
    assert given.startswith(url.partition("://")[0] + "://me@h/s")


@pytest.mark.parametrize(
    "text", ["driver://user:pass@localhost/dbname", "postgresql://user:pass@localhost:5432/dbname"]
)
def test_a_placeholder_is_no_url(text: str) -> None:
    """Although the second one could be one."""
    Path("alembic.ini").write_text(f"[alembic]\nsqlalchemy.url = {text}\n")
    with pytest.raises(faults.ProjectFault) as caught:
        sources.url(service(url={"ini": "sqlalchemy.url"}))
    assert caught.value.code == "url-placeholder"


def test_an_argument_is_given_beside_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value of the variable as long as nothing else is in its place."""
    monkeypatch.setenv("T_URL", "postgresql+psycopg://me@h/shop")
    one = service(url={"argument": "db_url"}, url_variable="T_URL")
    assert sources.given(one).arguments == ("db_url=postgresql+psycopg://me@h/shop",)
    with sources.pointed_at(one, "postgresql://me@h/s"):
        assert sources.given(one).arguments == ("db_url=postgresql+psycopg://me@h/s",)
