"""`python -m tests.bench [--only SECTION,…] [--rounds N] [--services N] [--minutes N] [--json FILE]`."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from stillroom.embedded import server
from tests.bench import (
    baselines,
    checking,
    clusters,
    fleets,
    manifesting,
    meter,
    migrating,
    ours,
    processes,
    report,
    serving,
    startup,
    verifying,
)

_A = "A: loop with proof"
_B = "B: loop without proof"
_OURS = "invoke regenerate"
_FOOTNOTE = """\
Both loops go through the services one after the other, with psql and alembic as commands, on databases of their own on
the same server. A: empty the schemas; alembic revision --autogenerate, upgrade head, check, downgrade base, upgrade head.
B: the first two of these. What plain autogenerate writes for these models does not run (missing imports, cyclic foreign
keys, enum types that a downgrade leaves behind), so in A, after its own revision --autogenerate, the file that Stillroom
made and proved takes its place; the swap does not count. Version folders are emptied before each run, bytecode is warm.\
"""
_SIZES = ((1, 5), (14, 5), (50, 3), (200, 1))


class Bench:
    """The sections, and what they share: a temporary folder, a limit of time, the report.

    Args:
        folder: temporary.
        rounds: how often each contender runs.
        services: size of the fleet on which they are compared.
        minutes: after these no further round begins.
    """

    def __init__(self, folder: Path, rounds: int, services: int, minutes: float) -> None:
        self._folder = folder
        self._rounds = rounds
        self._count = services
        self._until = time.monotonic() + minutes * 60
        self._fleets: dict[int, fleets.Fleet] = {}
        self.report = report.Report(Console(width=None if sys.stdout.isatty() else 110))

    @property
    def sections(self) -> dict[str, Callable[[], None]]:
        """By name, in the order in which they run."""
        return {
            "startup": self.startup,
            "manifests": self.manifests,
            "check": self.check,
            "verify": self.verify,
            "migrate": self.migrate,
            "serve": self.serve,
            "regenerate": self.regenerate,
            "cluster": self.cluster,
            "memory": self.memory,
            "sizes": self.sizes,
        }

    def regenerate(self) -> None:
        """Stillroom against both loops, in turns."""
        with self._open(self._count) as (fleet, embedded, clock):
            self.report.results["versions"] = report.versions(embedded.version)
            self.report.say(f"warming up: {self._count} services, one run of each contender that does not count")
            ours.regenerate(fleet, clock)
            mine = self._copy()
            loop = baselines.Loop(mine, embedded, baselines.save_proven(fleet))
            loop.run(clock, proof=True)
            series = {name: meter.Series(name) for name in (_A, _B, _OURS)}
            unchanged = meter.Series("the same again: unchanged")
            for number in self._numbered(self._rounds):
                series[_A].samples.append(loop.run(clock, proof=True))
                series[_B].samples.append(loop.run(clock, proof=False))
                series[_OURS].samples.append(ours.regenerate(fleet, clock))
                unchanged.samples.append(ours.regenerate(fleet, clock, fresh=False))
                each = ", ".join(f"{one.samples[-1].seconds:.2f} s" for one in (*series.values(), unchanged))
                self.report.say(f"round {number}: {each} (A, B, regenerate, unchanged)")
        self._compare(series, unchanged)

    def _compare(self, series: dict[str, meter.Series], unchanged: meter.Series) -> None:
        base = series[_OURS].seconds
        rows = [(each, f"{each.seconds / base:.2f} x") for each in (*series.values(), unchanged)]
        self.report.series(f"regenerate, {self._count} services", rows, "of ours")
        for name, least in ((_A, 8.0), (_B, 2.0)):
            self.report.note(
                self.report.target(f"times as fast as {name}", series[name].seconds / base, least, least=True)
            )
        self.report.note(f"[dim]{_FOOTNOTE}[/]")
        self.report.results["regenerate"] = {
            "services": self._count,
            "footnote": _FOOTNOTE,
            "series": [each.to_dict() for each in (*series.values(), unchanged)],
        }

    def sizes(self) -> None:
        """Fleets from one service to many."""
        rows = []
        found = {}
        for count, wanted in _SIZES:
            rounds = min(wanted, self._rounds)
            with self._open(count) as (fleet, _, clock):
                series = meter.Series(f"{count} service{'s' if count != 1 else ''}")
                self.report.say(f"{count} services: one run that does not count, then {rounds}")
                ours.regenerate(fleet, clock)
                for _ in self._numbered(rounds):
                    series.samples.append(ours.regenerate(fleet, clock))
            rows.append((series, f"{series.seconds / count:.3f}"))
            found[str(count)] = {**series.to_dict(), "seconds_per_service": series.seconds / count}
        self.report.series("regenerate by size of the fleet", rows, "s a service")
        self.report.results["sizes"] = found

    def memory(self) -> None:
        """Peak memory of the operator's process, by size of the fleet."""
        found = {}
        for count in sorted({1, self._count, 50}):
            with self._open(count) as (fleet, _, _clock):
                found[str(count)] = peak = ours.peaks(fleet)
            line = ", ".join(f"{name} {value:.0f} MiB" for name, value in peak.items())
            self.report.note(f"peak memory, {count} services: {line}")
        self.report.results["peak_memory_mib"] = found

    def startup(self) -> None:
        """How long until a command begins."""
        with self._open(self._count) as (fleet, _, clock):
            plain, listed = startup.listing(fleet, self._folder / "empty", max(5, 3 * self._rounds))
            others = startup.quick(fleet, clock, self._rounds)
        ratio = listed.seconds / plain.seconds
        rows = [(each, f"{each.seconds / plain.seconds:.2f} x") for each in (plain, listed, *others)]
        self.report.series("start-up", rows, "of empty")
        self.report.note(self.report.target("invoke --list, times an empty tasks.py", ratio, 1.5, least=False))
        self.report.results["startup"] = [each.to_dict() for each in (plain, listed, *others)]

    def check(self) -> None:
        """`invoke check` of thousands of files."""
        self.report.say(f"writing {checking.FILES} revision files; one run of each that does not count")
        found = checking.measure(self._new("check"), self._rounds)
        base = found[0].seconds
        title = f"check, {checking.FILES} revision files"
        self.report.series(title, [(each, f"{each.seconds - base:+.2f}") for each in found], "s to start")
        # Processor time, and without the start: what else runs on the machine makes the clock's longer by far.
        start, first, again = (each.python for each in found)
        self.report.note(f"processor seconds for {checking.FILES} files, read the first time: {first - start:.2f}")
        self.report.note(
            self.report.target(f"processor seconds for {checking.FILES} files, again", again - start, 1.0, least=False)
        )
        self.report.results["check"] = {"files": checking.FILES, "series": [each.to_dict() for each in found]}

    def manifests(self) -> None:
        """`invoke render-manifests` of up to a thousand services.

        Held to processor seconds: what else runs on the machine makes the clock's longer by far.
        """
        self.report.say(
            f"writing registries of {', '.join(map(str, manifesting.SIZES))} services; one run that does not count"
        )
        found = manifesting.measure(self._new("manifests"), self._rounds)
        largest = manifesting.SIZES[-1]
        rows = [
            (each, f"{1000 * each.seconds / count:.1f}") for each, count in zip(found, manifesting.SIZES, strict=True)
        ]
        self.report.series("render-manifests by size of the fleet", rows, "ms a service")
        memory = manifesting.peak()
        for what, value, limit in (
            (f"processor seconds to render and validate {largest} services", found[-1].python, 20.0),
            (f"MiB at most, {largest} services (largest process so far)", memory, 300.0),
            ("processor seconds a service, the largest fleet's to the smallest's", _growth(found), 1.25),
        ):
            self.report.note(self.report.target(what, value, limit, least=False))
        self.report.results["manifests"] = {
            "services": list(manifesting.SIZES),
            "series": [each.to_dict() for each in found],
            "peak_memory_mib": memory,
        }

    def cluster(self) -> None:
        """The same fleet in pods of a cluster on the loopback, and on this machine, in turns; and the execs it takes."""
        here, there = meter.Series("on this machine"), meter.Series("in pods")
        with (
            self._open(self._count) as (fleet, embedded, clock),
            clusters.opened(fleet, embedded, self._new("cluster")) as cluster,
        ):
            self.report.say(f"{self._count} services in pods: one run of each that does not count")
            ours.regenerate(fleet, clock)
            clusters.regenerate(fleet, cluster, clock)
            before = clusters.execs(cluster)
            for _ in self._numbered(self._rounds):
                here.samples.append(ours.regenerate(fleet, clock))
                there.samples.append(clusters.regenerate(fleet, cluster, clock))
            execs = (clusters.execs(cluster) - before) / len(there.samples) / self._count
        ratio = there.seconds / here.seconds
        rows = [(here, "1.00 x"), (there, f"{ratio:.2f} x")]
        self.report.series(f"regenerate, {self._count} services, on a cluster", rows, "of this machine's")
        self.report.note(self.report.target("times this machine's time, in pods", ratio, 1.5, least=False))
        self.report.note(self.report.target("execs a service", execs, 1.0, least=False))
        self.report.results["cluster"] = {"series": [here.to_dict(), there.to_dict()], "execs_a_service": execs}

    def verify(self) -> None:
        """A verification: the whole process, with one revision and with a thousand; and with depth.

        Ratios are of processor seconds: what else runs on the machine makes the clock's longer by far.
        """
        with self._open(1) as (fleet, embedded, clock):
            few, many = (verifying.whole(fleet, embedded, clock, 2 * self._rounds, each) for each in (1, 1000))
            answered = verifying.deep(embedded, 10 * self._rounds)
        base = few[verifying.VERIFY].python
        rows = [(each, f"{each.python / base:.2f} x") for each in (*few.values(), *many.values())]
        self.report.series("verify, whole process, at head", rows, "of ours, CPU")
        for found, count in ((few, "1 revision"), (many, "1,000 revisions")):
            ratio = found[verifying.ALEMBIC].python / found[verifying.VERIFY].python
            what = f"verify, times as fast as {verifying.ALEMBIC}, {count}"
            self.report.note(self.report.target(what, ratio, 5, least=True))
        over = base / few[verifying.BARE].python
        self.report.note(self.report.target("verify, times the bare script", over, 1.3, least=False))
        more = 1000 * (many[verifying.VERIFY].python - base)
        self.report.note(self.report.target("milliseconds more with 1,000 revisions", more, 60, least=False))
        for name, each in answered.items():
            self.report.note(
                f"{name}: {each.clock:.1f} ms on the clock, {each.processor:.1f} ms of the server's processor"
            )
        deep = answered["verify --deep"].processor
        what = f"processor milliseconds of verify --deep, {verifying.TABLES} tables"
        self.report.note(self.report.target(what, deep, 100, least=False))
        self.report.results["verify"] = {
            "series": [each.to_dict() for each in (*few.values(), *many.values())],
            "first_statement_milliseconds": {
                name: {"clock": each.clock, "processor": each.processor} for name, each in answered.items()
            },
        }

    def migrate(self) -> None:
        """A migration Job that has nothing to do."""
        with self._open(1) as (fleet, embedded, clock):
            plain, mine = migrating.nothing_to_do(fleet, embedded, clock, 2 * self._rounds)
        rows = [(each, f"{plain.seconds / each.seconds:.2f} x") for each in (plain, mine)]
        self.report.series("migrate with nothing to do", rows, "as fast")
        ratio = plain.seconds / mine.seconds
        self.report.note(
            self.report.target("times as fast as alembic upgrade head, nothing to do", ratio, 4, least=True)
        )
        self.report.results["migrate"] = [each.to_dict() for each in (plain, mine)]

    def serve(self) -> None:
        """The start of a service."""
        with self._open(1) as (fleet, embedded, clock):
            ours.regenerate(fleet, clock)
            plain, whole = serving.in_process(fleet, embedded, 50 * self._rounds)
            found = serving.starts(fleet, embedded, 2 * self._rounds, self.report.say)
        base = found[serving.VERIFY].seconds
        rows = [(each, f"{each.seconds / base:.2f} x") for each in found.values()]
        self.report.series("service start, to the first 200 on /health/ready", rows, "of verifying")
        for name in (serving.BEFORE, serving.DEVELOPMENT):
            # The documents claim 50 to 80 %; this is what is true of an example service.
            clock = 100 * (1 - base / found[name].seconds)
            processor = 100 * (1 - found[serving.VERIFY].python / found[name].python)
            self.report.note(
                f"verifying takes {clock:.0f} % less time ({processor:.0f} % less processor time) than: {name}"
            )
        self.report.note(f"a warm connection: SELECT 1 {plain:.2f} ms, a whole verification {whole:.2f} ms")
        self.report.note(self.report.target("milliseconds more than SELECT 1, warm", whole - plain, 3, least=False))
        self.report.results["serve"] = {
            "series": [each.to_dict() for each in found.values()],
            "warm_select_1_milliseconds": plain,
            "warm_verification_milliseconds": whole,
        }

    @contextlib.contextmanager
    def _open(self, count: int) -> Iterator[tuple[fleets.Fleet, server.Embedded, meter.Meter]]:
        """A fleet of that size, with its server up for as long as the block."""
        if count not in self._fleets:
            self.report.say(f"copying a fleet of {count}")
            self._fleets[count] = fleets.build(self._new(f"fleet-{count}"), count)
        fleet = self._fleets[count]
        with server.running(fleet.state) as embedded:
            yield fleet, embedded, meter.Meter(server.status(fleet.state).pid)

    def _copy(self) -> fleets.Fleet:
        """A fleet that the loops have for themselves."""
        return fleets.build(self._new("loops"), self._count)

    def _new(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir()
        return folder

    def _numbered(self, rounds: int) -> Iterator[int]:
        """1, 2, …: at least one, and none that would begin after the time is up."""
        for number in range(1, rounds + 1):
            if number > 1 and time.monotonic() > self._until:
                self.report.note(f"[yellow]the time is up: {number - 1} of {rounds} rounds[/]")
                return
            yield number


def _growth(found: list[meter.Series]) -> float:
    """How much more a service costs in the largest fleet than in the smallest."""
    each = [series.python / count for series, count in zip(found, manifesting.SIZES, strict=True)]
    return each[-1] / each[0]


def main() -> int:
    """Runs what was asked for; exit status 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--only",
        default="",
        help="sections, separated by commas: startup, manifests, check, verify, migrate, serve, regenerate, cluster, "
        "memory, sizes",
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs of each contender (5)")
    parser.add_argument("--services", type=int, default=14, help="size of the fleet for the comparison (14)")
    parser.add_argument("--minutes", type=float, default=15, help="after these, no further round begins (15)")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the results go (bench.json)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stillroom-bench-") as folder:
        Path(folder).chmod(0o755)  # the server may run as another user
        bench = Bench(Path(folder), given.rounds, given.services, given.minutes)
        wanted = [each for each in given.only.split(",") if each] or list(bench.sections)
        unknown = set(wanted) - set(bench.sections)
        if unknown:
            parser.error(f"no such section: {', '.join(sorted(unknown))} (there are: {', '.join(bench.sections)})")
        bench.report.results["versions"] = report.versions()
        try:
            for name in wanted:
                bench.sections[name]()
        except processes.ProgramFailed as failed:
            print(f"\n{failed}", file=sys.stderr)  # noqa: T201 - the benchmark is a program
            return 2
    bench.report.write(given.json)
    return 1 if bench.report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
