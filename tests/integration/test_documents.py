"""README and docs are true: their commands are run in a copy of the example fleet, their tables compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stillroom.embedded import binaries
from stillroom.embedded.cluster import Cluster
from tests.support import documents, postgres

_PAGES = [documents.ROOT / "README.md", *sorted((documents.ROOT / "docs").glob("*.md"))]
_PLAYED = [path for path in _PAGES if documents.Page(path).blocks("console", "diff") or "<!-- prints" in path.read_text()]


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
