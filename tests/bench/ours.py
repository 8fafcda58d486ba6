"""Stillroom itself, measured from outside: whole commands, from the start of the process to its end."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from tests.bench import fleets, meter, processes

__all__ = ["peaks", "regenerate"]

_COMMAND = ("regenerate", "--yes")
_LOOK_SECONDS = 0.05


def regenerate(fleet: fleets.Fleet, clock: meter.Meter, *, fresh: bool = True) -> meter.Sample:
    """`invoke regenerate --yes` on all services.

    Args:
        fleet: whose.
        clock: measures.
        fresh: whether the version folders are emptied before; else the second run changes nothing.
    """
    if fresh:
        fleet.empty_versions()
    sample = clock.run(lambda: _run(fleet))
    made = [len(list(each.versions.glob("*.py"))) for each in fleet.services]
    if set(made) != {1}:
        raise processes.ProgramFailed(f"after regenerate, the version folders hold {made} files")
    return sample


def _run(fleet: fleets.Fleet) -> None:
    processes.run([processes.program("invoke"), *_COMMAND], fleet.root)


def peaks(fleet: fleets.Fleet) -> dict[str, float]:
    """Peak resident memory in MiB while a fleet is regenerated: of the operator's process, and of the preloaded parent.

    Each by itself, not their sum: what a forked process shares with its parent would count again and again.
    """
    fleet.empty_versions()
    found = {"operator": 0.0, "parent": 0.0}
    process = subprocess.Popen(
        [processes.program("invoke"), *_COMMAND],
        cwd=fleet.root,
        env=processes.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ended = threading.Event()
    looking = threading.Thread(target=_look, args=(process.pid, found, ended))
    looking.start()
    status = process.wait()
    ended.set()
    looking.join()
    if status:
        raise processes.ProgramFailed(f"regenerate exited with {status}")
    return found


def _look(pid: int, found: dict[str, float], ended: threading.Event) -> None:
    """High-water marks only grow, so the last look before the end counts; they are read until then."""
    while not ended.wait(_LOOK_SECONDS):
        found["operator"] = max(found["operator"], _high_water(pid))
        for child in _children(pid):
            if "stillroom" in _command(child):
                found["parent"] = max(found["parent"], _high_water(child))


def _children(pid: int) -> list[int]:
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(each) for each in file.read_text(encoding="ascii").split()]
        except OSError:
            continue
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _high_water(pid: int) -> float:
    """VmHWM in MiB; 0 for a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0.0
    marks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return marks[0] / 1024 if marks else 0.0
