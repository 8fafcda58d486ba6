"""The folders that files come home to: whether they can be written, what is not committed in them, where they lie."""

from __future__ import annotations

import dataclasses
import errno
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stillroom import errors, git, session
from stillroom.registry import model
from stillroom.reports import Finding
from stillroom.runtime import faults
from stillroom.runtime.readiness import preflight_findings, preflight_project

__all__ = ["Here", "judge", "look", "unwritable"]

_SHOWN = 3
_NEW = "?? "
_STATES = {_NEW: " (new)", " D ": " (deleted)", "D  ": " (deleted)"}
_OF_NO_ACCOUNT = frozenset({".gitkeep", ".keep"})
_INSTALLED = ("site-packages", "dist-packages")


@dataclasses.dataclass(frozen=True)
class Here:
    """What was seen on this side.

    Attributes:
        local: whether the service runs on this machine, so that the runtime has looked at the same files.
        folder: with revision files; None if the configuration does not tell.
        problem: why not, as a fault of the runtime has it; None if all is well.
        unwritable: why no file can be made in the folder; empty if one can.
        changes: what is not committed in it.
        free: bytes left on its disk.
    """

    local: bool
    folder: Path | None = None
    problem: faults.Fault | None = None
    unwritable: str = ""
    changes: git.Changes = dataclasses.field(default_factory=git.Changes)
    free: int = preflight_project.ALMOST_FULL


def look(opened: session.Session, facts: Mapping[model.Service, Mapping[str, Any]]) -> dict[str, list[Here]]:
    """What is seen of each service's folders on this side; `facts` are the runtime's."""
    local = opened.environment.target == "local"
    places: dict[str, Sequence[Path] | errors.StillroomError] = {}
    for service, known in facts.items():
        try:
            places[service.name] = (
                opened.layout_of(service, known).folders if known.get("folders") or not (local and known) else ()
            )
        except errors.StillroomError as error:
            # Where the runtime could not be asked at all, that is said already.
            places[service.name] = error if known or not local else ()
    changes = git.uncommitted([folder for each in places.values() if isinstance(each, Sequence) for folder in each])
    return {
        name: [_here(folder, changes[folder], local=local) for folder in each]
        if isinstance(each, Sequence)
        else [Here(local, problem=faults.ProjectFault("config-missing", each.message, each.mend))]
        for name, each in places.items()
    }


def _here(folder: Path, changes: git.Changes, *, local: bool) -> Here:
    free = shutil.disk_usage(folder).free if folder.is_dir() else preflight_project.ALMOST_FULL
    return Here(local, folder, unwritable=unwritable(folder), changes=changes, free=free)


def unwritable(folder: Path) -> str:
    """Why no file can be made there, or nothing; tried, since permissions tell neither of read-only disks nor of root."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _made_writable(folder: Path, why: str) -> str:
    """How that is done, from why it is not."""
    if not folder.is_dir():
        return f"mkdir -p {folder}"
    if why == os.strerror(errno.EROFS):
        return f"mount the disk of {folder} writable, or work on a copy that is"
    if why in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)):
        return f"free space there: du -xh {folder} | sort -h"
    return f'sudo chown -R "$USER" {folder} (or chmod u+w, as its owner)'


def judge(here: Here, *, missing_is_said: bool) -> list[Finding]:
    """Findings about one folder.

    Args:
        here: what was seen of it.
        missing_is_said: whether the runtime has said already that it is not there.
    """
    mine = preflight_findings.Findings()
    if here.folder is None:
        if here.problem is not None and not missing_is_said:
            mine.fault("folder", here.problem)
        return [Finding.from_dict(each) for each in mine.to_list()]
    if not here.unwritable:
        mine.ok("writable", f"files can be made in {here.folder}")
    elif not (missing_is_said and not here.folder.is_dir()):
        mine.error(
            "writable",
            f"no file can be made in {here.folder}: {here.unwritable}",
            _made_writable(here.folder, here.unwritable),
            code="not-writable",
        )
    if set(_INSTALLED) & set(here.folder.parts):
        mine.warning(
            "folder",
            f"the migrations are in an installed package, {here.folder}: what is written there is gone when it is "
            "installed anew",
            "install it from its source folder (pip install -e FOLDER), or name the folder of env.py there, "
            "script_location: in services.yaml",
            code="folder-installed",
        )
    _judge_changes(mine, here.folder, here.changes)
    if not here.local:
        preflight_project.judge_disk(mine, [("the folder of the migrations here", str(here.folder), here.free)])
    return [Finding.from_dict(each) for each in mine.to_list()]


def _judge_changes(mine: preflight_findings.Findings, folder: Path, changes: git.Changes) -> None:
    if changes.unknown:
        mine.skipped("uncommitted", changes.unknown)
        return
    files = [each for each in changes.files if not _of_no_account(each)]
    if not files:
        mine.ok("uncommitted", "nothing uncommitted in the migrations folder")
        return
    listed = ", ".join(Path(line[3:]).name + _STATES.get(line[:3], "") for line in files[:_SHOWN])
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    mine.warning(
        "uncommitted",
        f"uncommitted changes in {folder}: {listed}{more}",
        f"git add {shlex.quote(str(folder))} && git commit",
        code="uncommitted",
        files=files,
    )


def _of_no_account(line: str) -> bool:
    """Whether it is a new file, as git shows it, that is no revision and that nobody would miss."""
    path = Path(line[3:])
    return line.startswith(_NEW) and (
        path.name in _OF_NO_ACCOUNT or path.suffix == ".pyc" or "__pycache__" in path.parts
    )
