"""`preflight`: everything that would make a run fail, found before it begins, with what to do about it.

Most is looked at by the runtime, next to the service's code. What only this side can see is added: the folders that
files come home to, what is not committed in them, and services that get in each other's way.
"""

from __future__ import annotations

from stillroom.preflight.asking import Options
from stillroom.preflight.folders import Here, unwritable
from stillroom.preflight.neighbours import judge_neighbours
from stillroom.preflight.running import judge, refuse, run

__all__ = ["Here", "Options", "judge", "judge_neighbours", "refuse", "run", "unwritable"]
