"""The output folder: what is to be done there (pure, but for reading), and the doing.

A file that stillroom did not write is never written over nor taken away. A file that it wrote and somebody edited is
written anew when it is rendered (and told), and left where it is when it no longer is.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from pathlib import Path

from stillroom import errors
from stillroom.history import durable
from stillroom.manifests import record
from stillroom.manifests.objects import Rendered

__all__ = ["Change", "Plan", "beside", "carry_out", "plan"]


@dataclasses.dataclass(frozen=True)
class Change:
    """What happens to one file.

    Attributes:
        path: relative to the folder.
        kind: "new", "changed", "unchanged", "removed", or "kept" (no longer rendered, and edited by somebody).
        old, new: the texts; None: there is none.
        edited: whether somebody changed what stillroom had written.
    """

    path: str
    kind: str
    old: str | None
    new: str | None
    edited: bool = False

    @property
    def differs(self) -> bool:
        """Whether what is on disk is not what is rendered."""
        return self.kind in ("new", "changed", "removed")

    def diff(self) -> Iterator[str]:
        """The difference as a unified diff, line by line; a very long line is cut."""
        before, after = (_lines(each) for each in (self.old, self.new))
        names = (f"a/{self.path}" if self.old is not None else "/dev/null", f"b/{self.path}")
        if self.new is None:
            names = (names[0], "/dev/null")
        for line in difflib.unified_diff(before, after, *names, lineterm=""):
            yield line if len(line) <= _LONGEST else f"{line[:_LONGEST]}… ({len(line):,} characters)"


_LONGEST = 400


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done in a folder.

    Attributes:
        folder: which.
        changes: a file each, in order.
        record: what it says afterwards.
        foreign: files in the way that stillroom did not write.
    """

    folder: Path
    changes: tuple[Change, ...]
    record: record.Record
    foreign: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything on disk is not as it is rendered."""
        return any(each.differs for each in self.changes)


def beside(folder: Path, services: tuple[str, ...], selected: tuple[str, ...]) -> tuple[str, ...]:
    """What kustomization.yaml has to name further: files of services that were rendered before, and are not selected.

    Args:
        folder: of the output.
        services: all of the environment.
        selected: those that are rendered now.
    """
    there = record.read(folder)
    others = set(services) - set(selected)
    return tuple(
        f"{path}:{there.patches[path]}" if path in there.patches else path
        for path in there.files
        if _owner(path) in others
    )


def plan(folder: Path, rendered: Rendered, services: tuple[str, ...], selected: tuple[str, ...]) -> Plan:
    """What is to be done so that the folder holds what is rendered.

    Args:
        folder: of the output.
        rendered: all of the selected services.
        services, selected: as for `beside`; files of services that exist and are not selected stay as they are.

    Raises:
        errors.StillroomError: a file can't be read.
    """
    there = record.read(folder)
    others = set(services) - set(selected)
    changes, foreign = [], []
    for path, text in rendered.files.items():
        old = _read(folder, path)
        known = there.files.get(path)
        edited = old is not None and known is not None and record.digest(old) != known
        if old is not None and known is None and old != text:
            foreign.append(path)
        kind = "new" if old is None else "unchanged" if old == text else "changed"
        changes.append(Change(path, kind, old, text, edited=edited))
    kept: dict[str, str] = {}
    for path, known in there.files.items():
        if path in rendered.files:
            continue
        if _owner(path) in others:
            kept[path] = known
            continue
        old = _read(folder, path)
        if old is None:
            continue
        edited = record.digest(old) != known
        changes.append(Change(path, "kept" if edited else "removed", old, None if not edited else old, edited=edited))
        if edited:
            kept[path] = known
    patches = {each.path: each.name for each in rendered.objects if each.patch}
    patches.update({path: name for path, name in there.patches.items() if path in kept})
    written = {path: record.digest(text) for path, text in rendered.files.items()}
    noted = record.Record({**kept, **written}, patches, rendered.profile)
    return Plan(folder, tuple(changes), noted, tuple(foreign))


def carry_out(wanted: Plan) -> None:
    """Writes and takes away what the plan says; the record first names all of it, so that a crash leaves nothing unknown.

    Raises:
        errors.Refused: files are in the way, or a link leads elsewhere.
        errors.StillroomError: the disk says no.
    """
    if wanted.foreign:
        raise errors.Refused(
            f"{wanted.folder} has files that stillroom did not write: {', '.join(wanted.foreign[:5])}",
            "choose another folder (--output), or move them away",
        )
    try:
        _carry_out(wanted)
    except OSError as error:
        raise durable.trouble("the manifests can't be written", Path(error.filename or wanted.folder), error) from error


def _carry_out(wanted: Plan) -> None:
    folder = wanted.folder
    folder.mkdir(parents=True, exist_ok=True)
    before = record.read(folder)
    removed = {each.path: before.files[each.path] for each in wanted.changes if each.kind == "removed"}
    during = dataclasses.replace(wanted.record, files={**removed, **wanted.record.files})
    durable.replace_file(folder / record.NAME, during.text().encode())
    for each in wanted.changes:
        if each.kind in ("new", "changed") and each.new is not None:
            file = _safe(folder, each.path)
            file.parent.mkdir(parents=True, exist_ok=True)
            _replace(file, each.new)
        elif each.kind == "removed":
            _safe(folder, each.path).unlink(missing_ok=True)
    for parent in {(folder / path).parent for path in removed}:
        if parent != folder and parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
    durable.replace_file(folder / record.NAME, wanted.record.text().encode())


def _replace(file: Path, text: str) -> None:
    """In one step, without waiting for the disk: what is rendered can be rendered again."""
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(file)


def _safe(folder: Path, path: str) -> Path:
    """The file, if no link on the way leads out of the folder.

    Raises:
        errors.Refused: one does.
    """
    file = folder / path
    if file.is_symlink() or not file.parent.resolve().is_relative_to(folder.resolve()):
        raise errors.Refused(f"{file} leads elsewhere by a link", "take the link away, or choose another --output")
    return file


def _read(folder: Path, path: str) -> str | None:
    try:
        return (folder / path).read_bytes().decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise durable.trouble("a manifest can't be read", folder / path, error) from error


def _owner(path: str) -> str:
    """The service whose file it is; "": it is shared."""
    parts = path.split("/")
    parts = parts[1:] if parts[0] in ("templates", "patches") and len(parts) > 2 else parts
    return parts[0] if len(parts) > 1 else ""


def _lines(text: str | None) -> list[str]:
    return [] if text is None else text.splitlines()
