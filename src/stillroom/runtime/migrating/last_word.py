"""How it ended, where Kubernetes looks for it: `kubectl describe pod` shows it, whoever has the logs.

Of a failure the reason, in words; of a success what was done, as JSON.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import faults, secrecy

__all__ = ["LOG", "VARIABLE", "done", "write"]

LOG = "/dev/termination-log"
"""What Kubernetes shows as a container's message, unless its `terminationMessagePath` is another."""

VARIABLE = "STILLROOM_TERMINATION_LOG"
"""Names that other path."""

_LONGEST = 4096
_KEPT = ("outcome", "before", "after", "current", "target")


def write(what: str, fault: faults.Fault, path: str = LOG) -> None:
    """Writes it; nothing happens where there is no such file.

    Args:
        what: `Migration failed`.
        fault: why.
        path: of the file; it is never made.
    """
    _write(f"{what}: {fault.message} [{fault.code}]\n{fault.mend}\n", path)


def done(told: Mapping[str, Any], path: str = LOG) -> None:
    """Writes what was done: `outcome`, `before`, `after`, `applied` (ids), of a downgrade `current`, `target`, `undone`.

    Args:
        told: what it came to.
        path: as for `write`.
    """
    kept = {key: told[key] for key in _KEPT if key in told}
    for key, name in (("applied", "applied"), ("reverted", "undone")):
        if key in told:
            kept[name] = [each["revision"] for each in told[key]]
    said = json.dumps(kept)
    if len(said.encode()) > _LONGEST:  # a first migration may apply hundreds; where it went tells as much
        said = json.dumps({key: value for key, value in kept.items() if key not in ("applied", "undone")})
    _write(said, path)


def _write(said: str, path: str) -> None:
    file = Path(path)
    if file.exists():
        with contextlib.suppress(OSError), file.open("r+b") as opened:
            opened.write(str(secrecy.scrubbed(said)).encode()[:_LONGEST])
            opened.truncate()
