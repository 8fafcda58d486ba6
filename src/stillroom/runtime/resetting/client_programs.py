"""The client programs of PostgreSQL, of the server's own version: found, and run.

Passwords travel in the environment of a program, never on its command line.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .. import faults
from ..connections import libpq_variables

__all__ = ["TIME_LIMIT", "ended", "environment", "find", "run"]

TIME_LIMIT = 3600.0
"""Seconds that a program may take."""

_FOLDERS = ("/usr/lib/postgresql/{major}/bin", "/usr/pgsql-{major}/bin", "/opt/homebrew/opt/postgresql@{major}/bin")
# What would lead a program away from the URL that it is given.
_ELSEWHERE = frozenset({"PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR"})


def find(program: str, major: int, folders: Sequence[str] = ()) -> Path:
    """The program of one major version.

    Args:
        program: `pg_dump`, `pg_restore` or `psql`.
        major: of the server.
        folders: to look in first.

    Raises:
        faults.RefusedFault: `client-programs-missing`.
    """
    places = [Path(folder) / program for folder in folders]
    places += [Path(folder.format(major=major)) / program for folder in _FOLDERS]
    found = shutil.which(program)
    if found:
        places.append(Path(found))
    for place in places:
        if place.is_file() and _major(place) == major:
            return place
    raise faults.RefusedFault(
        "client-programs-missing",
        f"{program} of PostgreSQL {major}, the server's version, was not found",
        f"install it (Debian: apt-get install postgresql-client-{major}), or give up the rows with --skip-backup",
    )


def environment(url: str | None) -> dict[str, str]:
    """The environment of a program that connects to this database; None: of one that connects to none."""
    if url is None:
        return dict(os.environ)
    ours = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    return {**ours, **libpq_variables.variables(url, "stillroom dump")}


def run(arguments: list[str], url: str | None, *, code: str = "dump-failed") -> str:
    """What a client program prints.

    Args:
        arguments: the program and what it gets.
        url: of the database that it works on; None for none.
        code: of the fault, if it fails.

    Raises:
        faults.DatabaseFault: with what it said.
    """
    try:
        done = subprocess.run(
            arguments,
            env=environment(url),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIME_LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise faults.DatabaseFault(code, f"{arguments[0]} failed: {error}", "look at the server, then again") from error
    ended(arguments[0], done.returncode, done.stderr, code=code)
    return done.stdout


def ended(program: str, status: int, said: str, *, code: str) -> None:
    """Raises for a client program that did not end well.

    Args:
        program: its name or path.
        status: its exit code; negative: the signal that ended it.
        said: what it wrote to stderr.
        code: of the fault.

    Raises:
        faults.DatabaseFault: with its first words.
    """
    name = Path(program).name
    if status == -signal.SIGXFSZ:
        raise faults.DatabaseFault(
            code,
            f"{name} failed: its file grew too large for the limit that is set",
            "raise the limit on file sizes (`ulimit -f`), then again",
        )
    if status != 0:
        silent = f"it was killed by signal {-status}" if status < 0 else "it said nothing"
        lines = said.strip().splitlines() or [silent]
        raise faults.DatabaseFault(code, f"{name} failed: {lines[0]}", "mend what it names, then again", detail=said)


def _major(program: Path) -> int:
    try:
        shown = subprocess.run(
            [str(program), "--version"], capture_output=True, text=True, timeout=20, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r"(\d+)(?:\.|beta|rc|devel|$|\s)", shown.rpartition(") ")[2])
    return int(match[1]) if match else 0
