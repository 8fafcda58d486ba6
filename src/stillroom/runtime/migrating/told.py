"""What an operation tells while it runs, as log lines."""

from __future__ import annotations

from .. import log_lines
from ..wire import telling

__all__ = ["Told"]


class Told(telling.Tell):
    """What an operation tells, as log lines."""

    def __init__(self, log: log_lines.Log, service: str) -> None:
        self._log = log
        self._service = service

    def step(self, name: str) -> None:
        """A step begins; only those that the documents name are told."""
        if name == "pending":
            self._log.info("Running pending migrations", service=self._service)

    def warn(self, message: str, mend: str = "") -> None:
        """What a person should know."""
        self._log.warning(message, **({"mend": mend} if mend else {}))
