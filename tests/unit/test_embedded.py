"""The pure parts of the embedded database."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stillroom import errors
from stillroom.embedded import databases, export, settings


@dataclass
class Service:
    """What a service of the registry tells."""

    url_variable: str
    database: str
    driver: str = "asyncpg"
    url: dict[str, Any] | None = None


def _untouched(sql: str) -> list[list[str]]:
    raise AssertionError(f"the server was asked: {sql}")


@pytest.mark.parametrize("name", ["", "x" * 64, "ä" * 32, "line\nbreak", "nul\0"])
def test_a_name_that_postgresql_would_cut_or_refuse_is_wrong_use(name: str) -> None:
    """It would never be found again; nothing is made of the others either."""
    with pytest.raises(errors.UsageError, match="cannot be the name of a database"):
        databases.ensure(_untouched, ["good", name])


def test_no_databases_ask_nothing_of_the_server() -> None:
    """A fleet without services costs nothing."""
    assert databases.ensure(_untouched, []) == []


def test_each_variable_gets_the_url_of_its_database() -> None:
    """Services that share a database get the same URL under their own names."""
    services = [Service("POS_DATABASE_URL", "shop"), Service("ORDERS_DATABASE_URL", "shop"), Service("A_URL", "a")]
    assert export.urls(services, lambda name, driver: f"{driver}://host/{name}", "postgresql") == {
        "POS_DATABASE_URL": "postgresql://host/shop",
        "ORDERS_DATABASE_URL": "postgresql://host/shop",
        "A_URL": "postgresql://host/a",
    }


def test_variables_of_parts_get_the_parts_and_an_ini_file_nothing() -> None:
    """What is encoded in a URL is plain in a variable of its own."""
    names = {"host": "H", "port": "P", "user": "U", "password": "W", "name": "N"}
    parts = Service("UNUSED", "shop", url={"variables": names})
    said = Service("UNUSED", "till", url={"ini": "sqlalchemy.url"})
    found = export.urls([parts, said], lambda name, driver: f"{driver}://me:p%40ss@127.0.0.1:99/{name}")
    assert found == {"H": "127.0.0.1", "P": "99", "U": "me", "W": "p@ss", "N": "shop"}


def test_a_shell_gets_exactly_the_url() -> None:
    """Whatever characters a database's name has."""
    value = 'postgresql://u:p@h/it\'s $HOME `id` "x" & more'
    lines = export.export_lines({"NAME": value})
    done = subprocess.run(["/bin/sh", "-c", "\n".join([*lines, 'printf %s "$NAME"'])], capture_output=True, text=True)
    assert done.stdout == value


def test_settings_given_go_before_ours() -> None:
    """Tests, say, know better."""
    arguments = settings.arguments(18, 20000, Path("/s"), {"fsync": "on"})
    assert "fsync=on" in arguments
    assert "fsync=off" not in arguments


def test_a_killed_server_must_not_lose_commits() -> None:
    """fsync may be off on a developer's machine; these two never."""
    arguments = settings.arguments(18, 20000, Path("/s"), {})
    assert {"synchronous_commit=on", "full_page_writes=on"} <= set(arguments)


def test_older_servers_get_no_settings_that_they_do_not_know() -> None:
    """PostgreSQL refuses to start on an unknown setting."""
    assert any(each.startswith("io_method=") for each in settings.arguments(18, 20000, Path("/s"), {}))
    assert not any(each.startswith("io_method=") for each in settings.arguments(17, 20000, Path("/s"), {}))
