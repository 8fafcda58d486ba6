"""The errors of the operator side. One boundary (`stillroom.tasks`) prints them and exits with their code.

StillroomError            1   some service failed
├── UsageError            2   wrong use
│   └── RegistryError     2   services.yaml is wrong
├── PreflightFailed       3
└── Refused               4   protected, unconfirmed, would lose something
"""

from __future__ import annotations

__all__ = ["PreflightFailed", "Refused", "RegistryError", "StillroomError", "UsageError"]


class StillroomError(Exception):
    """What happened (`message`), what to do (`mend`), and the exit code that says so."""

    exit_code = 1

    def __init__(self, message: str, mend: str = "", *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend
        self.detail = detail


class UsageError(StillroomError):
    """The command was used wrongly."""

    exit_code = 2


class RegistryError(UsageError):
    """The registry is wrong; `detail` holds one line per mistake."""


class PreflightFailed(StillroomError):
    """Preflight found errors; nothing was touched."""

    exit_code = 3


class Refused(StillroomError):
    """It could be done, but is not: protected, unconfirmed, or something would be lost."""

    exit_code = 4
