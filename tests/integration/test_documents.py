"""README and docs are true: their commands are run in a copy of the example fleet, their tables compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stillroom.embedded import binaries
from stillroom.embedded.cluster import Cluster
from stillroom.registry import positions
from tests.support import documents, postgres, program

_PAGES = [documents.ROOT / "README.md", *sorted((documents.ROOT / "docs").glob("*.md"))]
_PLAYED = [
    path for path in _PAGES if documents.Page(path).blocks("console", "diff") or "<!-- prints" in path.read_text()
]


@pytest.fixture
def stage() -> Iterator[documents.Stage]:
    """The example fleet in a folder of its own, with its own embedded server that runs throughout."""
    folder = postgres.temporary_folder()
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    made = documents.Stage(folder)
    try:
        assert made.program.run("database", "--start").code == 0
        yield made
    finally:
        Cluster(binaries.wheel(), folder / ".stillroom" / "postgres").remove()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("path", _PLAYED, ids=lambda path: path.name)
def test_what_a_page_shows_is_what_comes_out(path: Path, stage: documents.Stage) -> None:
    """Commands, their output and exit codes, and JSON documents, from top to bottom."""
    stage.play(documents.Page(path))


_README = documents.Page(documents.ROOT / "README.md")


@pytest.mark.parametrize("block", _README.blocks("python"), ids=lambda block: str(block.line))
def test_each_tasks_file_gives_the_commands(block: documents.Block, tmp_path: Path) -> None:
    """Whole, or mounted beside tasks of one's own."""
    (tmp_path / "tasks.py").write_text(block.text)
    ran = program.Program(tmp_path).run("--list")
    assert ran.code == 0, ran.told
    assert "db.regenerate" in ran.stdout if "db" in block.text else "  regenerate" in ran.stdout
    assert ("  hello" in ran.stdout) == ("hello" in block.text)


@pytest.mark.parametrize("block", _README.blocks("yaml"), ids=lambda block: str(block.line))
def test_each_registry_is_right(block: documents.Block, tmp_path: Path) -> None:
    """With its services' folders in place, no mistake is found, and the commands list them."""
    (tmp_path / "services.yaml").write_text(block.text)
    (tmp_path / "tasks.py").write_text("from stillroom.tasks import namespace\n")
    names = list(positions.read(block.text).data["services"])
    for name in names:
        (tmp_path / "backend" / name).mkdir(parents=True)
    ran = program.Program(tmp_path).run("services", "--json")
    assert [each["name"] for each in ran.json["services"]] == names, ran.told


def test_tab_completion_knows_the_commands(tmp_path: Path) -> None:
    """What the script of `--print-completion-script` asks for."""
    (tmp_path / "tasks.py").write_text("from stillroom.tasks import namespace\n")
    shell = program.Program(tmp_path)
    assert "complete -F" in shell.run("--print-completion-script", "bash").stdout
    assert "--accept-loss" in shell.run("--complete", "--", "invoke regenerate --").stdout.split()
