"""What a target is, for those above: it starts a process for a request; the channel does the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Protocol

__all__ = ["Process", "Target", "TargetFailed"]

from stillroom import errors


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


class Target(Protocol):
    """Where the Python of a service runs."""

    def prepare(self, pythons: Iterable[str | None]) -> None:
        """Begins what the first request with these interpreters would wait for. Returns at once, fails later."""
        ...

    def start(self, request_id: str, python: str | None) -> Process:
        """A fresh runtime that waits for its one request.

        Args:
            request_id: for correlation.
            python: the interpreter of the service there; None: the target's default.

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
