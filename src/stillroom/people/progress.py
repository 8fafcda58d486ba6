"""Live progress on standard error: rows that change in a terminal, plain lines without one."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from stillroom import fleet

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["watching"]

_LONGEST_STEP = 18


@contextlib.contextmanager
def watching(
    title: str,
    services: Sequence[str],
    *,
    verbose: bool,
    quiet: bool,
    logs: bool = False,
    failures: bool = True,
) -> Iterator[fleet.Watcher]:
    """A watcher for the duration of the block.

    Args:
        title: what is being done.
        services: the names, in the order of the rows.
        verbose: also show each step (without a terminal) and what the services' own code prints.
        quiet: show failures only (`--json`).
        logs: what services print is what people watch for.
        failures: show those, too.
    """
    if quiet:
        yield _Plain(title, len(services), verbose=False, steps=False, quiet=True, failures=failures)
    elif sys.stderr.isatty() and not verbose:
        with _Live(title, services, logs=logs, failures=failures) as live:
            yield live
    else:
        chatty = verbose or logs
        yield _Plain(title, len(services), verbose=chatty, steps=verbose, quiet=False, failures=failures)


class _Plain:
    """A line for each service that ends, and each line at once."""

    def __init__(
        self, title: str, total: int, *, verbose: bool, steps: bool, quiet: bool, failures: bool = True
    ) -> None:
        self._total = total
        self._done = 0
        self._verbose = verbose
        self._steps = steps
        self._quiet = quiet
        self._failures = failures
        self._lock = threading.Lock()
        if total and not quiet:
            self._say(f"{title}: {total} service{'s' if total != 1 else ''}")

    def begin(self, service: str) -> None:
        """See `fleet.Watcher`."""

    def step(self, service: str, step: str) -> None:
        """See `fleet.Watcher`."""
        if self._steps:
            self._say(f"{service}: {step}")

    def warn(self, service: str, message: str) -> None:
        """See `fleet.Watcher`."""
        if not self._quiet:
            self._say(f"{service}: warning: {message}")

    def output(self, service: str, line: str) -> None:
        """See `fleet.Watcher`."""
        if self._verbose:
            self._say(f"{service} | {line}")

    def end(self, service: str, outcome: fleet.Outcome[Any]) -> None:
        """See `fleet.Watcher`."""
        self._done += 1
        if outcome.failure is not None:
            if self._failures:
                self._say(f"[{self._done}/{self._total}] {service}: ✗ {_brief(service, outcome.failure)}")
        elif not self._quiet:
            how = f"skipped: {outcome.skipped}" if outcome.skipped else f"✓ {outcome.seconds:.1f} s"
            self._say(f"[{self._done}/{self._total}] {service}: {how}")

    def _say(self, line: str) -> None:
        with self._lock:
            print(line, file=sys.stderr, flush=True)


class _Row:
    def __init__(self) -> None:
        self.step = ""
        self.begun: float | None = None
        self.outcome: fleet.Outcome[Any] | None = None


class _Live:
    """A row a service: its step and its time, redrawn while it works."""

    def __init__(self, title: str, services: Sequence[str], *, logs: bool = False, failures: bool = True) -> None:
        from rich.console import Console
        from rich.live import Live

        self._logs = logs

        self._title = title
        self._failures = failures
        self._rows = {name: _Row() for name in services}
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, get_renderable=self._table, refresh_per_second=8, transient=True)

    def __enter__(self) -> _Live:
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._live.__exit__(*error)

    def begin(self, service: str) -> None:
        """See `fleet.Watcher`."""
        self._rows[service].begun = time.monotonic()

    def step(self, service: str, step: str) -> None:
        """See `fleet.Watcher`."""
        self._rows[service].step = step

    def warn(self, service: str, message: str) -> None:
        """See `fleet.Watcher`."""
        self._console.print(f"[yellow]![/] {service}: {_escape(message)}")

    def output(self, service: str, line: str) -> None:
        """See `fleet.Watcher`."""
        if self._logs:
            self._console.print(f"[dim]{service} |[/] {_escape(line)}", soft_wrap=True)

    def end(self, service: str, outcome: fleet.Outcome[Any]) -> None:
        """See `fleet.Watcher`."""
        self._rows[service].outcome = outcome
        if outcome.failure is not None and self._failures:
            self._console.print(f"[red]✗[/] {service}: {_escape(_brief(service, outcome.failure))}")

    def _table(self) -> Table:
        from rich.table import Table

        ended = sum(row.outcome is not None for row in self._rows.values())
        title = f"{self._title}  {ended}/{len(self._rows)}"
        table = Table(title=title, title_justify="left", box=None, show_header=False, padding=(0, 1))
        table.add_column()
        table.add_column()
        table.add_column(min_width=_LONGEST_STEP)  # so that what is right of it stands still
        table.add_column(justify="right")
        for name, row in self._shown():
            table.add_row(*_cells(name, row))
        return table

    def _shown(self) -> list[tuple[str, _Row]]:
        """All rows where they fit; otherwise what is under way."""
        room = max(5, self._console.size.height - 4)
        if len(self._rows) <= room:
            return list(self._rows.items())
        active = [item for item in self._rows.items() if item[1].begun is not None and item[1].outcome is None]
        return active[:room]


def _cells(name: str, row: _Row) -> tuple[str, str, str, str]:
    if row.outcome is not None and row.outcome.ok:
        return "[green]✓[/]", name, "done", f"{row.outcome.seconds:.1f} s"
    if row.outcome is not None and row.outcome.skipped:
        return "[dim]-[/]", name, f"[dim]skipped: {row.outcome.skipped}[/]", ""
    if row.outcome is not None:
        return "[red]✗[/]", name, "[red]failed[/]", f"{row.outcome.seconds:.1f} s"
    if row.begun is None:
        return " ", f"[dim]{name}[/]", "[dim]waiting[/]", ""
    return "[cyan]…[/]", name, row.step, f"{time.monotonic() - row.begun:.1f} s"


def _brief(service: str, failure: fleet.Failure) -> str:
    """What went wrong, on one line: the end of the run tells it whole, with what to do."""
    return failure.message.removeprefix(f"{service}: ").partition("\n")[0].partition("; ")[0]


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
