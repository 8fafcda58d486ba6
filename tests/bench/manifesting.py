"""What rendering and checking the manifests of many services costs: time and memory, by size of the fleet."""

from __future__ import annotations

import resource
from pathlib import Path

from tests.bench import meter, processes

__all__ = ["RELEASE", "SIZES", "measure", "peak"]

SIZES = (250, 500, 1000)
RELEASE = "1.33"
_TASKS = "from stillroom.tasks import namespace\n"


def measure(root: Path, rounds: int) -> list[meter.Series]:
    """`invoke render-manifests` of fleets of `SIZES`: rendered, held against the schemas, and written.

    Args:
        root: an empty folder.
        rounds: runs of each, in turns, after one of each that does not count.
    """
    series = [meter.Series(f"{count} services") for count in SIZES]
    clock = meter.Meter(None)
    for count in SIZES:
        _write(root / str(count), count)
    for number in range(rounds + 1):
        for count, each in zip(SIZES, series, strict=True):
            sample = clock.run(lambda count=count: _run(root / str(count)))
            if number:
                each.samples.append(sample)
    return series


def peak() -> float:
    """MiB of the largest child process so far: call it after `measure`, in a process that started nothing larger."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _run(folder: Path) -> None:
    processes.run([processes.program("invoke"), "render-manifests", "--kubernetes-version", RELEASE], folder)


def _write(folder: Path, count: int) -> None:
    """Services that differ in more than their names, as those of a fleet do."""
    folder.mkdir()
    lines = [
        "defaults:",
        "  path: .",
        '  config: "{name}.ini"',
        "  namespace: fleet",
        "  image: registry.example/fleet/{name}:1.4.2",
        "  network_policy: true",
        "environments:",
        "  production: {target: kubernetes, protected: true, operator: {groups: [operators]}}",
        "services:",
    ]
    for number in range(count):
        said = [f"port: {8000 + number % 7}", *([f"job: {{lock_wait: {number % 11 + 1}min}}"] if number % 5 == 0 else [])]
        after = [f"after: [service-{number - 1:04d}]"] if number % 10 == 9 else []
        lines.append(f"  service-{number:04d}: {{{', '.join([*said, *after])}}}")
    (folder / "services.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "tasks.py").write_text(_TASKS, encoding="utf-8")
