"""Tables on standard output that read at a glance, in a terminal and in a file."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

__all__ = ["counted", "show"]


def counted(number: int, word: str) -> str:
    """A number and what it counts: `1 file`, `2 files`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def show(
    headers: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "", numbers: Sequence[str] = ()
) -> None:
    """Prints a table.

    Args:
        headers: of the columns.
        rows: cells; strings may hold rich markup (`[green]✓[/]`).
        title: above it.
        numbers: headers of the columns that are aligned to the right.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else max(shutil.get_terminal_size((160, 40)).columns, 160))
    table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, expand=False)
    for header in headers:
        table.add_column(header, justify="right" if header in numbers else "left", no_wrap=not terminal)
    for row in rows:
        table.add_row(*[str(cell) for cell in row])
    if terminal:
        console.print(table)
        return
    with console.capture() as printed:
        console.print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in printed.get().splitlines()))
