"""`invoke database`, as people type it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stillroom.embedded import binaries, server
from stillroom.embedded.cluster import Cluster
from tests.support import projects

_EMBEDDED = {
    "development": {"target": "local", "database": "embedded"},
    "staging": {"target": "local", "database": "environment"},
}


@pytest.fixture
def repository(quick_path: Path) -> Iterator[Path]:
    """A repository with three services, two of which share a database."""
    shop: dict[str, dict[str, Any]] = {
        "auth": {},
        "pos": {"database": "shopfloor", "schemas": ["pos"]},
        "orders": {"database": "shopfloor", "schemas": ["orders"]},
    }
    for name in shop:
        projects.make_service(quick_path / name)
    services = {name: {"path": name, **said} for name, said in shop.items()}
    registry = {"default_environment": "development", "environments": _EMBEDDED, "services": services}
    (quick_path / "services.yaml").write_text(json.dumps(registry))
    (quick_path / "tasks.py").write_text("from stillroom.tasks import namespace\n")
    yield quick_path
    Cluster(binaries.wheel(), quick_path / ".stillroom" / "postgres").remove()


def _invoke(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", "database", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def _json(folder: Path, *arguments: str) -> Any:
    done = _invoke(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_urls_are_lines_that_a_shell_evaluates(repository: Path) -> None:
    """`eval` sets each service's variable; the databases exist, and psql connects over what is printed."""
    done = _invoke(repository, "--urls", "--driver", "postgresql")
    assert done.returncode == 0, done.stderr
    psql = binaries.tools().psql
    asked = subprocess.run(
        ["/bin/sh", "-c", f"{done.stdout}\n'{psql}' -XAtc 'SELECT current_database()' \"$ORDERS_DATABASE_URL\""],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert asked.stdout == "shopfloor\n", asked.stderr
    assert server.status(repository / ".stillroom").kept


def test_urls_as_json_suit_services(repository: Path) -> None:
    """Variable to URL, with the driver that services use; --service chooses."""
    found = _json(repository, "--urls")
    assert sorted(found) == ["AUTH_DATABASE_URL", "ORDERS_DATABASE_URL", "POS_DATABASE_URL"]
    assert found["POS_DATABASE_URL"] == found["ORDERS_DATABASE_URL"]
    assert all(url.startswith("postgresql+asyncpg://") for url in found.values())
    with psycopg.connect(found["AUTH_DATABASE_URL"].replace("+asyncpg", "")) as connection:
        assert connection.info.dbname == "auth"
    assert list(_json(repository, "--urls", "--service", "auth")) == ["AUTH_DATABASE_URL"]


def test_start_keeps_and_stop_ends(repository: Path) -> None:
    """Each says how the server stands then."""
    assert not _json(repository)["running"]
    started = _json(repository, "--start")
    assert (started["running"], started["kept"]) == (True, True)
    again = _invoke(repository)
    assert f"running on 127.0.0.1:{started['port']} (pid {started['pid']})" in again.stdout
    stopped = _json(repository, "--stop")
    assert (stopped["running"], stopped["kept"]) == (False, False)


def test_start_and_stop_at_once_is_wrong_use(repository: Path) -> None:
    """Nothing is started."""
    done = _invoke(repository, "--start", "--stop")
    assert done.returncode == 2
    assert "--stop was given together with" in done.stderr
    assert not (repository / ".stillroom" / "postgres").exists()


def test_urls_of_an_environment_on_real_servers_are_refused(repository: Path) -> None:
    """Its URLs are not ours to print."""
    done = _invoke(repository, "--urls", "--environment", "staging")
    assert (done.returncode, done.stdout) == (2, "")
    assert "environment staging does not use the embedded database" in done.stderr
