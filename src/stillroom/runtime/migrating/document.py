"""The one JSON document that `--json` promises on standard output, however a migration, a downgrade or a stamp ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from .. import faults
from . import exits

__all__ = ["done", "failed"]

_OUTCOMES = {exits.REFUSED: "refused", exits.TERMINATED: "terminated"}


def done(told: Mapping[str, Any]) -> None:
    """Prints what it came to: `ok` (true), `exit_code`, and what the subcommand gives, with its `outcome`."""
    _print({"ok": True, **told, "exit_code": exits.DONE})


def failed(fault: faults.Fault, code: int) -> None:
    """Prints why it failed: `ok` (false), `outcome` (`failed`, `refused`, `terminated`), the fault, and `exit_code`.

    Args:
        fault: as it crosses the wire: `kind`, `code`, `message`, `mend`, `detail`, `data`, without secrets.
        code: with which the process is going to end.
    """
    _print({"ok": False, "outcome": _OUTCOMES.get(code, "failed"), **fault.to_dict(), "exit_code": code})


def _print(value: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
