"""Ending a worker before its time, so that it still cleans up behind itself.

A signal becomes an exception, wherever the process is at that moment. Such an exception can get lost (Python drops those
that come up in a `__del__`, services catch everything), so it is raised again until the work has ended; and it must not
cut off the cleaning up, so that is left in peace. It may also come up between two lines, where something is made already
and the `try` that would clear it away is not entered yet: what is made is owed to be cleared away before it is made, and
whatever is still owed when the work has ended is cleared away then.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeVar

__all__ = ["Terminated", "in_peace", "listen", "over", "owe", "pay", "settle", "watched"]

_T = TypeVar("_T")
_LOG = logging.getLogger("stillroom.ending")
_AGAIN_SECONDS = 2.5

_watching = False
_undisturbed = 0
_put_off = False
_over = threading.Event()
_owed: dict[int, Callable[[], None]] = {}
_numbers = itertools.count()
# Whoever pays holds it, so that nobody takes for done what another thread is at.
_paying = threading.RLock()


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived, the operator is gone, or the time limit passed: clean up and go.

    A KeyboardInterrupt, because asyncio swallows every BaseException that comes up inside its own code but this and
    SystemExit, which the service's code may raise for its own reasons.
    """


def listen() -> None:
    """From now on SIGTERM raises `Terminated` in the main thread, inside of `watched`. Call it there."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGALRM, _end)


def watched(work: Callable[[], _T]) -> _T:
    """What `work` returns; all that it owes is settled by then. `Terminated` comes up in nothing but `work`.

    Raises:
        BaseException: whatever `work` raises; `Terminated`.
    """
    global _watching
    try:
        try:
            _watching = True
            if _put_off:
                raise Terminated
            return work()
        finally:
            _watching = False
    finally:
        # Again, because it may come up right before the line above; and only once within so short a time.
        _watching = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        settle()
        _over.set()


def over(seconds: float) -> bool:
    """Whether `watched` has ended, or does within that time."""
    return _over.wait(seconds)


def owe(undo: Callable[[], None]) -> int:
    """Call it before something is made that must not stay; `pay` then undoes it.

    Args:
        undo: clears it away, whether or not it has come to be. Called once.

    Returns:
        What `pay` wants to have.
    """
    number = next(_numbers)
    _owed[number] = undo
    return number


def pay(number: int) -> None:
    """Undoes what is owed, undisturbed, unless that has been done; a `Terminated` that was due comes up afterwards.

    Raises:
        Exception: whatever undoing it raises.
    """
    with in_peace():
        _pay(number)


def settle() -> None:
    """Undoes all that is still owed, the latest first, here and now."""
    for number in sorted(_owed, reverse=True):
        try:
            _pay(number)
        except Exception as error:  # noqa: BLE001 - one that fails must not keep the others from being settled
            _LOG.warning("what an interrupted run had made could not be cleared away: %s", error)


def _pay(number: int) -> None:
    with _paying:
        undo = _owed.pop(number, None)
        if undo is not None:
            undo()


@contextlib.contextmanager
def in_peace() -> Iterator[None]:
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
    if _watching:
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS, _AGAIN_SECONDS)
    if _undisturbed or not _watching:
        _put_off = True
        return
    raise Terminated
