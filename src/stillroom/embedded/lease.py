"""Sharing one server among commands, by locks that the kernel keeps: a killed command leaves none behind.

Two files: `lease` is held shared by everyone who uses the server; who gets it exclusively, without waiting, at the end
is the last and may stop the server. `gate` is held exclusively around starting, so that concurrent first commands
start one server.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stillroom import errors
from stillroom.embedded import placement

__all__ = ["Lease", "gate"]


class Lease:
    """A share in the server of `home`; held from construction until `release`."""

    def __init__(self, home: Path) -> None:
        self._descriptor = _open(home / "lease")
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)  # waits only while the last user of before stops the server

    def release(self, if_last: Callable[[], None]) -> bool:
        """Gives the share back; calls `if_last` when nobody else holds one, before anybody can get one.

        Two who leave at the same time cannot both find the other still there: turning the shared lock into an
        exclusive one gives up the shared one first.
        """
        try:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if_last()
            return True
        finally:
            os.close(self._descriptor)


@contextmanager
def gate(home: Path) -> Iterator[None]:
    """Waits for the right to start or make the server of `home`, and holds it."""
    descriptor = _open(home / "gate")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        placement.make_folder(path.parent)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:
        raise errors.StillroomError(
            f"{path} belongs to another user",
            f"run the command as that user, or remove {path.parent} to start with an empty database",
        ) from None
