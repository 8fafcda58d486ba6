"""One command at a time on the migrations of a service, between processes and threads of this machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from stillroom import errors

from . import durable

__all__ = ["Busy", "checked_service", "hold"]

_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Busy(errors.StillroomError):
    """Another command works on the migrations of this service."""


def checked_service(service: str) -> str:
    """The name, if it can be a file's name.

    Raises:
        errors.UsageError: it cannot.
    """
    if not _SERVICE.fullmatch(service):
        raise errors.UsageError(f"{service!r} is no name of a service.", "Use letters, digits, `-`, `_` and `.`.")
    return service


@contextlib.contextmanager
def hold(state: Path, service: str) -> Iterator[None]:
    """Hold the lock of a service's migrations; it goes with the process, however that ends.

    Raises:
        Busy: someone else holds it.
        errors.StillroomError: the lock file cannot be made.
    """
    path = state / "locks" / f"history-{checked_service(service)}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as exc:
        raise durable.trouble("The lock cannot be taken", path, exc) from exc
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            who = f" (process {holder})" if holder.isdigit() else ""
            raise Busy(
                f"{service}: another stillroom command{who} is replacing its migrations.",
                "Wait until it has finished, then run this one again.",
            ) from exc
        with contextlib.suppress(OSError):  # the number is a courtesy; a full disk must not cost the lock
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
