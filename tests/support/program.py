"""The real `invoke`, as people run it: in a folder, in an environment of its own, without a terminal or in one.

shop = Program(folder, {"AUTH_DATABASE_URL": url})
ran = shop.run("regenerate", "--yes")
assert ran.code == 0, ran.told

with shop.terminal("cleanup") as terminal:
    terminal.expect("[y/N]")
    terminal.type("y\\n")
assert terminal.ran.code == 0
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Program", "Ran", "Running", "Terminal", "gone"]

_PATIENCE_SECONDS = 300.0  # against hanging tests only
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@dataclasses.dataclass(frozen=True)
class Ran:
    """What a command came to."""

    arguments: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def told(self) -> str:
        """All of it, for the message of a failed assertion."""
        return f"{self.arguments} exited {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it has to be."""
        return json.loads(self.stdout)


class Running:
    """A command under way, without a terminal."""

    def __init__(self, arguments: tuple[str, ...], process: subprocess.Popen[str]) -> None:
        self._arguments = arguments
        self._stderr = ""
        self.process = process

    def until(self, text: str) -> str:
        """Reads standard error until a line holds `text`; that line."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._stderr += line
            if text in line:
                return line
        raise AssertionError(f"{self._arguments} ended without saying {text!r}:\n{self._stderr}")

    @property
    def said(self) -> str:
        """Standard error as far as it was read."""
        return self._stderr

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the command alone."""
        self.process.send_signal(number)

    def family(self) -> list[int]:
        """The command's process and all that descend from it, as they are now."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parent = int(entry.read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.parent.name))
        found = [self.process.pid]
        for each in found:
            found += children.get(each, [])
        return found

    def finish(self) -> Ran:
        """Waits for its end."""
        stdout, stderr = self.process.communicate(timeout=_PATIENCE_SECONDS)
        return Ran(self._arguments, self.process.returncode, stdout, self._stderr + stderr)


class Terminal:
    """A command in a pseudo-terminal; `ran` when it has ended (both streams are one there: `stdout`)."""

    def __init__(self, arguments: tuple[str, ...], process: subprocess.Popen[bytes], descriptor: int) -> None:
        self._arguments = arguments
        self._process = process
        self._descriptor = descriptor
        self._seen = b""
        self._looked = 0
        self.ran: Ran

    @property
    def screen(self) -> str:
        """What was shown so far, without colours and cursor movements."""
        return _CONTROL.sub("", self._seen.decode("utf-8", "replace"))

    def expect(self, text: str) -> None:
        """Waits until this is shown, after what was expected before."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (found := self.screen.find(text, self._looked)) < 0:
            assert self._read(deadline), f"{self._arguments} ended without showing {text!r}:\n{self.screen}"
        self._looked = found + len(text)

    def type(self, text: str) -> None:
        """Presses keys; `\\x03` is Ctrl-C."""
        os.write(self._descriptor, text.encode())

    def finish(self) -> Ran:
        """Waits for its end."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._read(deadline):
            pass
        self.ran = Ran(self._arguments, self._process.wait(_PATIENCE_SECONDS), self.screen, "")
        return self.ran

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{self._arguments} hangs:\n{self.screen}"
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # Linux's way to say that nobody holds the other end any more
            return False
        self._seen += data
        return bool(data)


class Program:
    """`invoke` in one folder.

    Args:
        folder: the working directory.
        variables: of its environment, beside the few that a shell always has.
        python: the interpreter whose `invoke` is run.
    """

    def __init__(
        self, folder: Path, variables: Mapping[str, str] | None = None, python: str | Path = sys.executable
    ) -> None:
        self.folder = folder
        self._invoke = (str(python), "-m", "invoke")
        self.variables = dict(variables or {})

    def run(
        self,
        *arguments: str,
        folder: Path | None = None,
        variables: Mapping[str, str] | None = None,
        typed: str = "",
        through: Sequence[str] = (),
    ) -> Ran:
        """Runs a command to its end. `typed`: its standard input, which is no terminal. `through`: what starts it."""
        done = subprocess.run(
            [*through, *self._invoke, *arguments],
            cwd=folder or self.folder,
            env=self._environment(variables),
            input=typed,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_PATIENCE_SECONDS,
            start_new_session=True,
        )
        return Ran(arguments, done.returncode, done.stdout, done.stderr)

    @contextlib.contextmanager
    def running(self, *arguments: str, variables: Mapping[str, str] | None = None) -> Iterator[Running]:
        """Starts a command; it is killed if the block leaves it behind."""
        process = subprocess.Popen(
            [*self._invoke, *arguments],
            cwd=self.folder,
            env=self._environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        with process:
            try:
                yield Running(arguments, process)
            finally:
                if process.poll() is None:
                    process.kill()

    @contextlib.contextmanager
    def terminal(
        self, *arguments: str, columns: int = 100, lines: int = 40, variables: Mapping[str, str] | None = None
    ) -> Iterator[Terminal]:
        """Runs a command in a terminal of that size; leaving the block waits for its end."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-c", _CONTROLLING_TERMINAL, *self._invoke, *arguments],
            cwd=self.folder,
            env={**self._environment(variables), "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            terminal = Terminal(arguments, process, ours)
            yield terminal
            terminal.finish()
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            os.close(ours)

    def _environment(self, variables: Mapping[str, str] | None) -> dict[str, str]:
        base = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**base, "LANG": "C.UTF-8", **self.variables, **(variables or {})}


def gone(pids: Iterable[int]) -> bool:
    """Whether these processes have ended; waits for it, as long as against hanging tests."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    waiting = set(pids)
    while waiting and time.monotonic() < deadline:
        waiting = {each for each in waiting if _alive(each)}
        time.sleep(0.01)
    return not waiting


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


_KEPT = ("HOME", "PATH", "PYTHONPATH", "STILLROOM_DATA", "TMPDIR", "USER")
# The session's leader takes its standard input as its controlling terminal, so that Ctrl-C is a signal.
_CONTROLLING_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
