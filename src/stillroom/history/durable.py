"""Files that are on the disk when the call returns, and what to tell when the disk says no."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

from stillroom import errors

__all__ = ["fingerprint", "replace_file", "sha256", "sync_folder", "trouble", "write_new"]

_MENDS = {
    errno.ENOSPC: "Free space on that disk, then run the command again.",
    errno.EDQUOT: "Free space within the quota, then run the command again.",
    errno.EFBIG: "Raise the limit on file sizes (`ulimit -f`), then run the command again.",
    errno.EROFS: "Mount it writable (or work on a copy that is), then run the command again.",
    errno.EACCES: "Give yourself the right to write there (`chmod u+w`, `chown`), then run the command again.",
    errno.EPERM: "Give yourself the right to write there (`chmod`, `chown`, `chattr -i`), then run the command again.",
    errno.ENOENT: "Make the folder (`mkdir -p`), or correct its path in the registry.",
    errno.ENOTDIR: "Correct the path in the registry: it leads through a file.",
}


def sha256(content: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def fingerprint(path: Path) -> str | None:
    """The SHA-256 of what stands at `path` (through a link), or None if nothing does.

    Raises:
        OSError: it cannot be read, or is a folder.
    """
    try:
        return sha256(path.read_bytes())
    except FileNotFoundError:
        if path.is_symlink():  # a link to nowhere is something, too
            return sha256(b"\0link " + os.fsencode(path.readlink()))
        return None


def write_new(path: Path, content: bytes) -> None:
    """Make a file that was not there, with the mode that the umask leaves, and see it onto the disk.

    Raises:
        OSError: it is there already, or cannot be written; then nothing of it stays.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def replace_file(path: Path, content: bytes) -> None:
    """Give `path` a new content in one step: a reader, or a crash, sees the old or the new one.

    Raises:
        OSError: it cannot be written; then the old content stands.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    write_new(temporary, content)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """See the names in a folder onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def trouble(what: str, where: Path, exc: OSError) -> errors.StillroomError:
    """The error to raise for an `OSError`: what could not be done, where, why, and what to do about that."""
    reason = (exc.strerror or type(exc).__name__).lower()
    mend = _MENDS.get(exc.errno or 0, f"Look at {where}, then run the command again.")
    return errors.StillroomError(f"{what}: {where}: {reason}.", mend)
