"""Which driver SQLAlchemy takes for the URL of `env.py`, and whether it is there."""

from __future__ import annotations

import pytest

from stillroom.runtime.readiness import preflight_findings, preflight_versions

PLAIN = "engine = engine_from_config(section, prefix='sqlalchemy.')\n"
ASYNC = "async def run(): ...\nengine = async_engine_from_config(section)\n"
BY_OTHERS = "from app.db import engine\n"
OWN = "postgresql://me@db/shop"


def said(monkeypatch: pytest.MonkeyPatch, given: str, env: str, *, own: str = OWN, missing: str) -> list[str]:
    """The messages on a URL that env.py gives, where one driver is missing."""
    monkeypatch.setattr(
        "stillroom.runtime.libraries.imported", lambda name: (None, "not there") if name == missing else ("1.0", "")
    )
    found = preflight_findings.Findings()
    preflight_versions.judge_taken(found, given, own, env)
    return [each["message"] for each in found.to_list()]


def taken() -> str:
    """What this SQLAlchemy takes by default."""
    from sqlalchemy.engine import make_url

    return str(make_url(OWN).get_dialect().driver)


def test_the_default_of_sqlalchemy_has_to_be_there_where_the_url_names_no_driver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another one that is installed does not help."""
    (message,) = said(monkeypatch, OWN, PLAIN, missing=taken())

    assert message == f"SQLAlchemy takes {taken()} (the URL names no driver), and that does not import: not there"
    assert said(monkeypatch, OWN, PLAIN, missing="asyncpg") == []


@pytest.mark.parametrize("env", [ASYNC, BY_OTHERS])
def test_a_driver_that_may_be_put_in_on_the_way_is_not_judged(monkeypatch: pytest.MonkeyPatch, env: str) -> None:
    """An asynchronous env.py, and one that has its engine from elsewhere, need not connect with that URL."""
    assert said(monkeypatch, OWN, env, missing=taken()) == []


@pytest.mark.parametrize("env", [PLAIN, ASYNC, BY_OTHERS])
def test_a_driver_that_env_py_names_has_to_be_there(monkeypatch: pytest.MonkeyPatch, env: str) -> None:
    """Unless the service's own URL names it, too: then it has been said."""
    given = OWN.replace("postgresql:", "postgresql+psycopg2:")

    (message,) = said(monkeypatch, given, env, missing="psycopg2")

    assert "SQLAlchemy takes psycopg2 (the URL that env.py gives to Alembic names it)" in message
    assert said(monkeypatch, given, env, own=given, missing="psycopg2") == []


def test_what_is_no_postgresql_is_told_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither another database nor a scheme that nobody knows is a matter of drivers."""
    assert said(monkeypatch, "sqlite://", PLAIN, missing="pysqlite") == []
    assert said(monkeypatch, "postgres://me@db/shop", PLAIN, missing=taken()) == []
