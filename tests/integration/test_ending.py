"""A signal at any moment: whatever a worker has made by then, it clears away."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stillroom.runtime.connections import connection
from stillroom.runtime.scratches import scratch_given
from tests.conftest import NewDatabase, NewRole
from tests.integration import moments
from tests.support import projects
from tests.support.postgres import Database, Role

KINDS = (
    ("created", "postgresql+psycopg"),
    ("created", "postgresql+asyncpg"),
    ("given", "postgresql+psycopg"),
    ("in place", "postgresql+asyncpg"),
)
MODULES = [
    "contextlib.py", "ending.py", "kept.py", "places.py", "scratch.py", "scratch_create.py", "scratch_given.py",
    "scratch_note.py", "temporary.py",
]  # fmt: skip
SEED = 20261122
STEP = 41


@pytest.fixture
def owner(new_role: NewRole) -> Role:
    """An ordinary role that may create databases."""
    return new_role(attributes="CREATEDB")


def interrupted(tmp_path: Path, kind: str, own: str, given: str, **asked: Any) -> list[tuple[str, int]]:
    """Place and exit code of each moment."""
    made = projects.make_service(tmp_path / "auth")
    (tmp_path / "temporary").mkdir()
    service = {
        "name": "auth",
        "path": str(made.path),
        "config": str(made.config),
        "url_variable": "AUTH_URL",
        "scratch_url_variable": "AUTH_SCRATCH_URL" if kind == "given" else None,
        "schemas": ["public"],
    }
    ran = subprocess.run(
        [
            sys.executable,
            moments.__file__,
            json.dumps({"service": service, "options": {"reset_in_place": kind == "in place"}, **asked}),
        ],
        env={**os.environ, "AUTH_URL": own, "AUTH_SCRATCH_URL": given, "TMPDIR": str(tmp_path / "temporary")},
        capture_output=True,
        text=True,
    )
    *lines, last = ran.stdout.splitlines() or [""]
    assert last == "end", ran.stderr
    told = [line.split() for line in lines]
    assert [each for each in told if each[3] != "0"] == []
    return [(place, int(code)) for _, place, code, _ in told]


@pytest.mark.parametrize(("kind", "driver"), KINDS)
def test_a_signal_at_any_moment_leaves_nothing(
    kind: str, driver: str, tmp_path: Path, new_database: NewDatabase, owner: Role
) -> None:
    """At some lines of what makes and clears away: no scratch database, no table, no note, no lock, no folder."""
    own, given = new_database(owner=owner), new_database(owner=owner)
    first = random.Random(f"{SEED} {kind} {driver}").randrange(1, STEP + 1)  # noqa: S311 - moments, not secrets
    urls = own.url(driver, owner), given.url(driver, owner)
    found = interrupted(tmp_path, kind, *urls, events="line", modules=MODULES, first=first, step=STEP)
    assert len(found) > 5
    assert {code for place, code in found if not place.startswith("ending.py")} == {143}  # there it may be too late
    assert list((tmp_path / "temporary").iterdir()) == []
    assert traces(own, given, owner) == []


def test_a_signal_at_each_line_that_makes_a_scratch_database_leaves_nothing(
    tmp_path: Path, new_database: NewDatabase, owner: Role
) -> None:
    """Where it is made already, and not in anybody's hands yet."""
    own, given = new_database(owner=owner), new_database(owner=owner)
    urls = own.url("postgresql+psycopg", owner), given.url("postgresql+psycopg", owner)
    found = interrupted(tmp_path, "created", *urls, events="line", modules=["scratch.py"], first=1, step=1)
    assert len(found) > 60
    assert {code for place, code in found if not place.startswith("ending.py")} == {143}  # there it may be too late
    assert list((tmp_path / "temporary").iterdir()) == []
    assert traces(own, given, owner) == []


def traces(own: Database, given: Database, owner: Role) -> list[object]:
    """What is left on the server."""
    made = "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = %s AND datname LIKE 'stillroom%%'"
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    return [
        *own.server.fetch(made, [owner.name]),
        *own.fetch(tables),
        *connection.run(given.url(role=owner), scratch_given._objects),
        *given.fetch("SELECT oid FROM pg_largeobject_metadata"),
        *given.fetch("SELECT locktype FROM pg_locks WHERE locktype = 'advisory'"),
    ]
