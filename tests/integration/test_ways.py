"""How `env.py` may learn its URL: every way under every command, the cells of a table that is printed at the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support import postgres as support
from tests.support import url_ways, ways


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, postgres: support.Server) -> ways.Table:
    """What came of each."""
    return ways.run(url_ways.WAYS, tmp_path_factory.mktemp("ways"), postgres)


@pytest.mark.parametrize("command", ways.COMMANDS)
@pytest.mark.parametrize("way", [each.name for each in url_ways.WAYS])
def test_every_command_works_however_env_py_learns_its_url(table: ways.Table, way: str, command: str) -> None:
    """One variable, several, the ini file, `-x`; settings that read at import; sockets, several hosts, odd passwords."""
    assert table.cells[way, command] == ""


def test_the_table_is_printed(table: ways.Table, record_property: Callable[[str, object], None]) -> None:
    """With every cell, whatever came of it."""
    record_property("table", str(table))
    assert len(table.cells) == len(url_ways.WAYS) * len(ways.COMMANDS)
