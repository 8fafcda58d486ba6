"""Stands in for a command that uses the embedded database: `python -m tests.support.holder STATE [DATABASE ...]`.

Takes the server, makes the databases, prints one line of JSON, and leaves when its standard input ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stillroom.embedded import server

__all__ = ["Holder", "hold"]

ROOT = Path(__file__).parents[2]


class Holder:
    """A running holder: `facts` are what it printed (`pid` of the server, `made`)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._facts: dict[str, Any] | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """Waits until it holds the server."""
        if self._facts is None:
            assert self.process.stdout is not None
            self._facts = json.loads(self.process.stdout.readline())
        return self._facts

    def leave(self) -> int:
        """Lets it end in order; its exit code."""
        self.process.communicate()
        return self.process.returncode

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.communicate()


@contextmanager
def hold(state: Path, *databases: str) -> Iterator[Holder]:
    """Starts a holder; does not wait for it to hold."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.holder", str(state), *databases],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Holder(process)
    finally:
        if process.returncode is None:
            process.kill()
            process.communicate()


def _main(state: str, *databases: str) -> None:
    with server.running(Path(state)) as embedded:
        made = embedded.ensure(databases)
        facts = {"pid": server.status(Path(state)).pid, "made": made}
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    _main(*sys.argv[1:])
