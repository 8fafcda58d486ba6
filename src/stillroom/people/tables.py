"""Tables on standard output that read at a glance, in a terminal and in a file."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["counted", "plain", "show"]


def counted(number: int, word: str) -> str:
    """A number and what it counts: `1 file`, `2 files`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def plain(text: str) -> str:
    """A text that is no markup, for a cell."""
    return text.replace("[", r"\[")


def show(
    headers: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "", numbers: Sequence[str] = ()
) -> None:
    """Prints a table: in a terminal as wide as that, otherwise as wide as it needs to be. Nothing is cut off.

    Where a table does not fit, it moves closer together, then breaks cells between words, then becomes a block a row.

    Args:
        headers: of the columns; the first column names the row.
        rows: cells; strings may hold rich markup (`[green]✓[/]`).
        title: above it.
        numbers: headers of the columns that are aligned to the right.
    """
    from rich.console import Console

    sheet = _Sheet(headers, [[str(cell) for cell in row] for row in rows], title, numbers)
    if not sys.stdout.isatty():
        widest = Console(width=_UNLIMITED)
        with widest.capture() as printed:
            widest.print(sheet.table(_LAYOUTS[0]))
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in printed.get().splitlines()))
        return
    console = Console()
    fitting = sheet.fitting(console.width)
    if fitting is not None:
        console.print(sheet.table(*fitting))
    else:
        console.print(sheet.blocks(), soft_wrap=True)


_UNLIMITED = 10_000
_MARKED = re.compile(r"^(\[\w+\])?([✓✗-])(\[/\])? \w+(\[/\])?$")


@dataclasses.dataclass(frozen=True)
class _Layout:
    """How close together a table is.

    Attributes:
        left, right: padding of a cell.
        brief: headers in several lines, `✓ proven` without its word.
        edge: a column at each side.
    """

    left: int
    right: int
    brief: bool = False
    edge: bool = True

    @property
    def gap(self) -> int:
        """Columns between two cells: rich puts one between the paddings."""
        return self.left + 1 + self.right


_LAYOUTS = (_Layout(1, 1), _Layout(0, 1), _Layout(0, 1, brief=True), _Layout(0, 0, brief=True, edge=False))


class _Sheet:
    def __init__(self, headers: Sequence[str], rows: list[list[str]], title: str, numbers: Sequence[str]) -> None:
        self._headers = headers
        self._rows = rows
        self._title = title
        self._numbers = numbers

    def fitting(self, width: int) -> tuple[_Layout, list[int]] | None:
        """The loosest layout that fits, and the widths of its columns; None if not even broken cells fit."""
        for layout in _LAYOUTS:
            widths = self._widths(layout, _line_length)
            if _total(widths, layout) <= width:
                return layout, widths
        for layout in _LAYOUTS:
            least = self._widths(layout, _word_length)
            if layout.brief and _total(least, layout) <= width:
                return layout, _narrowed(
                    self._widths(layout, _line_length), least, width - _total([0] * len(least), layout)
                )
        return None

    def _widths(self, layout: _Layout, measure: Callable[[str], int]) -> list[int]:
        lines = [self._shown_headers(layout), *self._shown_rows(layout)]
        return [max(measure(_plain(line[at])) for line in lines) for at in range(len(self._headers))]

    def _shown_headers(self, layout: _Layout) -> list[str]:
        return [header.replace(" ", "\n") if layout.brief else header for header in self._headers]

    def _shown_rows(self, layout: _Layout) -> list[list[str]]:
        if not layout.brief:
            return self._rows
        return [[_MARKED.sub(r"\1\2\3\4", cell) for cell in row] for row in self._rows]

    def table(self, layout: _Layout, widths: Sequence[int] = ()) -> Table:
        """The table; `widths` of its columns where they are not as wide as they need to be."""
        from rich import box
        from rich.table import Table

        table = Table(
            title=self._title or None,
            box=box.SIMPLE_HEAD,
            title_justify="left",
            pad_edge=False,
            show_edge=layout.edge,
            padding=(0, layout.right, 0, layout.left),
        )
        for at, header in enumerate(self._shown_headers(layout)):
            justify: Any = "right" if self._headers[at] in self._numbers else "left"
            table.add_column(header, justify=justify, overflow="fold", width=widths[at] if widths else None)
        for row in self._shown_rows(layout):
            table.add_row(*row)
        return table

    def blocks(self) -> str:
        """A block for each row: its name, then what each column says of it."""
        width = max(len(header) for header in self._headers[1:])
        lines = [self._title, ""] if self._title else []
        for name, *cells in self._rows:
            lines.append(f"[bold]{name}[/]")
            lines += [
                f"  {header:<{width}}  {cell}"
                for header, cell in zip(self._headers[1:], cells, strict=True)
                if cell.strip(" -")
            ]
        return "\n".join(lines)


def _total(widths: Sequence[int], layout: _Layout) -> int:
    return sum(widths) + max(0, len(widths) - 1) * layout.gap + 2 * layout.edge


def _narrowed(widths: list[int], least: Sequence[int], room: int) -> list[int]:
    """Takes from the widest column that can give, until they fit."""
    found = list(widths)
    while sum(found) > room:
        at = max((at for at in range(len(found)) if found[at] > least[at]), key=lambda at: found[at])
        found[at] -= 1
    return found


def _line_length(text: str) -> int:
    return max((len(line) for line in text.split("\n")), default=0)


def _word_length(text: str) -> int:
    return max((len(word) for word in text.split()), default=0)


def _plain(cell: str) -> str:
    """A cell without its markup."""
    from rich.markup import render

    return render(cell).plain
