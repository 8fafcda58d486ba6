"""Every way in which a project may be made, under every command: the table is printed, and each of its cells was run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support import postgres as support
from tests.support import url_ways, ways


def test_every_command_works_however_env_py_learns_its_url(
    tmp_path: Path, postgres: support.Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """One variable, several, the ini file, `-x`; settings that read at import; sockets, several hosts, odd passwords."""
    table = ways.run(url_ways.WAYS, tmp_path / "fleet", postgres)
    with capsys.disabled():
        sys.stdout.write(f"\n{table}\n")
    assert not table.problems
