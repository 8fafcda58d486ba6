"""The one door to `psql`: SQL goes in by stdin, the password by its file, rows come back as lists of text."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from stillroom import errors

__all__ = ["identifier", "literal", "query"]

_FIELD = "\x1f"
_ROW = "\x1e"


def query(
    psql: Path, environment: Mapping[str, str], sql: str, *, database: str = "postgres", timeout: float = 300.0
) -> list[list[str]]:
    """The rows of all results of `sql`, every value as text (NULL is empty).

    Args:
        psql: the program.
        environment: PG* variables that lead to the server.
        sql: statements; those of psql (`\\gexec`) work too.
        database: where to run them.
        timeout: seconds.

    Raises:
        StillroomError: a statement failed, or the server cannot be reached; psql's words are the detail.
    """
    ambient = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    arguments = [str(psql), "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password"]
    arguments += [f"--field-separator={_FIELD}", f"--record-separator={_ROW}", "--set=ON_ERROR_STOP=1"]
    done = subprocess.run(
        [*arguments, "--file=-"],
        check=False,
        env=ambient | {"PGCLIENTENCODING": "UTF8", "PGDATABASE": database} | dict(environment),
        input=sql,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
    )
    if done.returncode:
        said = done.stderr.strip()
        raise errors.StillroomError(
            f"the embedded database refused a statement in {database}: {said.splitlines()[0] if said else 'no reason'}",
            "invoke database --stop, then try again; its log is .stillroom/postgres/log",
            detail=said,
        )
    return [row.split(_FIELD) for row in done.stdout.rstrip("\n").split(_ROW) if row]


def identifier(name: str) -> str:
    """A name, quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text constant, quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"
