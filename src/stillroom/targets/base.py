"""What a target is, for those above: it starts a process for a request; the channel does the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Protocol

__all__ = ["LOST", "Process", "Target", "TargetFailed"]

from stillroom import errors
from stillroom.registry import model

LOST = "connection-lost"
"""The code of a way to a process that ended for no reason of the service's: the same may go well the next time."""


class TargetFailed(errors.StillroomError):
    """The target could not run the request, or its answer was lost."""

    def __init__(self, code: str, message: str, mend: str, *, detail: str = "") -> None:
        super().__init__(message, mend, detail=detail)
        self.code = code


class Process(Protocol):
    """A started runtime: three pipes and an end, wherever it runs."""

    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]

    def wait(self, timeout: float) -> int | None:
        """The exit status (negative: the signal), or None if it is still running or unknown after `timeout` seconds."""
        ...

    def kill(self) -> None:
        """Ends the process and what it started, at once."""
        ...

    def trouble(self) -> TargetFailed | None:
        """Why the way to it is lost; None where it is not, or nobody knows."""
        ...


class Target(Protocol):
    """Where the Python of a service runs."""

    def prepare(self, services: Iterable[model.Service]) -> None:
        """Begins what the first requests for these services would wait for. Returns at once, fails later."""
        ...

    def start(self, request_id: str, service: model.Service) -> Process:
        """A fresh runtime that waits for its one request.

        Args:
            request_id: for correlation.
            service: whose; it says which interpreter, which pod, which container.

        Raises:
            TargetFailed: if it can't be started.
        """
        ...

    def interrupt(self) -> bool:
        """Makes what runs clean up and end, soon, and refuses to start more; whether anything runs.

        Returns at once, and locks nothing: signal handlers call it.
        """
        ...

    def close(self) -> None:
        """Ends what the target keeps running; safe to call twice."""
        ...
