"""A service under uvicorn, as people run it: a process of its own, on a port of the loopback, asked over HTTP.

with serving.Served(folder, {"AUTH_DATABASE_URL": url}) as served:
    assert served.get("/health/ready").status == 200
assert served.code == 0, served.told
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Answer", "Served"]

_PATIENCE_SECONDS = 300.0  # against hanging tests only


@dataclasses.dataclass(frozen=True)
class Answer:
    """Of one request."""

    status: int
    body: str
    kind: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Served:
    """A service's process, from before its start until after its end.

    Args:
        folder: of the service: the process starts there.
        variables: further environment variables.
        app: what uvicorn is told.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str], app: str = "app.main:app") -> None:
        self.code: int | None = None
        self.out = ""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.port = listening.getsockname()[1]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", app, "--fd", str(listening.fileno()), "--no-access-log"],
                cwd=folder,
                env={**os.environ, **variables},
                pass_fds=[listening.fileno()],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )

    @property
    def told(self) -> str:
        """All that it said, for the message of a failed assertion."""
        return f"exit code {self.code}\n{self.out}"

    @property
    def lines(self) -> list[str]:
        """Its own log lines: those that begin with a level in brackets."""
        return [line for line in self.out.splitlines() if line.startswith("[")]

    def get(self, path: str) -> Answer:
        """Asks; waits while the service starts. Raises OSError if the process ends instead."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_SECONDS)
        try:
            conn.request("GET", path)
            answer = conn.getresponse()
            return Answer(answer.status, answer.read().decode(), answer.getheader("content-type") or "")
        finally:
            conn.close()

    def ended(self) -> int:
        """The exit code of a process that ends by itself."""
        self.out, _ = self._process.communicate(timeout=_PATIENCE_SECONDS)
        self.code = self._process.returncode
        return self.code

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        if self.code is None:
            self._process.terminate()
            self.ended()
