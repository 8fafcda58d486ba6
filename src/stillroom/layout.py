"""Where the revision files of a service are on this machine, and what they hold.

A service's own interpreter knows where its packages are, so the runtime tells it. What another machine tells is not
taken for a place on this one: there, the checkout's own configuration counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stillroom import errors
from stillroom.runtime import facts, faults
from stillroom.runtime.projects import locations
from stillroom.runtime.reading import revisions

__all__ = ["Layout", "of"]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Version locations, as Alembic has them.

    Attributes:
        folders: of revision files; a baseline goes into the first.
        recursive: whether folders below count.
    """

    folders: tuple[Path, ...]
    recursive: bool = False

    def files(self) -> dict[tuple[Path, str], bytes]:
        """The revision files: folder and name in it (with slashes, if there are folders below) to content."""
        found: dict[str, tuple[Path, str, bytes]] = {}
        for folder in self.folders:
            for each in revisions.read([folder], recursive=self.recursive).revisions:
                found.setdefault(each.path, (folder, each.name, each.source))
        return {(folder, name): source for folder, name, source in found.values()}

    def names(self) -> dict[str, bytes]:
        """The revision files by a name that people and the other side understand (see `shown`)."""
        return {self.shown(folder, name): source for (folder, name), source in self.files().items()}

    def folder_of(self, path: str) -> Path:
        """The version location that a revision file is in."""
        return locations.folder_of(self.folders, path)

    def shown(self, folder: Path, name: str) -> str:
        """A file's name; where there are several folders, with the folder before it."""
        return locations.shown(self.folders, folder, name)


def of(service: facts.ServiceFacts, answer: Mapping[str, Any], *, local: bool) -> Layout:
    """The places of a service's revision files on this machine.

    Args:
        service: whose.
        answer: what the runtime told (`folders`, `recursive`).
        local: whether the runtime ran on this machine.

    Raises:
        errors.StillroomError: if it is not known where they are.
    """
    if local and answer.get("folders"):
        return Layout(_absolute(service.name, answer["folders"]), bool(answer.get("recursive")))
    try:
        where = locations.of(service)
    except faults.Fault as fault:
        raise errors.StillroomError(f"{service.name}: {fault.message}", fault.mend) from fault
    return Layout(where.version_locations, where.recursive)


def _absolute(service: str, told: Sequence[object]) -> tuple[Path, ...]:
    folders = tuple(Path(str(each)) for each in told)
    for each in folders:
        if not each.is_absolute():
            raise errors.StillroomError(
                f"{service}: the runtime told of a versions folder {str(each)!r}, which is no absolute path",
                "operator side and runtime are of different versions: upgrade the older one",
            )
    return folders
