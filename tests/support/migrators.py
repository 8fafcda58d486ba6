"""Migration Jobs as they are: processes of `python -m stillroom.runtime migrate`, started in a service's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stillroom.runtime.migrating import exits
from tests.support import projects

__all__ = ["Ended", "ended", "herd", "run", "start"]

MODULE = "stillroom.runtime"


@dataclass(frozen=True)
class Ended:
    """A process that has ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The log lines."""
        return self.out.splitlines()


def start(
    service: projects.Made,
    url: str,
    *arguments: str,
    command: str = "migrate",
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> subprocess.Popen[str]:
    """Starts one."""
    environ = {**os.environ, service.url_variable: url, **(environment or {})}
    given = [python, "-m", MODULE, command, "--service", service.name, "--config", str(service.config), *arguments]
    return subprocess.Popen(
        given, cwd=service.path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str], timeout: float = 600.0) -> Ended:
    """Waits for its end."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it did not end within {timeout:g} s:\n{out}\n{err}") from None
    return Ended(process.returncode, out, err)


def run(
    service: projects.Made,
    url: str,
    *arguments: str,
    command: str = "migrate",
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Runs one to its end."""
    return ended(start(service, url, *arguments, command=command, environment=environment))


def herd(service: projects.Made, url: str, count: int, folder: Path, timeout: float = 900.0) -> list[Ended]:
    """So many at once, see `herd`; what they wrote is kept in a folder."""
    folder.mkdir()
    given = ["migrate", "--service", service.name, "--config", str(service.config)]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.support.herd", str(count), str(folder), *given],
        cwd=service.path,
        env={**os.environ, service.url_variable: url, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=True,
    )
    codes = [int(line) for line in ran.stdout.split()]
    return [Ended(code, (folder / str(number)).read_text(), "") for number, code in enumerate(codes)]


@contextmanager
def running(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Sees to it that it does not outlive the block."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


WRONG, TRY_AGAIN, REFUSED, TERMINATED = exits.WRONG, exits.TRY_AGAIN, exits.REFUSED, exits.TERMINATED
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
