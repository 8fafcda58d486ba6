"""Backups of the migrations folders of a service, and putting one back.

A backup is a folder `state/backups/migrations/<service>/<utc stamp>/` with a copy of every file and a manifest of their
SHA-256s; it gets its name when it is whole. Nothing here ever deletes one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from stillroom import errors
from stillroom.runtime.reading import revisions

from . import backup_files, durable, locking, replace
from .backup_files import Backup, BackupFile

__all__ = ["BEFORE_RESTORE", "Backup", "BackupFile", "back_up", "choose", "list_backups", "restore"]

BEFORE_RESTORE = "before restore of "
"""How the reason of a backup begins that `restore` made of what it was about to replace; the restored stamp follows."""


def back_up(
    service: str,
    folders: Sequence[Path],
    state: Path,
    reason: str,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> Backup:
    """Copy a service's migrations folders, verified; if the last backup holds the same, it is returned instead.

    Args:
        service: whose.
        folders: its versions folders; one that does not exist counts as empty.
        state: the `.stillroom` folder.
        reason: a few words for the list ("regenerate").
        now: the clock.

    Raises:
        locking.Busy: another command works on this service's migrations.
        errors.StillroomError: a file cannot be read, or the copy cannot be written; nothing of it stays.
    """
    with locking.hold(state, service):
        return _back_up(service, folders, state, reason, now())


def list_backups(state: Path, service: str) -> list[Backup]:
    """The whole backups of a service, newest first.

    Raises:
        errors.StillroomError: a manifest cannot be understood.
    """
    home = _home(state, service)
    found = [
        backup_files.read(path, service)
        for path in home.glob(f"*/{backup_files.MANIFEST}")
        if not path.parent.name.startswith(".")
    ]
    return sorted(found, key=lambda each: -each.number)


def choose(state: Path, service: str, backup: str | None = None, *, folders: Sequence[Path] | None = None) -> Backup:
    """The backup that `restore` would put back; arguments and errors are the same."""
    found = list_backups(state, service)
    if not found:
        raise errors.UsageError(
            f"There is no backup of the migrations of {service} in {_home(state, service)}.",
            "`invoke regenerate` makes one before it replaces anything.",
        )
    return _newest(found, folders) if backup is None else _named(found, backup)


def restore(
    state: Path, service: str, backup: str | None = None, *, folders: Sequence[Path] | None = None
) -> tuple[Backup, list[replace.Outcome]]:
    """Put a backup back: its files, and no other revision file. What stood there is backed up first.

    Helpers that are not in the backup stay.

    Args:
        state: the `.stillroom` folder.
        service: whose.
        backup: a stamp, or as much of its beginning as is unique; None: the newest that differs from what is there,
            or, if the last thing that happened was a restore, the same one again (so that twice is once).
        folders: where to; None: where the files came from.

    Returns:
        The backup, and what putting it back did to each folder.

    Raises:
        errors.UsageError: there is no such backup.
        errors.StillroomError: the backup is damaged (nothing is changed), or see `replace.carry_out_all`.
    """
    chosen = choose(state, service, backup, folders=folders)
    places = _places(chosen, folders)
    contents = backup_files.contents(chosen)
    now = backup_files.observe(service, places)
    changes = [
        replace.Replacement(service, folder, put, _surplus(place, now, put))
        for place, (folder, put) in enumerate(zip(places, contents, strict=True))
    ]
    if any(_would_change(place, now, change) for place, change in enumerate(changes)):
        back_up(service, places, state, BEFORE_RESTORE + chosen.stamp)
    for folder in places:
        _make(folder)
    return chosen, replace.carry_out_all(changes, state)


def _home(state: Path, service: str) -> Path:
    return state / "backups" / "migrations" / locking.checked_service(service)


def _back_up(service: str, folders: Sequence[Path], state: Path, reason: str, now: datetime) -> Backup:
    home = _home(state, service)
    contents = backup_files.observe(service, folders)
    files = backup_files.described(contents)
    earlier = list_backups(state, service)
    whole = tuple(str(folder.absolute()) for folder in folders)
    same = bool(earlier) and (earlier[0].files, earlier[0].folders) == (files, whole)
    if same and not reason.startswith(BEFORE_RESTORE) and not earlier[0].reason.startswith(BEFORE_RESTORE):
        last = _checked(earlier[0])
        if last is not None:
            return last
    number = earlier[0].number + 1 if earlier else 1
    stamp = _stamp(home, now)
    made = Backup(service, home / stamp, stamp, number, reason, whole, files)
    try:
        backup_files.write(made, contents)
    except OSError as exc:
        place = Path(str(exc.filename)) if exc.filename else home
        raise durable.trouble(f"{service}: its migrations cannot be backed up", place, exc) from exc
    return made


def _stamp(home: Path, now: datetime) -> str:
    """When, as a name that sorts; a second one in the same moment gets a tail."""
    stamp = now.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    tail = 1
    name = stamp
    while (home / name).exists():
        tail += 1
        name = f"{stamp}-{tail}"
    return name


def _checked(backup: Backup) -> Backup | None:
    """The backup as one that need not be made again, if its files are all still what they were."""
    try:
        backup_files.verify(backup, backup.path)
    except (errors.StillroomError, OSError):
        return None
    return Backup(**{**backup.__dict__, "copied": False})


def _newest(found: Sequence[Backup], folders: Sequence[Path] | None) -> Backup:
    """See `restore`."""
    if found[0].reason.startswith(BEFORE_RESTORE):
        again = [each for each in found if each.stamp == found[0].reason[len(BEFORE_RESTORE) :]]
        if again:
            return again[0]
    candidates = [each for each in found if not each.reason.startswith(BEFORE_RESTORE)] or list(found)
    for each in candidates:
        if backup_files.described(backup_files.observe(each.service, _places(each, folders))) != each.files:
            return each
    return candidates[0]


def _named(found: Sequence[Backup], wanted: str) -> Backup:
    matching = [each for each in found if each.stamp == wanted]
    matching = matching or [each for each in found if each.stamp.startswith(wanted)]
    if len(matching) != 1:
        raise errors.UsageError(
            f"{wanted!r} names {len(matching) or 'no'} backup{'s' if matching else ''} of {found[0].service}.",
            f"There are: {', '.join(each.stamp for each in found)}.",
        )
    return matching[0]


def _places(chosen: Backup, folders: Sequence[Path] | None) -> list[Path]:
    if folders is None:
        return [Path(each) for each in chosen.folders]
    if len(folders) != len(chosen.folders):
        raise errors.UsageError(
            f"The backup {chosen.stamp} of {chosen.service} is of {len(chosen.folders)} folders; "
            f"{len(folders)} are configured.",
            f"Restore with the configuration of that time, or copy the files from {chosen.path} by hand.",
        )
    return list(folders)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise durable.trouble("The migrations folder cannot be made", folder, exc) from exc


def _surplus(place: int, now: Mapping[tuple[int, str], bytes], put: Mapping[str, bytes]) -> tuple[str, ...]:
    """Revision files that are there now and not in the backup."""
    names = {name for at, name in now if at == place and revisions.is_revision_name(Path(name).name)}
    return tuple(sorted(names - put.keys()))


def _would_change(place: int, now: Mapping[tuple[int, str], bytes], change: replace.Replacement) -> bool:
    return bool(change.remove) or any(now.get((place, name)) != content for name, content in change.put.items())
