"""The journal of a replacement: what is about to change, written down before it does, so that a crash can be mended.

A journal stands in `state/replacements/<service>.json`. Its phase says what a crash means: in "staging", new files lie
beside the old ones under hidden names and are thrown away; once it says "committed" (one atomic rename), the
replacement has happened, and whatever is left of it is carried out by the next command.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from glob import escape
from pathlib import Path
from typing import Any, Literal

from stillroom import errors

from . import durable

__all__ = ["STAGED", "Checkpoint", "Entry", "Journal", "Store", "finish", "standing", "undo"]

STAGED = ".stillroom-"
"""How the names of staged files begin. They end in `.new`, so that Alembic, which loads hidden `*.py`, passes them by."""

Checkpoint = Callable[[str], None]
"""Called after each durable step, with its name; a test kills the process there."""

_VERSION = 1


@dataclass(frozen=True)
class Entry:
    """One file that changes.

    Args:
        folder: the versions folder, real and absolute.
        name: the file's path within it.
        old: SHA-256 of what it replaces or removes; None if nothing stood there.
        new: SHA-256 of what it will hold; None if it is removed.
        staged: the hidden name, beside the file, of its new content; "" if it is removed.
    """

    folder: str
    name: str
    old: str | None
    new: str | None
    staged: str = ""

    @property
    def target(self) -> Path:
        """Where the file stands."""
        return Path(self.folder, self.name)

    @property
    def staging(self) -> Path:
        """Where its new content waits."""
        return self.target.with_name(self.staged)


@dataclass(frozen=True)
class Journal:
    """A replacement on its way. `made`: folders that were made for it."""

    service: str
    phase: Literal["staging", "committed"]
    entries: tuple[Entry, ...]
    made: tuple[str, ...] = ()

    def committed(self) -> Journal:
        """The same, decided."""
        return replace(self, phase="committed")

    def folders(self) -> list[Path]:
        """The folders whose names change, each once."""
        return list(dict.fromkeys(entry.target.parent for entry in self.entries))


class Store:
    """The journals in a state folder."""

    def __init__(self, state: Path) -> None:
        self.folder = state / "replacements"

    def path(self, service: str) -> Path:
        """Where the journal of a service stands."""
        return self.folder / f"{service}.json"

    def services(self) -> list[str]:
        """The services that have a journal."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def read(self, service: str) -> Journal | None:
        """The journal of a service, or None.

        Raises:
            errors.StillroomError: it is there and cannot be understood.
        """
        path = self.path(service)
        try:
            data: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            entries = tuple(Entry(**entry) for entry in data["entries"])
            if data["version"] != _VERSION or data["phase"] not in ("staging", "committed"):
                raise ValueError(f"version {data['version']}, phase {data['phase']}")
            return Journal(service, data["phase"], entries, tuple(data["made"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise errors.StillroomError(
                f"{service}: the journal of an interrupted replacement, {path}, cannot be understood ({exc}).",
                f"Compare the service's migrations with version control, then remove {path}.",
            ) from exc

    def write(self, journal: Journal) -> None:
        """Write a journal, atomically and durably. Raises `OSError`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        data = {
            "version": _VERSION,
            "service": journal.service,
            "phase": journal.phase,
            "entries": [asdict(entry) for entry in journal.entries],
            "made": list(journal.made),
        }
        durable.replace_file(self.path(journal.service), json.dumps(data, indent=1).encode())

    def remove(self, service: str) -> None:
        """Remove a journal, durably. Raises `OSError`."""
        if self.folder.is_dir():
            self.path(service).unlink(missing_ok=True)
            durable.sync_folder(self.folder)

    def unborn(self) -> list[tuple[str, Path]]:
        """(service, path) of journals that a crash kept from getting their name."""
        return [(path.name[1 : -len(".json.new")], path) for path in sorted(self.folder.glob(".*.json.new"))]


def undo(journal: Journal, store: Store, checkpoint: Checkpoint) -> None:
    """Throw away what was staged; nothing else has been touched. Raises `OSError`."""
    for entry in journal.entries:
        if (
            entry.staged.startswith(STAGED) and entry.staging.exists()
        ):  # a read-only disk refuses even to unlink nothing
            entry.staging.unlink()
            checkpoint(f"unstaged {entry.name}")
    for folder in reversed(journal.made):
        with suppress(OSError):  # someone has put something into it: then it stays
            Path(folder).rmdir()
    store.remove(journal.service)
    checkpoint("undone")


def standing(entry: Entry) -> str:
    """How far an entry of a committed journal is: "done", "waiting", or a sentence of why it cannot go on.

    Raises:
        OSError: a file cannot be read.
    """
    now = durable.fingerprint(entry.target)
    if entry.new is None:
        if now is None:
            return "done"
        return "waiting" if now == entry.old else f"{entry.target} has been changed by someone else meanwhile"
    staged = durable.fingerprint(entry.staging)
    if staged is None:
        # Renamed already (what someone did to it since is theirs), unless the old content still stands there.
        renamed = now is not None and (now != entry.old or now == entry.new)
        return "done" if renamed else f"the new content of {entry.target}, staged beside it, is gone"
    if staged != entry.new:
        return f"the new content of {entry.target}, staged as {entry.staged}, is damaged"
    if now in (entry.old, entry.new, None):
        return "waiting"
    return f"{entry.target} has been changed by someone else meanwhile"


def finish(journal: Journal, store: Store, checkpoint: Checkpoint) -> None:
    """Carry out what is left of a committed journal, and close it.

    Raises:
        errors.StillroomError: someone has changed a file meanwhile; nothing is lost, the journal stays.
        OSError: the disk says no; the journal stays.
    """
    waiting = _waiting(journal.entries)
    for entry in waiting:
        still = standing(entry)  # once more, right before: an editor may have saved since
        if still != "waiting":
            raise _stopped([still])
        if entry.new is None:
            entry.target.unlink(missing_ok=True)
        else:
            entry.staging.replace(entry.target)
        _forget_bytecode(entry.target)
        checkpoint(f"{'removed' if entry.new is None else 'replaced'} {entry.name}")
    for folder in journal.folders():
        durable.sync_folder(folder)
    checkpoint("synced")
    _verify(waiting)
    checkpoint("verified")
    store.remove(journal.service)
    checkpoint("closed")


def _waiting(entries: Iterable[Entry]) -> list[Entry]:
    """What is left to do; all of it is looked at before any of it is done."""
    found = [(entry, standing(entry)) for entry in entries]
    stops = [sentence for _, sentence in found if sentence not in ("done", "waiting")]
    if stops:
        raise _stopped(stops)
    return [entry for entry, sentence in found if sentence == "waiting"]


def _stopped(sentences: list[str]) -> errors.StillroomError:
    more = f" (and {len(sentences) - 1} more)" if len(sentences) > 1 else ""
    return errors.StillroomError(
        f"A replacement of revision files cannot be finished: {sentences[0]}{more}.",
        "Move that file away (nothing here removes what you wrote), then run the command again.",
        detail="\n".join(sentences),
    )


def _forget_bytecode(target: Path) -> None:
    """Compiled files of a source that is gone or new: Python compares only whole seconds and sizes."""
    with suppress(OSError):  # a leftover is harmless without its source
        for path in (target.parent / "__pycache__").glob(f"{escape(target.stem)}.*.pyc"):
            path.unlink(missing_ok=True)
        (target.parent / "__pycache__").rmdir()


def _verify(entries: Iterable[Entry]) -> None:
    for entry in entries:
        if durable.fingerprint(entry.target) != entry.new:
            raise errors.StillroomError(
                f"{entry.target} does not hold what was just written to it.",
                "Check the disk, then `invoke restore` puts the last backup back.",
            )
