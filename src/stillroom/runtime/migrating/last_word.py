"""The reason of a failure, where Kubernetes looks for it: `kubectl describe pod` shows it, whoever has the logs."""

from __future__ import annotations

import contextlib
from pathlib import Path

from .. import faults, secrecy

__all__ = ["LOG", "write"]

LOG = "/dev/termination-log"
"""What Kubernetes shows as a container's message."""

_LONGEST = 4096


def write(what: str, fault: faults.Fault, path: str = LOG) -> None:
    """Writes it; nothing happens where there is no such file.

    Args:
        what: `Migration failed`.
        fault: why.
        path: of the file; it is never made.
    """
    file = Path(path)
    said = f"{what}: {fault.message} [{fault.code}]\n{fault.mend}\n"
    if file.exists():
        with contextlib.suppress(OSError), file.open("r+b") as opened:
            opened.write(str(secrecy.scrubbed(said)).encode()[:_LONGEST])
            opened.truncate()
