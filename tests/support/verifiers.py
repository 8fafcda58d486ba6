"""Verifications as they are: processes of `python -m stillroom.runtime verify | wait`, and what a server logs of them."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tests.support import projects
from tests.support.postgres import Database

__all__ = ["Ended", "ended", "run", "start", "statements"]

_PATIENCE_SECONDS = 300.0  # against hanging tests only


@dataclasses.dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> str:
        """All of it, for the message of a failed assertion."""
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    @property
    def json(self) -> Any:
        """Standard output as the one JSON object that it has to be."""
        return json.loads(self.out)


def start(
    image: projects.Made,
    url: str | None,
    *arguments: str,
    command: str = "verify",
    environment: Mapping[str, str] | None = None,
    program: tuple[str, ...] = ("-m", "stillroom.runtime"),
) -> subprocess.Popen[str]:
    """Starts one in the image's folder."""
    environ = {**os.environ, **({image.url_variable: url} if url else {}), **(environment or {})}
    return subprocess.Popen(
        [sys.executable, *program, command, *arguments],
        cwd=image.path,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Waits for its end."""
    try:
        out, err = process.communicate(timeout=_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it did not end:\n{out}\n{err}") from None
    return Ended(process.returncode, out, err)


def run(
    image: projects.Made,
    url: str | None,
    *arguments: str,
    command: str = "verify",
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Runs one to its end."""
    return ended(start(image, url, *arguments, command=command, environment=environment))


def statements(database: Database, work: Callable[[], Any]) -> list[str]:
    """What the server itself says that it was sent by the sessions of a database that are named for verifying."""
    database.execute(f"ALTER DATABASE {database.name} SET log_statement = 'all'")
    database.execute(f"ALTER DATABASE {database.name} SET log_duration = off")
    prefix = str(database.fetch("SHOW log_line_prefix")[0][0])
    log = database.server.cluster.log
    before = log.stat().st_size
    work()
    with log.open("rb") as file:
        file.seek(before)
        lines = file.read().decode("utf-8", "replace").splitlines()
    assert prefix is not None
    return [line for line in lines if "statement: " in line or "execute " in line]
