"""Why an interpreter did not start the runtime, as far as what it wrote tells."""

from __future__ import annotations

import importlib.resources
import re

from stillroom.targets import base

__all__ = ["of"]

_PLACE = re.compile(r'^ *File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_SYNTAX = re.compile(r"(?:SyntaxError|IndentationError|TabError)\b")


def of(python: str, said: str) -> base.TargetFailed:
    """The failure to tell.

    Args:
        python: the interpreter.
        said: what it wrote to standard error.
    """
    last = said.strip().splitlines()[-1] if said.strip() else "it said nothing"
    place = _broken(said, last)
    if place is None:
        message = f"the interpreter {python} did not start the runtime: {last}"
        mend = f"it has to be Python 3.10 or newer; try it with: {python} --version"
    else:
        message = f"the interpreter {python} did not start the runtime: {last} ({place['file']}:{place['line']})"
        mend = f"mend that line, or what {python} imports it for; try it with: {python} -m py_compile {place['file']}"
    return base.TargetFailed("interpreter-broken", message, mend, detail=said)


def _broken(said: str, last: str) -> re.Match[str] | None:
    """Where a file that is not ours has a syntax error; ours are sound, and the interpreter too old for them."""
    places = list(_PLACE.finditer(said)) if _SYNTAX.match(last) else []
    if not places or places[-1]["file"].startswith(("<", str(importlib.resources.files("stillroom.runtime")))):
        return None
    return places[-1]
