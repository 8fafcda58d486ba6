"""What a disk refuses, told as a fault: nobody's code is wrong then."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from .. import faults

__all__ = ["refused", "temporary"]

_MENDS = {
    errno.ENOSPC: "free space on that disk, then run it again",
    errno.EDQUOT: "free space within the quota, then run it again",
    errno.EFBIG: "raise the limit on file sizes (`ulimit -f`), then run it again",
    errno.EROFS: "mount it writable, or set TMPDIR to a folder that is, then run it again",
}
# In a container whose own disk is read-only this is mostly the one place that is not.
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - what is made there is for its owner alone


def refused(doing: str, error: BaseException) -> faults.Fault | None:
    """The fault `disk-refused`, if that is what an error tells of; None for any other.

    Args:
        doing: what was under way, before a colon.
        error: whatever came up.
    """
    if not isinstance(error, OSError) or error.errno not in _MENDS:
        return None
    where = f"{error.filename}: " if error.filename else ""
    return faults.Fault("disk-refused", f"{doing}: {where}{str(error.strerror).lower()}", _MENDS[error.errno])


def temporary() -> Path:
    """The folder for temporary files. Never the working directory, which is the service's own.

    Raises:
        faults.Fault: `disk-refused`, if nothing can be written to any.
    """
    missing: OSError | None = None
    try:
        found = tempfile.gettempdir()
        if found != os.getcwd():  # noqa: PTH109 - tempfile says it in this very form, as its last resort
            return Path(found)
    except FileNotFoundError as error:
        missing = error
    if _takes(_SHARED_MEMORY):
        return Path(_SHARED_MEMORY)
    raise faults.Fault(
        "disk-refused",
        "there is no temporary folder that a file can be written to (tried $TMPDIR, /tmp, /var/tmp, /usr/tmp, /dev/shm)",
        "free space there (`df -h /tmp`), or set TMPDIR to a folder with room, then run it again",
    ) from missing


def _takes(folder: str) -> bool:
    """Whether a file there can hold a byte."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            return file.write(b"x") == 1
    except OSError:
        return False
