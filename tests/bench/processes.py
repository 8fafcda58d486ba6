"""Starts what is measured: programs in a folder, with a plain environment, whose failure ends the benchmark loudly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["ProgramFailed", "environment", "program", "run"]

_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


class ProgramFailed(Exception):
    """A program that was to be measured did not do its work."""


def program(name: str) -> str:
    """A console script of the interpreter that runs the benchmark."""
    return str(Path(sys.executable).with_name(name))


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a program: ours, without what leads to databases or registries elsewhere.

    Nor with what keeps Python from writing bytecode: people's machines do, and all contenders profit.
    """
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "STILLROOM_")) and not name.endswith("DATABASE_URL") and name != _NO_BYTECODE
    }
    return plain | dict(more or {})


def run(
    arguments: Sequence[str],
    folder: Path,
    more: Mapping[str, str] | None = None,
    *,
    accepted: Sequence[int] = (0,),
) -> str:
    """Runs a program to its end, and returns what it printed on both streams.

    Raises:
        ProgramFailed: if its exit status is none of `accepted`.
    """
    done = subprocess.run(
        arguments,
        cwd=folder,
        env=environment(more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode not in accepted:
        raise ProgramFailed(
            f"{' '.join(arguments)} (in {folder}) exited with {done.returncode}:\n{done.stdout[-4000:]}"
        )
    return done.stdout
