"""A revision file that came from a target, checked before it goes anywhere.

`kubectl` and `ssh` report success for files that arrived cut, empty, or not at all; and nothing that a target sends may
name a place outside the service's versions folder.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from stillroom import errors
from stillroom.runtime import faults
from stillroom.runtime.reading import revisions

from . import durable

__all__ = ["SIZE_LIMIT", "check_file", "check_name"]

SIZE_LIMIT = 8 * 1024 * 1024
"""Bytes. The largest migration seen in 76 real histories is far below one hundredth of it."""

_NAME = re.compile(r"\w[\w .,+=@~-]*\.py")
_FOLDER = re.compile(r"\w[\w .+=@~-]*")
_NAME_LIMIT = 255  # bytes; what file systems take
_RESERVED = re.compile(r"(?:__\w+__|env|con|prn|aux|nul|com\d|lpt\d)(?:\..*)?\.py", re.IGNORECASE)


def check_name(name: str, folders: Sequence[Path] = ()) -> None:
    """Refuse a name that is not that of a plain revision file.

    Args:
        name: as sent.
        folders: the versions folders, where folders below them count (by year, say): then the name may lead into one.

    Raises:
        errors.StillroomError: a slash, a backslash, a leading dot, `..`, a NUL, an absolute path, another suffix than
            `.py`, a name with a meaning of its own (`__init__.py`, `env.py`, a device on Windows), or too long.
    """
    *below, plain = name.split("/") if folders else [name]
    too_long = len(name.encode("utf-8", "surrogatepass")) > _NAME_LIMIT
    bad = not _NAME.fullmatch(plain) or ".." in name or _RESERVED.fullmatch(plain)
    if too_long or bad or not all(_FOLDER.fullmatch(each) for each in below) or _leads_out(below, folders):
        shown = name if len(name) <= 100 else name[:99] + "…"
        raise errors.StillroomError(
            f"The target sent a file called {shown!r}, which is no plain name of a revision file; nothing was written.",
            "Set `file_template` in alembic.ini to one such as `%(rev)s_%(slug)s`; if it is, do not trust that target.",
        )


def _leads_out(below: Sequence[str], folders: Sequence[Path]) -> bool:
    """Whether a link among the folders below leads out of a versions folder."""
    return any(not each.joinpath(*below).resolve().is_relative_to(each.resolve()) for each in folders)


def check_file(
    name: str, size: int, sha256: str, content: bytes, *, revision: str, folders: Sequence[Path] = ()
) -> None:
    """Refuse a file that is not, byte for byte, the revision that the target says it made.

    Args:
        name: as sent.
        size: in bytes, as announced.
        sha256: hexadecimal, as announced.
        content: as arrived.
        revision: the revision id that it has to hold.
        folders: see `check_name`.

    Raises:
        errors.StillroomError: anything is wrong with it; nothing has been written.
    """
    check_name(name, folders)
    _check_bytes(name, size, sha256, content)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise errors.StillroomError(
            f"{name} is not UTF-8 (byte {exc.start}).",
            "Set `output_encoding = utf-8` in alembic.ini, and run it again.",
        ) from exc
    try:
        found = revisions.parse(content, name)
    except faults.ProjectFault as fault:
        raise errors.StillroomError(
            f"The generated file is no revision: {fault.message}",
            "Look at the service's script.py.mako, from which Alembic makes it.",
        ) from fault
    _check_revision(name, found, revision)


def _check_bytes(name: str, size: int, sha256: str, content: bytes) -> None:
    if not content:
        announced = "" if size == 0 else f" of {size} announced"
        raise errors.StillroomError(
            f"Migration file is empty (0 bytes{announced}): {name}. It was not kept.",
            "Check on the target that its disk is not full, that the pod is healthy, and that its temporary folder is "
            "writable (`invoke preflight`); then run it again.",
        )
    if size > SIZE_LIMIT or len(content) > SIZE_LIMIT:
        raise errors.StillroomError(
            f"{name} has {max(size, len(content))} bytes; a revision file may have {SIZE_LIMIT}.",
            "Move its data out of the migration, into a file that it loads.",
        )
    if len(content) != size:
        raise errors.StillroomError(
            f"{name} arrived with {len(content)} bytes of the {size} that were sent. It was not kept.",
            "The connection was cut; run it again.",
        )
    if durable.sha256(content) != sha256.lower():
        raise errors.StillroomError(
            f"{name} arrived changed: its SHA-256 is not the one announced. It was not kept.",
            "Run it again; if that does not help, something between here and the target rewrites what passes.",
        )


def _check_revision(name: str, found: revisions.Revision, revision: str) -> None:
    if found.id != revision:
        raise errors.StillroomError(
            f"{name} holds revision {found.id!r}, not the {revision!r} that was made.",
            "Look at the service's script.py.mako: it has to say `revision = ${repr(up_revision)}`.",
        )
    if not found.body.has_upgrade or not found.upgrade_ops:
        raise errors.StillroomError(
            f"{name} has no operation in `upgrade`: it would create nothing. It was not kept.",
            "Check that env.py imports the models and that the database it was generated on was empty "
            "(`invoke preflight`); then run it again.",
        )
