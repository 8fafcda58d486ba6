"""Who made something that outlives processes, and whether that process still lives.

What a killed run leaves can be cleared away at once if its maker is known to be dead. A number alone does not tell:
another machine, or another container, has processes of the same number. So a maker is named with the boot of the machine
and the process namespace; where the system does not tell those (macOS), nobody is ever known to be dead.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

__all__ = ["dead", "dead_tag", "living", "myself", "tag"]

_NAMED = re.compile(r"pid (\d+) of ([0-9a-f-]{36}\.\d+)")
_TAGGED = re.compile(r"(\d+)\.([0-9a-f]{8})-")


def myself() -> str:
    """This process, for others to read: `pid 17 of <boot>.<namespace>`, or `pid 17`."""
    home = _home()
    return f"pid {os.getpid()} of {home}" if home else f"pid {os.getpid()}"


def dead(text: str) -> bool:
    """Whether the maker that a text names is known to be dead.

    Args:
        text: anything that holds what `myself` said.
    """
    found = _NAMED.search(text)
    return found is not None and found[2] == _home() and not _alive(int(found[1]))


def living(text: str) -> bool:
    """Whether the maker that a text names is known to be alive (or another process has its number by now)."""
    found = _NAMED.search(text)
    home = _home()
    return found is not None and bool(home) and found[2] == home and _alive(int(found[1]))


def tag() -> str:
    """This process, as it can stand in the name of a file."""
    return f"{os.getpid()}.{_short(_home())}"


def dead_tag(text: str) -> bool:
    """Whether the maker is known to be dead whose `tag` a text begins with, followed by a dash."""
    found = _TAGGED.match(text)
    home = _home()
    return found is not None and bool(home) and found[2] == _short(home) and not _alive(int(found[1]))


def _short(home: str) -> str:
    return hashlib.sha256(home.encode()).hexdigest()[:8]


def _home() -> str:
    """The boot of this machine and the namespace that process numbers belong to; empty where that is not told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"
    except (OSError, UnicodeDecodeError):
        return ""


def _alive(pid: int) -> bool:
    """Whether the process exists and is no zombie: in a container without an init nobody may collect it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")
