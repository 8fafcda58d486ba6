"""How an operation reports while it runs."""

from __future__ import annotations

import time
from typing import Any

from .. import secrecy
from ..housekeeping import ending
from . import protocol

__all__ = ["Tell"]


class Tell:
    """How an operation reports while it runs."""

    def __init__(self, answer: protocol.AnswerWriter) -> None:
        self._answer = answer
        self._begun = time.monotonic()

    def step(self, name: str) -> None:
        """A step begins."""
        self._event("step", step=name, at=round(time.monotonic() - self._begun, 4))

    def warn(self, message: str, mend: str = "") -> None:
        """Something that a person should know, and that does not stop the operation."""
        self._event("warning", message=secrecy.scrubbed(message), mend=secrecy.scrubbed(mend))

    def _event(self, name: str, **fields: Any) -> None:
        with ending.in_peace():  # half a line would spoil the answer
            self._answer.event(name, **fields)
