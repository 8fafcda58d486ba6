"""What a run costs: time on the clock, and processor time of Python and of PostgreSQL apart from each other."""

from __future__ import annotations

import dataclasses
import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["Meter", "Sample", "Series"]

_TICK = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Sample:
    """One run.

    Attributes:
        seconds: on the clock, without what was paused.
        python: processor seconds (user and system) of the processes that were started.
        postgres: processor seconds of the server, on whose account they were; None where it is not known.
    """

    seconds: float
    python: float
    postgres: float | None


@dataclasses.dataclass
class Series:
    """The runs of one contender."""

    name: str
    samples: list[Sample] = dataclasses.field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The median on the clock."""
        return statistics.median(each.seconds for each in self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """The fastest and the slowest."""
        every = [each.seconds for each in self.samples]
        return min(every), max(every)

    @property
    def python(self) -> float:
        """The median of Python's processor seconds."""
        return statistics.median(each.python for each in self.samples)

    @property
    def postgres(self) -> float | None:
        """The median of PostgreSQL's processor seconds."""
        known = [each.postgres for each in self.samples if each.postgres is not None]
        return statistics.median(known) if known else None

    def to_dict(self) -> dict[str, object]:
        """JSON-able form."""
        return {
            "name": self.name,
            "median_seconds": self.seconds,
            "min_seconds": self.spread[0],
            "max_seconds": self.spread[1],
            "median_python_cpu_seconds": self.python,
            "median_postgres_cpu_seconds": self.postgres,
            "runs": [dataclasses.asdict(each) for each in self.samples],
        }


class Meter:
    """Measures work that is done by child processes of this one and by a PostgreSQL server.

    Args:
        postmaster: process id of the server, or None.
    """

    def __init__(self, postmaster: int | None) -> None:
        self._postmaster = postmaster
        self._paused = Sample(0.0, 0.0, 0.0)

    def run(self, work: Callable[[], object]) -> Sample:
        """The cost of `work`."""
        self._paused = Sample(0.0, 0.0, 0.0)
        spent = _difference(self._now, work)
        return _less(spent, self._paused)

    def uncounted(self, work: Callable[[], object]) -> None:
        """Does, in the middle of a run, something that must not count."""
        spent = _difference(self._now, work)
        self._paused = _less(self._paused, spent, sign=1)

    def _now(self) -> Sample:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        server = None if self._postmaster is None else _server_seconds(self._postmaster)
        return Sample(time.perf_counter(), children.ru_utime + children.ru_stime, server)


def _difference(now: Callable[[], Sample], work: Callable[[], object]) -> Sample:
    before = now()
    work()
    return _less(now(), before)


def _less(left: Sample, right: Sample, *, sign: int = -1) -> Sample:
    server = None
    if left.postgres is not None and right.postgres is not None:
        server = left.postgres + sign * right.postgres
    return Sample(left.seconds + sign * right.seconds, left.python + sign * right.python, server)


def _server_seconds(postmaster: int) -> float | None:
    """Processor seconds of a postmaster, of its children that ended, and of those that live."""
    if not Path("/proc/self/stat").exists():
        return None
    own = _times(postmaster)
    return (sum(own) + sum(sum(_times(child)[:2]) for child in _children(postmaster))) / _TICK


def _children(pid: int) -> Sequence[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def _times(pid: int) -> tuple[int, ...]:
    """utime, stime, cutime, cstime in ticks; zeros for a process that is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return (0, 0, 0, 0)
    return tuple(int(each) for each in text.rpartition(")")[2].split()[11:15])
