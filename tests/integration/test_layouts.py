"""Where a project's parts are: every way of `support.layouts` through the commands, all of them in one fleet.

Each command runs once, over all services; each test is a cell of the table of ways and commands, which is printed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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


@pytest.mark.parametrize("way", layouts.WAYS)
def test_databases_come_to_head(walked: Walked, way: str) -> None:
    """By the baseline, by the revision, and from empty."""
    assert walked.answer(way, "status")["state"] == "at_head"
    assert len(walked.answer(way, "apply")["applied"]) == 1
    assert len(walked.answer(way, "from empty")["applied"]) == 2
