"""What a backup is on the disk: a folder of files and a manifest, written whole or not at all, read back with care."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stillroom import errors
from stillroom.runtime.reading import revisions

from . import durable, journal

__all__ = ["MANIFEST", "Backup", "BackupFile", "contents", "described", "observe", "read", "verify", "write"]

MANIFEST = "manifest.json"
_VERSION = 1


@dataclass(frozen=True)
class BackupFile:
    """One file of a backup: which of the service's folders it stood in, its path there, its size in bytes, its SHA-256."""

    folder: int
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Backup:
    """A copy of a service's migrations.

    Args:
        service: whose.
        path: the backup's folder.
        stamp: its name: when it was made (UTC).
        number: 1 for the service's first; the order, whatever the clock said.
        reason: why it was made.
        folders: the versions folders that were copied.
        files: what is in it.
        copied: False if an equal backup was there already and this is that one.
    """

    service: str
    path: Path
    stamp: str
    number: int
    reason: str
    folders: tuple[str, ...]
    files: tuple[BackupFile, ...]
    copied: bool = field(default=True, compare=False)

    @property
    def revisions(self) -> int:
        """How many of its files Alembic would load."""
        return sum(revisions.is_revision_name(Path(each.name).name) for each in self.files)


def described(files: Mapping[tuple[int, str], bytes]) -> tuple[BackupFile, ...]:
    """Files as a manifest lists them."""
    return tuple(BackupFile(at, name, len(data), durable.sha256(data)) for (at, name), data in files.items())


def observe(service: str, folders: Sequence[Path]) -> dict[tuple[int, str], bytes]:
    """Every file, by (number of its folder, path within it); neither bytecode nor what is staged."""
    found = {}
    try:
        for place, folder in enumerate(folders):
            for base, inner, names in os.walk(folder, onerror=_raise):
                inner[:] = sorted(each for each in inner if each != "__pycache__")
                for name in sorted(names):
                    path = Path(base, name)
                    if path.is_file() and not name.startswith(journal.STAGED) and path.suffix not in (".pyc", ".pyo"):
                        found[place, path.relative_to(folder).as_posix()] = path.read_bytes()
    except OSError as exc:
        place_ = Path(str(exc.filename)) if exc.filename else folders[0]
        raise durable.trouble(f"{service}: its migrations cannot be read", place_, exc) from exc
    return found


def _raise(exc: OSError) -> None:
    if not isinstance(exc, FileNotFoundError):  # a folder that is not there holds nothing
        raise exc


def write(made: Backup, files: Mapping[tuple[int, str], bytes]) -> None:
    """Write everything under a hidden name, read it back, and give it its own name last."""
    draft = made.path.with_name(f".{made.stamp}.partial")
    for left in draft.parent.glob(".*.partial"):  # of a crash; the lock says that nobody is at it
        shutil.rmtree(left)
    try:
        draft.mkdir(parents=True)
        for (place, name), content in files.items():
            target = draft / str(place) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            durable.write_new(target, content)
        manifest = {
            "version": _VERSION,
            "service": made.service,
            "stamp": made.stamp,
            "number": made.number,
            "reason": made.reason,
            "folders": list(made.folders),
            "files": [asdict(each) for each in made.files],
        }
        durable.write_new(draft / MANIFEST, json.dumps(manifest, indent=1).encode())
        for base, _, _ in os.walk(draft):
            durable.sync_folder(Path(base))
        verify(made, draft)
        draft.rename(made.path)
        durable.sync_folder(made.path.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def verify(backup: Backup, where: Path) -> None:
    """Compare the files in the folder `where` with the manifest.

    Raises:
        errors.StillroomError: one is not what was saved.
        OSError: one cannot be read.
    """
    for each in backup.files:
        if durable.fingerprint(where / str(each.folder) / each.name) != each.sha256:
            raise errors.StillroomError(
                f"{backup.service}: the backup {backup.stamp} is damaged: {each.name} is not what was saved.",
                "Choose another one (`invoke restore --list`), or bring the files back from version control.",
            )


def read(manifest: Path, service: str) -> Backup:
    """The backup that a manifest describes. Raises `errors.StillroomError` if it cannot be understood."""
    try:
        data: Mapping[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        if data["version"] != _VERSION:
            raise ValueError(f"version {data['version']}")
        return Backup(
            service=service,
            path=manifest.parent,
            stamp=str(data["stamp"]),
            number=int(data["number"]),
            reason=str(data["reason"]),
            folders=tuple(map(str, data["folders"])),
            files=tuple(BackupFile(**each) for each in data["files"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise errors.StillroomError(
            f"{service}: the backup {manifest.parent} cannot be understood ({exc}).",
            f"Move {manifest.parent} away; the other backups do not need it.",
        ) from exc


def contents(backup: Backup) -> list[dict[str, bytes]]:
    """The files of each folder, checked against the manifest before anything is touched."""
    try:
        verify(backup, backup.path)
        found: list[dict[str, bytes]] = [{} for _ in backup.folders]
        for each in backup.files:
            found[each.folder][each.name] = (backup.path / str(each.folder) / each.name).read_bytes()
    except OSError as exc:
        raise durable.trouble(f"{backup.service}: the backup cannot be read", backup.path, exc) from exc
    return found
