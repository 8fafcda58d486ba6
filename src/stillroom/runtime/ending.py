"""Ending a worker before its time, so that it still cleans up behind itself.

A signal becomes an exception, wherever the process is at that moment. Such an exception can get lost (Python drops those
that come up in a `__del__`, services catch everything), so it is raised again until somebody has taken note; and it must
not cut off the cleaning up, so that is left in peace.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

__all__ = ["Terminated", "acknowledge", "listen", "undisturbed"]

_AGAIN_SECONDS = 2.5

_undisturbed = 0
_put_off = False


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived, the operator is gone, or the time limit passed: clean up and go.

    A KeyboardInterrupt, because asyncio swallows every BaseException that comes up inside its own code but this and
    SystemExit, which the service's code may raise for its own reasons.
    """


def listen() -> None:
    """From now on SIGTERM raises `Terminated` in the main thread. Call it there."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGALRM, _end)


def acknowledge() -> None:
    """`Terminated` has been caught where nothing is left to clean up: it is not raised again."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """No `Terminated` comes up inside the block; one that was due meanwhile comes up at its end."""
    global _put_off, _undisturbed
    _undisturbed += 1
    try:
        yield
    finally:
        _undisturbed -= 1
        if _put_off and not _undisturbed:
            _put_off = False
            raise Terminated


def _end(number: int, frame: FrameType | None) -> None:
    global _put_off
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS, _AGAIN_SECONDS)
    if _undisturbed:
        _put_off = True
        return
    raise Terminated
