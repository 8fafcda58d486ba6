"""The table that people read, and the JSON that is compared from one version to the next."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench import meter

__all__ = ["Report", "versions"]

_PACKAGES = ("stillroom", "alembic", "sqlalchemy", "asyncpg", "greenlet", "invoke", "pydantic", "rich")


def versions(postgres: str | None = None) -> dict[str, str]:
    """Of everything that takes part."""
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    found |= {"python": platform.python_version(), "system": platform.platform()}
    return found | ({"postgresql": postgres} if postgres else {})


class Report:
    """Shows each result as it comes, and keeps all for the end.

    Args:
        console: where people look.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.results: dict[str, Any] = {"processors": os.cpu_count()}
        self.missed: list[str] = []

    def say(self, line: str) -> None:
        """A line on what is being done."""
        self._console.print(f"[dim]{line}[/]", highlight=False)

    def note(self, line: str) -> None:
        """A line below a table."""
        self._console.print(line, highlight=False, soft_wrap=True)

    def series(self, title: str, rows: Sequence[tuple[meter.Series, str]], last: str) -> None:
        """A table of contenders.

        Args:
            title: above it.
            rows: each series, and what stands in its last column.
            last: the header of that column.
        """
        table = Table(title=title, title_justify="left", title_style="bold")
        table.add_column("")
        for header in ("median s", "min-max s", "runs", "CPU Python", "CPU server", last):
            table.add_column(header, justify="right")
        for each, note in rows:
            low, high = each.spread
            server = "-" if each.postgres is None else f"{each.postgres:.2f}"
            table.add_row(
                each.name,
                f"{each.seconds:.2f}",
                f"{low:.2f}-{high:.2f}",
                str(len(each.samples)),
                f"{each.python:.2f}",
                server,
                note,
            )
        self._console.print(table)

    def target(self, what: str, value: float, limit: float, *, least: bool) -> str:
        """A value beside its target, and whether it was reached; keeps what was missed."""
        reached = value >= limit if least else value <= limit
        sentence = f"{what}: {value:.2f} (target: at {'least' if least else 'most'} {limit:g})"
        self.results.setdefault("targets", []).append(
            {"what": what, "value": value, "target": limit, "at_least": least, "reached": reached}
        )
        if not reached:
            self.missed.append(sentence)
        return f"{'[green]✓[/]' if reached else '[red]✗[/]'} {sentence}"

    def write(self, path: Path) -> None:
        """The JSON."""
        path.write_text(json.dumps(self.results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        self.note(f"written to {path}")
