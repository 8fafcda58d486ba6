"""The journal of a run: append-only JSON lines in `.stillroom/runs/<id>/journal.jsonl`, and a log a service beside it.

The format is documented in docs/journal.md. One line is one `write`, under a lock, so that lines of several threads never
mix; a crash can only tear the last one, which `read` passes over and `again` cuts off.
"""

from __future__ import annotations

import datetime
import getpass
import json
import os
import re
import secrets as tokens
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stillroom import errors
from stillroom.history import durable
from stillroom.runtime import secrecy

__all__ = ["FORMAT", "Journal", "Log", "Read", "again", "begin", "newest_log", "read", "recorded", "runs"]

FORMAT = 1
"""Version of the format, in the first line."""

_FOLDER = "runs"
_FILE = "journal.jsonl"
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# What has to be known after a power cut: what was asked, what was begun, and how it ended.
_DURABLE = frozenset({"run", "plan", "begin", "end", "result", "finished"})


class Journal:
    """The journal of one run, open for writing. Safe to share between threads."""

    def __init__(self, folder: Path, descriptor: int, sequence: int) -> None:
        self.folder = folder
        self._descriptor = descriptor
        self._sequence = sequence
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self.ended = False

    @property
    def id(self) -> str:
        """Of the run; ids sort by the time at which runs began."""
        return self.folder.name

    @property
    def file(self) -> Path:
        """The journal itself."""
        return self.folder / _FILE

    def write(self, event: str, service: str | None = None, **facts: Any) -> None:
        """Appends one line; it is on the disk when this returns where the event is one that resuming needs.

        Args:
            event: its kind, see docs/journal.md.
            service: whose it is; None: of the whole run.
            facts: JSON-able; passwords in them are not repeated.

        Raises:
            errors.StillroomError: the disk says no.
        """
        with self._lock:
            self._sequence += 1
            line = {"n": self._sequence, "at": _now(), "event": event}
            if service is not None:
                line["service"] = service
            data = json.dumps({**line, **secrecy.scrubbed(facts)}, default=str, ensure_ascii=False).encode()
            try:
                _write_all(self._descriptor, data + b"\n")
                if event in _DURABLE:
                    os.fsync(self._descriptor)
            except OSError as error:
                raise durable.trouble("The journal of this run can't be written", self.file, error) from error

    def log(self, service: str) -> Log:
        """The log of a service: what its pods printed in this run.

        Raises:
            errors.StillroomError: the file can't be made.
        """
        return Log(self.folder / "logs" / f"{_checked(service)}.log")

    def end(self, *, ok: bool, exit_code: int, **facts: Any) -> None:
        """Writes how the run ended, and closes the journal."""
        self.ended = True
        self.write("finished", ok=ok, exit_code=exit_code, seconds=round(time.monotonic() - self._begun, 3), **facts)
        self.close()

    def close(self) -> None:
        """Closes the file; a run without a `finished` counts as broken off. Safe to call twice."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._descriptor = -1


class Log:
    """What a service's pods printed: bytes as they came, a line at a time, appended at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise durable.trouble("The log of this run can't be written", path, error) from error

    def write(self, line: str) -> None:
        """Appends a line (without its end), without passwords.

        Raises:
            errors.StillroomError: the disk says no.
        """
        try:
            _write_all(self._descriptor, str(secrecy.scrubbed(line)).encode("utf-8", "replace") + b"\n")
        except OSError as error:
            raise durable.trouble("The log of this run can't be written", self.path, error) from error

    def close(self) -> None:
        """Sees it onto the disk, and closes it."""
        with suppress(OSError):
            os.fsync(self._descriptor)
        with suppress(OSError):
            os.close(self._descriptor)


@dataclass(frozen=True)
class Read:
    """What a journal says.

    Attributes:
        folder: of the run.
        entries: its whole lines, in order.
        torn: how many bytes at the end are no whole line: the run was killed, or the machine lost power, while writing.
    """

    folder: Path
    entries: tuple[Mapping[str, Any], ...]
    torn: int = 0

    @property
    def first(self) -> Mapping[str, Any]:
        """What was asked for: the `run` line; empty where not even that was written."""
        return self.entries[0] if self.entries and self.entries[0]["event"] == "run" else {}

    @property
    def last(self) -> Mapping[str, Any] | None:
        """How it ended: its `finished`; None: it is under way, or was broken off."""
        ends = [each for each in self.entries if each["event"] == "finished"]
        return ends[-1] if ends else None

    def results(self) -> dict[str, Mapping[str, Any]]:
        """Service to its last `result`."""
        return {str(each["service"]): each for each in self.entries if each["event"] == "result"}

    def unfinished(self) -> list[str]:
        """Services that were planned or begun and have no result, in the order in which they appear."""
        named = [str(each["service"]) for each in self.entries if each.get("service") and each["event"] != "note"]
        done = self.results()
        return [name for name in dict.fromkeys(named) if name not in done]


def begin(state: Path, command: str, environment: str, asked: Mapping[str, Any]) -> Journal:
    """Makes the folder of a new run and writes its first line.

    Args:
        state: the fleet's state folder, `.stillroom`.
        command: as people type it.
        environment: the name of it.
        asked: the options of the command, JSON-able; no secrets.

    Raises:
        errors.StillroomError: the disk says no.
    """
    moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    folder = state / _FOLDER / f"{moment}-{tokens.token_hex(3)}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        descriptor = os.open(folder / _FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        durable.sync_folder(folder)
        durable.sync_folder(folder.parent)
    except OSError as error:
        raise durable.trouble("The journal of this run can't be made", folder, error) from error
    made = Journal(folder, descriptor, 0)
    who: dict[str, Any] = {"user": _user(), "host": socket.gethostname(), "pid": os.getpid()}
    made.write("run", format=FORMAT, id=made.id, command=command, environment=environment, asked=dict(asked), **who)
    return made


@contextmanager
def recorded(state: Path, command: str, environment: str, asked: Mapping[str, Any]) -> Iterator[Journal]:
    """A journal for the duration of the block; what breaks the block off is its end. See `begin`.

    The block says how the run ended (`Journal.end`); where it does not, the run counts as broken off.
    """
    made = begin(state, command, environment, asked)
    try:
        yield made
    except (errors.StillroomError, errors.Interrupted) as error:
        if not made.ended:
            code = "interrupted" if isinstance(error, errors.Interrupted) else error.code
            with suppress(errors.StillroomError):  # a full disk is told by what it broke off
                made.end(ok=False, exit_code=error.exit_code, error={"code": code, "message": error.message})
        raise
    finally:
        made.close()


def again(folder: Path) -> Journal:
    """Opens the journal of an earlier run to go on with it: a torn end is cut off first.

    Raises:
        errors.StillroomError: it can't be read or written, or is of another format.
    """
    found = read(folder)
    path = folder / _FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        if found.torn:
            os.ftruncate(descriptor, path.stat().st_size - found.torn)
    except OSError as error:
        raise durable.trouble("The journal of that run can't be gone on with", path, error) from error
    return Journal(folder, descriptor, int(found.entries[-1]["n"]) if found.entries else 0)


def read(folder: Path) -> Read:
    """Reads a journal, be it of a run that is under way or was killed.

    Raises:
        errors.StillroomError: it can't be read; it is damaged ahead of its end; it is of another format.
    """
    path = folder / _FILE
    try:
        with path.open("rb") as file:
            entries, whole, size = _entries(path, file)
    except OSError as error:
        raise durable.trouble("The journal of that run can't be read", path, error) from error
    found = Read(folder, tuple(entries), size - whole)
    if found.first and found.first.get("format") != FORMAT:
        raise errors.StillroomError(
            f"{path} is a journal of format {found.first.get('format')}, and this version knows {FORMAT}",
            "read it with the version of Stillroom that wrote it",
        )
    return found


def _entries(path: Path, file: Any) -> tuple[list[Mapping[str, Any]], int, int]:
    """The whole lines, where the last of them ends, and the file's size."""
    entries: list[Mapping[str, Any]] = []
    whole, at, broken = 0, 0, 0
    for number, line in enumerate(file, 1):
        at += len(line)
        entry = _entry(line)
        if entry is None:
            broken = broken or number
            continue
        if broken:  # a whole line after one that is none: no crash leaves that
            raise errors.StillroomError(
                f"{path}, line {broken}: this is no line of a journal, and others follow it: the file was changed",
                "restore the file, or move the folder of that run away",
            )
        entries.append(entry)
        whole = at
    return entries, whole, at


def _entry(line: bytes) -> Mapping[str, Any] | None:
    """A whole line's object; None for anything else (a torn line, or the zeros that a power cut leaves)."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("n"), int) and "event" in found else None


def runs(state: Path) -> list[Path]:
    """The folders of the runs that there are, the newest first."""
    folder = state / _FOLDER
    if not folder.is_dir():
        return []
    return sorted((each for each in folder.iterdir() if _ID.fullmatch(each.name)), reverse=True)


def newest_log(state: Path, service: str) -> Path | None:
    """The newest stored log of a service, or None."""
    return next(_logs(state, service), None)


def _logs(state: Path, service: str) -> Iterator[Path]:
    for folder in runs(state):
        path = folder / "logs" / f"{_checked(service)}.log"
        if path.is_file():
            yield path


def _write_all(descriptor: int, data: bytes) -> None:
    """Writes all of it; a disk that takes a part of it first says why at the next write."""
    while data:
        data = data[os.write(descriptor, data) :]


def _checked(service: str) -> str:
    if not _NAME.fullmatch(service):
        raise errors.UsageError(f"{service!r} is no name of a service", "use letters, digits, `-`, `_` and `.`")
    return service


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have
        return str(os.getuid())


def _now() -> str:
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
