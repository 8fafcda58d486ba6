"""A watcher for commands whose output is what services print: lines, and what a person should know beside them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from stillroom import fleet

__all__ = ["Lines"]


class Lines:
    """Passes on what services print.

    Args:
        take: is given a service's name and a line.
    """

    def __init__(self, take: Callable[[str, str], None]) -> None:
        self._take = take

    def begin(self, service: str) -> None:
        """See `fleet.Watcher`."""

    def step(self, service: str, step: str) -> None:
        """See `fleet.Watcher`."""

    def warn(self, service: str, message: str) -> None:
        """See `fleet.Watcher`."""
        print(f"{service}: warning: {message}", file=sys.stderr, flush=True)

    def output(self, service: str, line: str) -> None:
        """See `fleet.Watcher`."""
        self._take(service, line)

    def end(self, service: str, outcome: fleet.Outcome[Any]) -> None:
        """See `fleet.Watcher`."""
