"""`python -m stillroom.runtime migrate` where a push gateway is named: the same, and then its metrics are pushed."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .. import log_lines
from ..migrating import command, described
from . import pushing

__all__ = ["main"]


def main(argv: Sequence[str]) -> int:
    """Runs the migration, pushes how it went, and gives its exit code, whatever the gateway says.

    Args:
        argv: `migrate` and its arguments.
    """
    started = time.monotonic()

    def finished(arguments: argparse.Namespace, code: int, told: Mapping[str, Any]) -> None:
        log = log_lines.Log(sys.stderr.write if arguments.json else None, form=log_lines.format_in_any_case())
        pushing.push_migration(
            described.name_of(arguments),
            pushing.outcome(code, told.get("action")),
            time.monotonic() - started,
            revision=",".join(sorted(told.get("after") or ())),
            lock_wait=told.get("lock_wait_seconds") or 0.0,
            retries=told.get("retries") or 0,
            log=log,
        )

    return command.main(argv, finished)
