"""The end from outside: what is running is cancelled on the server, whatever the driver is at.

A driver may sit in C code until the server answers, where no signal is seen. The byte that Python writes when a signal
arrives is read by another thread, which asks the server to cancel what the service's own connections are at.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import faults

if TYPE_CHECKING:
    from . import lock

__all__ = ["cancelling", "pause"]

# Who ends a Job kills it after half a minute: a server that does not answer must not use that up.
_PATIENCE_SECONDS = 5.0
_SIGNALS = frozenset({signal.SIGTERM, signal.SIGALRM, signal.SIGINT})


@contextlib.contextmanager
def cancelling(held: lock.Lock) -> Iterator[None]:
    """While the block runs, a signal to end also cancels what the watched connections are at.

    Outside of the main thread signals are somebody else's matter, and nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    thread = threading.Thread(target=_follow, args=(read, held), name="stillroom-signals", daemon=True)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(write)
        thread.join(_PATIENCE_SECONDS)
        if not thread.is_alive():
            os.close(read)


def _follow(read: int, held: lock.Lock) -> None:
    while numbers := os.read(read, 64):
        if _SIGNALS & set(numbers):
            held.ended = True
            held.session.patience = _PATIENCE_SECONDS
            with contextlib.suppress(faults.Fault):
                held.cancel()


def pause(attempt: int) -> None:
    """Waits, longer each time and never twice the same, before something is tried again."""
    time.sleep(min(5.0, 0.2 * 2**attempt) * random.uniform(0.5, 1.0))  # noqa: S311 - against steps in time
