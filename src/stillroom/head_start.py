"""This machine's preloaded parent, started before anything else: it has more to import than we have.

So this imports next to nothing itself.
"""

from __future__ import annotations

import contextlib

from stillroom import errors
from stillroom.registry import load
from stillroom.targets import local

__all__ = ["begin"]


def begin(*, wanted: bool = True) -> local.Local:
    """This machine as a target, whose preloaded parent for our own interpreter starts at once.

    Most services use it, and the registry is still to be read. Nothing is started where services.yaml names
    interpreters. Close it if no session does.

    Args:
        wanted: whether anything is to be started; False where it is known that the services run elsewhere.
    """
    machine = local.Local()
    with contextlib.suppress(errors.StillroomError, OSError):
        if wanted and b"python:" not in load.find().read_bytes():
            machine.warm([None])
    return machine
