"""What the states of a database are called, on every side. What each means stands in `standing.state`."""

from __future__ import annotations

__all__ = ["AHEAD", "AT_HEAD", "BEHIND", "DIVERGED", "EMPTY", "NO_MIGRATIONS", "UNREACHABLE", "UNVERSIONED"]

AT_HEAD = "at_head"
BEHIND = "behind"
AHEAD = "ahead"
DIVERGED = "diverged"
EMPTY = "empty"
UNVERSIONED = "unversioned"
UNREACHABLE = "unreachable"
NO_MIGRATIONS = "no_migrations"
