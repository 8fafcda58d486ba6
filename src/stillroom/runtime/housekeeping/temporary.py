"""The one place on a target that is written to: a temporary folder, which goes also when its process was killed."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from . import disk, ending, makers

__all__ = ["folder", "sweep"]

_PREFIX = "stillroom-"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder for the duration of the block; what killed processes left is cleared away first.

    Raises:
        faults.Fault: `disk-refused`.
    """
    sweep()
    made = disk.temporary() / f"{_PREFIX}{makers.tag()}-{secrets.token_hex(8)}"
    debt = ending.owe(lambda: shutil.rmtree(made, ignore_errors=True))
    try:
        made.mkdir(mode=0o700)
        yield made
    finally:
        ending.pay(debt)


def sweep() -> list[Path]:
    """Removes the folders of processes that are known to be dead; what it removed."""
    gone = [each for each in disk.temporary().glob(f"{_PREFIX}*") if makers.dead_tag(each.name[len(_PREFIX) :])]
    for each in gone:
        shutil.rmtree(each, ignore_errors=True)  # another user's stays
    return gone
