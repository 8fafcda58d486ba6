"""Brings a generated file home: verified, backed up, placed so that a crash leaves the old history or the new one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stillroom import errors, fleet, session
from stillroom.history import backup as backups
from stillroom.history import compare, replace, verify
from stillroom.registry import model
from stillroom.runtime import faults, locations, revisions

__all__ = ["Home", "add_revision", "check_unchanged", "compare_with_target", "folder", "local_files", "replace_history"]


@dataclasses.dataclass(frozen=True)
class Home:
    """What arrived.

    Attributes:
        file: its name in the migrations folder.
        copied: bytes written; 0 where it was there already.
        removed: names of the files that it replaced.
        backup: where they are kept, if they are.
    """

    file: str
    copied: int
    removed: tuple[str, ...] = ()
    backup: str | None = None


def folder(service: model.Service) -> Path:
    """The folder on this machine that new revision files go to.

    Raises:
        errors.StillroomError: if the ini file does not say.
    """
    return _located(service).version_locations[0]


def local_files(service: model.Service) -> dict[str, bytes]:
    """The revision files on this machine: name -> content. Helpers and `__init__.py` are none."""
    where = _located(service)
    graph = revisions.read(where.version_locations, recursive=where.recursive)
    return {Path(each.path).name: each.source for each in graph.revisions}


def check_unchanged(service: model.Service, seen: Mapping[str, bytes]) -> None:
    """Stops where somebody else has been at work on the migrations meanwhile.

    Args:
        service: whose migrations.
        seen: its `local_files` when the run began.

    Raises:
        errors.Refused: naming what is different.
    """
    now = local_files(service)
    if now == seen:
        return
    changed = [
        *(f"{name} is new" for name in sorted(now.keys() - seen.keys())),
        *(f"{name} is gone" for name in sorted(seen.keys() - now.keys())),
        *(f"{name} has changed" for name in sorted(now.keys() & seen.keys()) if now[name] != seen[name]),
    ]
    raise errors.Refused(
        f"{service.name}: somebody else has changed its migrations while this run was at work: {', '.join(changed)}",
        "look at them (git status), then run it again",
    )


def replace_history(
    state: Path, service: model.Service, made: Mapping[str, Any], *, seen: Mapping[str, bytes], backup: bool
) -> Home:
    """Puts a baseline into the place of the history.

    Args:
        state: Stillroom's own folder.
        service: whose history.
        made: the result of the operation `generate`.
        seen: its `local_files` before it was generated.
        backup: whether the old files are kept.

    Raises:
        errors.Refused: the history is another one by now.
        errors.StillroomError: if the file is not what was promised, or can't be written; the old history is whole.
    """
    content = _checked(made)
    old = local_files(service)
    if list(old.values()) == [content]:
        return Home(next(iter(old)), 0)
    check_unchanged(service, seen)
    name = str(made["file"]["name"])
    kept = None
    if backup and old:
        kept = str(backups.back_up(service.name, _located(service).version_locations, state, "regenerate").path)
    _place(service, state, {name: content}, tuple(each for each in old if each != name), seen)
    return Home(name, len(content), tuple(old), kept)


def add_revision(state: Path, service: model.Service, made: Mapping[str, Any], *, seen: Mapping[str, bytes]) -> Home:
    """Puts one more revision beside those that are there, which have to be those that it was made with (`seen`).

    Raises:
        errors.Refused: they are others by now.
        errors.StillroomError: if the file is not what was promised, or can't be written.
    """
    content = _checked(made)
    name = str(made["file"]["name"])
    if local_files(service).get(name) == content:
        return Home(name, 0)
    _place(service, state, {name: content}, (), seen)
    return Home(name, len(content))


def compare_with_target(opened: session.Session, service: model.Service, follower: fleet.Follower) -> None:
    """Fetches the revision files of the target, and stops where they are others than those here.

    Raises:
        errors.Refused: naming the files that differ.
    """
    answer = opened.call(service, "history_files", {}, follower)
    there = {str(each["name"]): str(each["content"]).encode() for each in answer["files"]}
    found = compare.compare(local_files(service), there)
    for line in found.lines():
        follower.warn(line)
    if found.same:
        return
    raise errors.Refused(
        f"{service.name}: the target has another history than this folder",
        "bring the two together first (commit or fetch the files named), or leave --check-existing out",
        detail="\n".join(found.lines()),
    )


def _located(service: model.Service) -> locations.Locations:
    try:
        return locations.locations(service.config, cwd=service.path)
    except faults.Fault as fault:
        raise errors.StillroomError(f"{service.name}: {fault.message}", fault.mend) from fault


def _checked(made: Mapping[str, Any]) -> bytes:
    """The content of a file that came in a result, verified."""
    entry = made["file"]
    content = str(entry["content"]).encode()
    verify.check_file(entry["name"], entry["size"], entry["sha256"], content, revision=made["revision"])
    return content


def _place(
    service: model.Service,
    state: Path,
    put: Mapping[str, bytes],
    remove: tuple[str, ...],
    seen: Mapping[str, bytes],
) -> None:
    wanted = replace.Replacement(service.name, folder(service), put, remove)
    replace.carry_out(wanted, state, check=lambda: check_unchanged(service, seen))
