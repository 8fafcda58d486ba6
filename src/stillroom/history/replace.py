"""Replacing revision files so that a crash at any moment leaves the old history whole or the new one whole.

New files are staged beside the old ones, a journal is committed by one rename, then the names are switched.
`recover`, run at the start of every command, undoes what a crash left before that rename and finishes what it left after.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from stillroom import errors

from . import durable, journal, locking

__all__ = ["Outcome", "Recovery", "Replacement", "carry_out", "carry_out_all", "recover"]


@dataclass(frozen=True)
class Replacement:
    """What a versions folder should hold afterwards.

    Args:
        service: whose it is; the lock and the journal bear its name.
        folder: the versions folder (a link to one will do).
        put: name (or path within the folder, with slashes) to content.
        remove: names to remove; one that is not there is passed over. Everything else in the folder stays.
    """

    service: str
    folder: Path
    put: Mapping[str, bytes] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recovery:
    """An interrupted replacement that was put in order."""

    service: str
    action: Literal["finished", "undid"]
    sentence: str

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True)
class Outcome:
    """What a replacement did. `unchanged`: names whose content was the same already, which were not touched."""

    service: str
    folder: Path
    written: Mapping[str, bytes]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    recovered: Recovery | None = None

    @property
    def changed(self) -> bool:
        """Whether anything in the folder is different now."""
        return bool(self.written or self.removed)


def carry_out(
    replacement: Replacement,
    state: Path,
    *,
    checkpoint: journal.Checkpoint = lambda step: None,
    check: Callable[[], None] = lambda: None,
) -> Outcome:
    """Carry out one replacement. See `carry_out_all`."""
    return carry_out_all([replacement], state, checkpoint=checkpoint, check=check)[0]


def carry_out_all(
    replacements: Sequence[Replacement],
    state: Path,
    *,
    checkpoint: journal.Checkpoint = lambda step: None,
    check: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """Carry out the replacements of one service in several folders as one: all of them happen, or none.

    Args:
        replacements: one for each folder; all of the same service.
        state: the `.stillroom` folder.
        checkpoint: called after each durable step (for tests).
        check: called when nobody else can replace anything any more, and before anything is; stops it by raising.

    Raises:
        locking.Busy: another command works on this service.
        errors.UsageError: a name that could leave the folder, or is both put and removed.
        errors.StillroomError: nothing has changed (disk full, read-only, a file changed meanwhile); or, after the
            commit, what is left is carried out by the next command: the message says which.
    """
    service = replacements[0].service
    for each in replacements:
        _check(each, service)
    with locking.hold(state, service):
        store = journal.Store(state)
        recovered = _recover_one(store, service, checkpoint)
        check()
        planned = [_plan(each) for each in replacements]
        entries = tuple(entry for plan in planned for entry in plan)
        if entries:
            contents = [
                each.put.get(entry.name, b"")
                for each, plan in zip(replacements, planned, strict=True)
                for entry in plan
            ]
            begun = journal.Journal(service, "staging", entries, _missing_folders(entries))
            _apply(begun, contents, store, checkpoint)
        return [_outcome(each, plan, recovered) for each, plan in zip(replacements, planned, strict=True)]


def recover(state: Path, *, checkpoint: journal.Checkpoint = lambda step: None) -> list[Recovery]:
    """Put in order what interrupted commands left. One that is still running is left alone.

    Raises:
        errors.StillroomError: a file has been changed meanwhile, or the disk says no.
    """
    store = journal.Store(state)
    found: list[Recovery] = []
    failed: list[errors.StillroomError] = []
    unborn = dict(store.unborn())
    for service in dict.fromkeys((*store.services(), *unborn)):
        try:
            with locking.hold(state, service):
                if service in unborn:
                    unborn[service].unlink(missing_ok=True)
                done = _recover_one(store, service, checkpoint)
            found += [done] if done is not None else []
        except locking.Busy:
            continue
        except errors.StillroomError as error:  # the other services are put in order all the same
            failed.append(error)
    if failed:
        raise failed[0]
    return found


def _recover_one(store: journal.Store, service: str, checkpoint: journal.Checkpoint) -> Recovery | None:
    left = store.read(service)
    if left is None:
        return None
    begun = f"{service}: a replacement of revision files ({_counted(left)}) had been interrupted"
    try:
        if left.phase == "staging" or _nothing_done_and_cannot(left):
            journal.undo(left, store, checkpoint)
            return Recovery(
                service, "undid", f"{begun} before it took effect; it was undone, the old history is whole."
            )
        journal.finish(left, store, checkpoint)
    except OSError as exc:
        raise durable.trouble(
            f"{service}: an interrupted replacement cannot be put in order", _place(exc, store), exc
        ) from exc
    return Recovery(service, "finished", f"{begun} after it took effect; it was finished, the new history is whole.")


def _nothing_done_and_cannot(left: journal.Journal) -> bool:
    """Committed, but its staged files are gone (`git clean`, say) and every old file still stands: as if never begun."""
    gone = [entry for entry in left.entries if entry.staged and not entry.staging.exists()]
    return bool(gone) and all(durable.fingerprint(entry.target) == entry.old != entry.new for entry in left.entries)


def _apply(
    planned: journal.Journal, contents: Sequence[bytes], store: journal.Store, checkpoint: journal.Checkpoint
) -> None:
    try:
        _stage(planned, contents, store, checkpoint)
        store.write(planned.committed())
    except BaseException as exc:
        _back_out(planned, store, checkpoint, exc)
        raise
    checkpoint("committed")
    try:
        journal.finish(planned.committed(), store, checkpoint)
    except OSError as exc:
        raise _unfinished(
            planned.service,
            durable.trouble("The replacement is decided, but could not be finished", _place(exc, store), exc),
        ) from exc


def _stage(
    planned: journal.Journal, contents: Sequence[bytes], store: journal.Store, checkpoint: journal.Checkpoint
) -> None:
    """Write the new contents beside the old, check them, and that nobody has changed a file since it was looked at."""
    store.write(planned)
    checkpoint("journal")
    for made in planned.made:
        Path(made).mkdir(exist_ok=True)
    for entry, content in zip(planned.entries, contents, strict=True):
        if entry.staged:
            durable.write_new(entry.staging, content)
            checkpoint(f"staged {entry.name}")
    for folder in (*planned.folders(), *(Path(made).parent for made in planned.made)):
        durable.sync_folder(folder)
    stops = [sentence for entry in planned.entries if (sentence := journal.standing(entry)) not in ("waiting", "done")]
    if stops:
        raise errors.StillroomError(f"{planned.service}: {stops[0]}; nothing was replaced.", "Run the command again.")
    checkpoint("staged")


def _back_out(
    planned: journal.Journal, store: journal.Store, checkpoint: journal.Checkpoint, exc: BaseException
) -> None:
    """Before the commit: leave everything as it was; translate the disk's refusal."""
    try:
        left = store.read(planned.service)
        if left is not None and left.phase == "committed":  # the rename worked, what came after it did not
            store.write(planned)
        journal.undo(planned, store, checkpoint)
    except OSError as further:
        raise _unfinished(
            planned.service, durable.trouble("The replacement could not be undone", _place(further, store), further)
        ) from exc
    if isinstance(exc, OSError):
        raise durable.trouble(
            f"{planned.service}: the new revision files cannot be written, nothing was replaced",
            _place(exc, store),
            exc,
        ) from exc


def _unfinished(service: str, error: errors.StillroomError) -> errors.StillroomError:
    return errors.StillroomError(
        f"{service}: {error.message}", f"{error.mend} It first puts this in order and says so."
    )


def _place(exc: OSError, store: journal.Store) -> Path:
    return Path(str(exc.filename)) if exc.filename else store.folder


def _check(replacement: Replacement, service: str) -> None:
    if replacement.service != service:
        raise errors.UsageError("Replacements of several services cannot be carried out as one.", "Give one service.")
    for name in (*replacement.put, *replacement.remove):
        parts = PurePosixPath(name).parts
        bad = not parts or name != "/".join(parts) or name.startswith("/") or ".." in parts
        if bad or "\\" in name or "\0" in name or parts[-1].startswith(journal.STAGED):
            raise errors.UsageError(f"{name!r} is no file inside {replacement.folder}.", "Use a plain file name.")
    both = sorted(set(replacement.put) & set(replacement.remove))
    if both:
        raise errors.UsageError(f"{both[0]} is to be put and removed at once.", "Do one of the two.")


def _plan(replacement: Replacement) -> list[journal.Entry]:
    """What has to change, from what stands there; nothing for a file that holds its new content already."""
    folder = replacement.folder
    token = secrets.token_hex(6)
    entries = []
    try:
        real = folder.resolve(strict=True)
        if not real.is_dir():
            raise NotADirectoryError(20, "not a folder", str(folder))
        for place, (name, content) in enumerate(replacement.put.items()):
            old, new = durable.fingerprint(real / name), durable.sha256(content)
            if old != new:
                entries.append(journal.Entry(str(real), name, old, new, f"{journal.STAGED}{token}-{place}.new"))
        for name in replacement.remove:
            old = durable.fingerprint(real / name)
            if old is not None:
                entries.append(journal.Entry(str(real), name, old, None))
    except OSError as exc:
        place_ = Path(str(exc.filename)) if exc.filename else folder
        raise durable.trouble(f"{replacement.service}: its migrations cannot be read", place_, exc) from exc
    return entries


def _missing_folders(entries: Sequence[journal.Entry]) -> tuple[str, ...]:
    """Folders to make, outermost first."""
    found: dict[str, None] = {}
    for entry in entries:
        missing = [each for each in entry.target.parents if not each.exists()] if entry.new is not None else []
        found.update(dict.fromkeys(str(each) for each in reversed(missing)))
    return tuple(found)


def _outcome(replacement: Replacement, plan: Sequence[journal.Entry], recovered: Recovery | None) -> Outcome:
    written = {entry.name: replacement.put[entry.name] for entry in plan if entry.new is not None}
    return Outcome(
        service=replacement.service,
        folder=replacement.folder,
        written=written,
        removed=tuple(entry.name for entry in plan if entry.new is None),
        unchanged=tuple(name for name in replacement.put if name not in written),
        recovered=recovered,
    )


def _counted(left: journal.Journal) -> str:
    new = sum(entry.new is not None for entry in left.entries)
    return f"{new} to write, {len(left.entries) - new} to remove"
