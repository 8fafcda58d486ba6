"""Reading many revision files whole with several processes: parsing is pure computing under the interpreter's lock."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from . import revision_file

__all__ = ["read_all"]

Answer = TypeVar("Answer")

_WORTH_IT = 200_000  # bytes of source: below, a fork costs more than it saves


def read_all(
    files: Sequence[revision_file.File], workers: int, read: Callable[[revision_file.File], Answer]
) -> list[Answer]:
    """What `read` makes of every file, in the order given.

    Forks only when that is safe (one thread) and worth it; a share that a child does not answer is read here.
    """
    with revision_file.uncollected():
        return _read_all(files, workers, read)


def _read_all(
    files: Sequence[revision_file.File], workers: int, read: Callable[[revision_file.File], Answer]
) -> list[Answer]:
    count = min(workers, _processors())
    if count < 2 or threading.active_count() > 1 or sum(len(each.source) for each in files) < _WORTH_IT:
        return [read(each) for each in files]
    found: list[Any] = [None] * len(files)
    children = [_start(files[first::count], read) for first in range(1, count)]
    found[0::count] = [read(each) for each in files[0::count]]
    for first, (pid, reader) in enumerate(children, start=1):
        share = files[first::count]
        answers = _finish(pid, reader)
        found[first::count] = answers if len(answers) == len(share) else [read(each) for each in share]
    return found


def _processors() -> int:
    """How many processors this process may use (a container's share, where the system tells)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _start(share: Sequence[revision_file.File], read: Callable[[revision_file.File], object]) -> tuple[int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    try:
        os.close(reader)
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump([read(each) for each in share], pipe, pickle.HIGHEST_PROTOCOL)
    finally:
        os._exit(0)  # nothing of the parent's (buffers, atexit) may run twice


def _finish(pid: int, reader: int) -> list[Any]:
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    try:
        answers: list[Any] = pickle.loads(data)  # noqa: S301 - our own child's, over our own pipe
    except (EOFError, pickle.UnpicklingError):
        return []
    return answers
