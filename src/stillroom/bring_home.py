"""Brings a generated file home: verified, backed up, placed so that a crash leaves the old history or the new one."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stillroom import errors, fleet, layout, session
from stillroom.history import backup as backups
from stillroom.history import compare, replace, verify
from stillroom.registry import model

__all__ = ["Home", "add_revision", "check_unchanged", "compare_with_target", "replace_history"]


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


def check_unchanged(service: str, where: layout.Layout, seen: Mapping[str, str]) -> None:
    """Stops where somebody else has been at work on the migrations meanwhile.

    Args:
        service: whose migrations.
        where: its folders.
        seen: the history that was worked with: name of a file (as `where` shows it) to the SHA-256 of its content.

    Raises:
        errors.Refused: naming what is different.
    """
    now = {name: hashlib.sha256(content).hexdigest() for name, content in where.names().items()}
    if now == seen:
        return
    changed = [
        *(f"{name} is new" for name in sorted(now.keys() - seen.keys())),
        *(f"{name} is gone" for name in sorted(seen.keys() - now.keys())),
        *(f"{name} has changed" for name in sorted(now.keys() & seen.keys()) if now[name] != seen[name]),
    ]
    raise errors.Refused(
        f"{service}: somebody else has changed its migrations while this run was at work: {', '.join(changed)}",
        "look at them (git status), then run it again",
    )


def replace_history(state: Path, service: str, where: layout.Layout, made: Mapping[str, Any], *, backup: bool) -> Home:
    """Puts a baseline into the place of the history: into the first folder; what is in the others goes as well.

    Args:
        state: Stillroom's own folder.
        service: whose history.
        where: its folders.
        made: the result of the operation `generate`.
        backup: whether the old files are kept.

    Raises:
        errors.Refused: the history is another one by now.
        errors.StillroomError: if the file is not what was promised, or can't be written; the old history is whole.
    """
    content = _checked(made, where)
    old = where.files()
    if list(old.values()) == [content]:
        folder, name = next(iter(old))
        return Home(where.shown(folder, name), 0)
    check_unchanged(service, where, made["history"])
    name = str(made["file"]["name"])
    first = where.folders[0]
    if (first, name) not in old:
        _check_free(first / name, content)
    kept = None
    if backup and old:
        kept = str(backups.back_up(service, where.folders, state, "regenerate").path)
    remove = [place for place in old if place != (first, name)]
    replace.carry_out_all(
        [
            replace.Replacement(
                service,
                folder,
                {name: content} if folder == first else {},
                tuple(name for place, name in remove if place == folder),
            )
            for folder in where.folders
            if folder == first or any(place == folder for place, _ in remove)
        ],
        state,
        check=lambda: check_unchanged(service, where, made["history"]),
    )
    return Home(where.shown(first, name), len(content), tuple(where.shown(*each) for each in old), kept)


def add_revision(state: Path, service: str, where: layout.Layout, follows: str, made: Mapping[str, Any]) -> Home:
    """Puts one more revision beside the one that it follows: into the same version location.

    Args:
        state: Stillroom's own folder.
        service: whose history.
        where: its folders.
        follows: path of the file that the new one follows.
        made: the result of the operation `revision`.

    Raises:
        errors.Refused: the history is another one by now.
        errors.StillroomError: if the file is not what was promised, or can't be written.
    """
    content = _checked(made, where)
    name = str(made["file"]["name"])
    folder = where.folder_of(follows)
    _check_free(folder / name, content)
    wanted = replace.Replacement(service, folder, {name: content})
    done = replace.carry_out(wanted, state, check=lambda: check_unchanged(service, where, made["history"]))
    return Home(where.shown(folder, name), sum(len(each) for each in done.written.values()))


def compare_with_target(opened: session.Session, service: model.Service, follower: fleet.Follower) -> None:
    """Fetches the revision files of the target, and stops where they are others than those here.

    Raises:
        errors.Refused: naming the files that differ.
    """
    answer = opened.call(service, "history_files", {}, follower)
    there = {str(each["name"]): str(each["content"]).encode() for each in answer["files"]}
    found = compare.compare(opened.layout_of(service, answer).names(), there)
    for line in found.lines():
        follower.warn(line)
    if found.same:
        return
    raise errors.Refused(
        f"{service.name}: the target has another history than this folder",
        "bring the two together first (commit or fetch the files named), or leave --check-existing out",
        detail="\n".join(found.lines()),
    )


def _check_free(place: Path, content: bytes) -> None:
    """A new file takes no place but a revision's that it replaces: not a helper's, not a link's, wherever that leads."""
    if place.is_symlink() or (place.exists() and place.read_bytes() != content):
        raise errors.StillroomError(
            f"{place} is there already, with another content; nothing was written.",
            "Move it away, give the revision another --message, or `file_template` in alembic.ini a `%(rev)s`.",
        )


def _checked(made: Mapping[str, Any], where: layout.Layout) -> bytes:
    """The content of a file that came in a result, verified."""
    entry = made["file"]
    if not isinstance(entry, Mapping) or not isinstance(entry["size"], int):
        raise errors.StillroomError(
            "The target sent something else than a revision file; nothing was written.",
            "Run it again; if it stays, something in the service's process changes what Stillroom answers.",
        )
    content = str(entry["content"]).encode("utf-8", "surrogatepass")  # what is no text is told of by the check
    verify.check_file(
        str(entry["name"]),
        entry["size"],
        str(entry["sha256"]),
        content,
        revision=made["revision"],
        folders=where.folders if where.recursive else (),
    )
    return content
