"""The errors of the operator side. One boundary (`stillroom.tasks`) prints them and exits with their code.

StillroomError            1   some service failed
├── UsageError            2   wrong use
│   └── RegistryError     2   services.yaml is wrong
├── PreflightFailed       3
├── CheckFailed           1
└── Refused               4   protected, unconfirmed, would lose something

Interrupted stands apart, as KeyboardInterrupt does: no one who handles errors is to swallow it.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

__all__ = ["CheckFailed", "Interrupted", "PreflightFailed", "Refused", "RegistryError", "StillroomError", "UsageError"]


class StillroomError(Exception):
    """What happened (`message`), what to do (`mend`), and the exit code that says so.

    `code` is its kind, for machines: kebab-case and stable. `detail` is the longer story. `data` are JSON-able facts.
    """

    exit_code = 1
    code = "failed"

    def __init__(self, message: str, mend: str = "", *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend
        self.detail = detail
        self.data: Mapping[str, Any] = {}


class UsageError(StillroomError):
    """The command was used wrongly."""

    exit_code = 2
    code = "wrong-use"


class RegistryError(UsageError):
    """The registry is wrong; `detail` holds one line per mistake."""

    code = "wrong-registry"


class PreflightFailed(StillroomError):
    """Preflight found errors; nothing was touched."""

    exit_code = 3
    code = "preflight-failed"


class CheckFailed(StillroomError):
    """What was read of the histories is wrong."""

    code = "check-failed"


class Refused(StillroomError):
    """It could be done, but is not: protected, unconfirmed, or something would be lost."""

    exit_code = 4
    code = "refused"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or a signal to end.

    Args:
        number: of the signal.
        done: services that were done by then.
        undone: services that were begun or waiting.
    """

    def __init__(
        self, number: int = signal.SIGINT, *, done: tuple[str, ...] = (), undone: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        self.number = number
        self.done = done
        self.undone = undone

    @property
    def exit_code(self) -> int:
        """As shells have it: 130 for Ctrl-C."""
        return 128 + self.number

    @property
    def message(self) -> str:
        """What happened."""
        told = f"; done: {', '.join(self.done)}" if self.done else ""
        return f"interrupted{told}" + (f"; not done: {', '.join(self.undone)}" if self.undone else "")

    @property
    def mend(self) -> str:
        """What to do."""
        return "run it again when you want to; invoke status shows how far it came"
