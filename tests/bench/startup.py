"""How long it takes until a command begins: `invoke --list` against an empty `tasks.py`, and the quick commands."""

from __future__ import annotations

from pathlib import Path

from tests.bench import fleets, meter, processes

__all__ = ["COMMANDS", "listing", "quick"]

COMMANDS = (("services",), ("status",))


def listing(fleet: fleets.Fleet, empty: Path, pairs: int) -> tuple[meter.Series, meter.Series]:
    """`invoke --list` in a folder whose `tasks.py` is empty, and in the fleet's: in turns, so that noise hits both.

    Args:
        fleet: whose `tasks.py` hands over Stillroom's namespace.
        empty: a folder to make.
        pairs: how many runs of each, after one of each that does not count.
    """
    empty.mkdir()
    (empty / "tasks.py").write_text("", encoding="utf-8")
    plain, ours = meter.Series("invoke --list, empty tasks.py"), meter.Series("invoke --list")
    clock = meter.Meter(None)
    for number in range(pairs + 1):
        for series, folder in ((plain, empty), (ours, fleet.root)):
            sample = clock.run(lambda here=folder: _invoke(here, "--list"))
            if number:
                series.samples.append(sample)
    return plain, ours


def quick(fleet: fleets.Fleet, clock: meter.Meter, rounds: int) -> list[meter.Series]:
    """The commands that only look, as far as this version has them."""
    known = _invoke(fleet.root, "--list")
    found = []
    for arguments in COMMANDS:
        if f"  {arguments[0]} " not in known:
            continue
        series = meter.Series("invoke " + " ".join(arguments))
        _invoke(fleet.root, *arguments)
        series.samples += [clock.run(lambda each=arguments: _invoke(fleet.root, *each)) for _ in range(rounds)]
        found.append(series)
    return found


def _invoke(folder: Path, *arguments: str) -> str:
    # Invoke exits with 1 where there is no task to list.
    empty = not (folder / "tasks.py").stat().st_size
    return processes.run([processes.program("invoke"), *arguments], folder, accepted=(1,) if empty else (0,))
