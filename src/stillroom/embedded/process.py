"""The server's processes: what `postmaster.pid` says, and whether it is true.

A pid alone proves nothing: after a crash or a restart of a container another program may have it. PostgreSQL's
processes all work in the data folder, so on Linux the pid and its working directory together are the proof.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from stillroom import errors

__all__ = ["CAN_TELL", "Postmaster", "alive", "members", "postmaster", "send", "stop", "wait_until", "works_in"]

CAN_TELL = sys.platform.startswith("linux")
"""Whether this system tells in which folder a process works."""
_POLL_S = 0.004


@dataclass(frozen=True)
class Postmaster:
    """A running server: process, TCP port, folder of its unix socket, state (`starting`, `ready`, `stopping`)."""

    pid: int
    port: int
    socket_dir: str
    state: str


def postmaster(data: Path) -> Postmaster | None:
    """The server that runs on `data` now, in whatever state; None if there is none."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return None
    if not alive(pid) or not works_in(pid, data):
        return None
    if len(lines) < 8:  # the file grows line by line while the server starts
        return Postmaster(pid, 0, "", "starting")
    return Postmaster(pid, int(lines[3] or 0), lines[4], lines[7].strip())


def alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie (nobody may be there to collect it, in a container say)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    if not CAN_TELL:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def members(data: Path) -> list[int]:
    """The PostgreSQL processes that work in `data`, with or without a postmaster (Linux; elsewhere none is known)."""
    if not CAN_TELL:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and works_in(int(entry.name), data, unknown=False) and _is_postgres(int(entry.name)):
            found.append(int(entry.name))
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Sends a signal; a process that is gone already is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Waits until `true()`, at most `seconds`; whether it came true."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def stop(data: Path, signals: Iterable[tuple[signal.Signals, float]]) -> bool:
    """Sends each signal and waits so many seconds, until the server of `data` is gone; whether there was one.

    Raises:
        StillroomError: it is still there.
    """
    found = postmaster(data)
    if found is None:
        return False
    pid = found.pid
    for number, seconds in signals:
        send(pid, number)
        if wait_until(lambda: not alive(pid) or not works_in(pid, data), seconds):
            return True
    raise errors.StillroomError(f"the database server (pid {pid}) does not stop", f"kill -9 {pid}")


def works_in(pid: int, data: Path, *, unknown: bool = True) -> bool:
    """Whether the process works in `data`; `unknown` where the system does not tell."""
    if not CAN_TELL:
        return unknown
    try:
        return os.path.samestat(Path(f"/proc/{pid}/cwd").stat(), data.stat())
    except PermissionError:
        return unknown  # a process of another user: the pid file is all there is
    except OSError:
        return False


def _is_postgres(pid: int) -> bool:
    try:
        program = Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return False
    return program.removesuffix(" (deleted)") in ("postgres", "postmaster")
