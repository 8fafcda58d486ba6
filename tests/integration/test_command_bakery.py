"""The example fleet on a bare machine: what `make demo` runs, and what a newcomer types next."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stillroom.embedded import binaries, process
from stillroom.embedded.cluster import Cluster
from tests.support import program, serving

ROOT = Path(__file__).parents[2]
SERVICES = [
    "auth",
    "tenant",
    "sales",
    "external",
    "training",
    "forecasting",
    "notification",
    "inventory",
    "recipes",
    "suppliers",
    "pos",
    "orders",
    "production",
    "alert-processor",
]


@pytest.fixture
def bakery(quick_path: Path) -> Iterator[program.Program]:
    """A clone of the example fleet, with its registry and `tasks.py`, in git, and no history yet."""
    for name in ("services.yaml", "tasks.py"):
        shutil.copy(ROOT / name, quick_path / name)
    ignored = shutil.ignore_patterns("__pycache__", "versions", ".*")
    shutil.copytree(ROOT / "examples", quick_path / "examples", ignore=ignored)
    for name in SERVICES:
        (quick_path / "examples" / "bakery" / name / "migrations" / "versions").mkdir()
    (quick_path / ".gitignore").write_text(".stillroom/\n__pycache__/\n")
    yield program.Program(quick_path)
    Cluster(binaries.wheel(), quick_path / ".stillroom" / "postgres").remove()


def git(folder: Path, *arguments: str) -> str:
    """What git prints."""
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def addresses(bakery: program.Program) -> dict[str, str]:
    """The variables that `invoke database --urls` exports."""
    lines = bakery.run("database", "--urls").stdout.splitlines()
    pairs = [shlex.split(line)[1].partition("=") for line in lines if line.startswith("export ")]
    return {name: url for name, _, url in pairs}


def start_all(bakery: program.Program) -> None:
    """Each service starts under uvicorn, and says how it is."""
    variables = addresses(bakery)
    for name in SERVICES:
        with serving.Served(bakery.folder / "examples" / "bakery" / name, variables) as service:
            answer = service.get("/health/ready")
        assert (answer.status, answer.json["status"], answer.json["service"]) == (200, "ready", name), service.told
        assert service.lines[-1] == "[info] Database verification completed", service.told


def refuses_to_start(bakery: program.Program, name: str) -> None:
    """On its empty part of a shared database it ends with one line; which part is its own, the environment says."""
    variables = {**addresses(bakery), "STILLROOM_SCHEMAS": name}
    with serving.Served(bakery.folder / "examples" / "bakery" / name, variables) as service:
        assert service.ended() == 3, service.told
    assert service.lines[-1].startswith("[error] DB not ready: Database is empty"), service.told
    assert "Traceback" not in service.out


def test_fourteen_services_from_models_to_applied_migrations(bakery: program.Program) -> None:
    """One command; the second run changes nothing; all are at head; one can be emptied and made again."""
    ran = bakery.run("regenerate", "--yes", "--apply")
    assert ran.code == 0, ran.told
    rows = [line.split() for line in ran.stdout.splitlines() if "✓ proven" in line]
    assert [row[0] for row in rows] == SERVICES
    assert all("upgraded" in row for row in rows)
    cluster = Cluster(binaries.wheel(), bakery.folder / ".stillroom" / "postgres")
    assert process.members(cluster.data) == []

    git(bakery.folder, "init", "-q")
    git(bakery.folder, "add", "-A")
    git(bakery.folder, "commit", "-q", "-m", "first")
    assert bakery.run("database", "--start").code == 0
    try:
        again = bakery.run("regenerate", "--yes", "--apply", "--json")
        assert again.code == 0, again.told
        assert [(each["name"], each["copied"], each["applied"]) for each in again.json["services"]] == [
            (name, 0, "at head") for name in SERVICES
        ]
        assert git(bakery.folder, "status", "--porcelain") == ""

        start_all(bakery)

        found = {each["name"]: each for each in bakery.run("status", "--json").json["services"]}
        assert {each["state"] for each in found.values()} == {"at_head"}
        assert (found["inventory"]["tables"], found["external"]["tables"]) == (30, 1)

        cleaned = bakery.run("cleanup", "--service", "pos", "--yes")
        assert cleaned.code == 0, cleaned.told
        states = {each["name"]: each["state"] for each in bakery.run("status", "--json").json["services"]}
        assert (states["pos"], states["orders"]) == ("empty", "at_head")
        refuses_to_start(bakery, "pos")
        assert bakery.run("apply", "--yes").code == 0
        assert bakery.run("preflight").code == 0
    finally:
        bakery.run("database", "--stop")
    assert process.members(cluster.data) == []
