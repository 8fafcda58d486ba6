"""Tables and long lines: nothing is cut off, however narrow the terminal."""

from __future__ import annotations

import pytest
from rich.console import Console

from stillroom.people import fitting, tables

HEADERS = ["service", "tables", "operations", "revision", "proof", "copied bytes", "applied", "seconds"]
ROWS = [
    ["auth", "5", "11", "ab53ad40ef16", "[green]✓ proven[/]", "5,685", "upgraded", "3.1"],
    ["alert-processor", "6", "19", "bd3f29c6f6b5", "[red]✗ failed[/]", "unchanged", "at head", "22.5"],
]


def printed(width: int) -> list[str]:
    """The lines of a table in a terminal of that width."""
    sheet = tables._Sheet(HEADERS, ROWS, "", ("tables", "seconds"))
    console = Console(width=width, force_terminal=True, color_system=None)
    with console.capture() as captured:
        layout = sheet.fitting(width)
        if layout is not None:
            console.print(sheet.table(*layout))
        else:
            console.print(sheet.blocks(), soft_wrap=True)
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("width", [40, 60, 79, 80, 81, 90, 100, 120, 200])
def test_no_width_cuts_anything_off(width: int) -> None:
    """Every cell is there whole, and no line is longer than the terminal (a block's may be, if its cell is)."""
    lines = printed(width)
    text = "\n".join(lines)
    for row in ROWS:
        for cell in row[:4] + row[5:]:
            assert cell in text
    assert "…" not in text
    assert max(len(line) for line in lines) <= width


def test_eighty_columns_hold_a_line_a_service() -> None:
    """The table of regenerate, with names of fifteen letters."""
    rows = [line for line in printed(80) if line.startswith(("auth", "alert-processor"))]
    assert len(rows) == 2
    assert ("✓" in rows[0], "✗" in rows[1]) == (True, True)
    assert len(printed(80)) <= 6


def test_a_wide_terminal_has_room_for_words() -> None:
    """`✓ proven`, and headers on one line."""
    lines = printed(120)
    assert any("copied bytes" in line for line in lines)
    assert any("✓ proven" in line for line in lines)


def test_long_lines_break_between_words_below_their_text() -> None:
    """Marks stand out; words are never broken, so a path or a URL stays one."""
    text = "    ✗ database: No PostgreSQL answers for localhost:1/z\n      → Check it: pg_isready -h localhost -p 1"
    assert fitting.wrapped(text, 44).splitlines() == [
        "    ✗ database: No PostgreSQL answers for",
        "      localhost:1/z",
        "      → Check it: pg_isready -h localhost -p",
        "        1",
    ]
    assert fitting.wrapped("x" * 100, 44) == "x" * 100
    assert fitting.wrapped(text, 200) == text
    assert fitting.wrapped(text, 10) == text
