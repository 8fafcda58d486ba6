"""`logs`: what a service's newest migration Job printed, from the cluster, or as a run stored it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stillroom import errors, fleet, journal
from stillroom.registry import model
from stillroom.rollout import cluster, judging, logs, running

__all__ = ["Found", "follow", "read"]


@dataclasses.dataclass(frozen=True)
class Found:
    """Where a log came from.

    Attributes:
        job: the newest migration Job; empty: the cluster has none any more.
        state: how it stands: `running`, `done`, `failed`; empty where it is not there.
        pods: whose logs were read, in the order in which they were made.
        stored: the file, where a run had stored it; empty: it came from the cluster.
        lines: how many.
        printed: the lines themselves, where they are not printed at once.
    """

    job: str
    state: str
    pods: tuple[str, ...]
    stored: str
    lines: int
    printed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return dataclasses.asdict(self)


def read(found: cluster.Cluster, state: Path, service: model.Service, take: Callable[[str], None]) -> Found:
    """Hands on what the newest Job of a service has printed until now.

    Args:
        found: the cluster.
        state: the fleet's state folder, with the logs of earlier runs.
        service: whose.
        take: is given each line.

    Raises:
        errors.StillroomError: `no-job`: there is neither a Job nor a stored log; the cluster can't be asked.
    """
    newest = next(iter(found.jobs(service)), None)
    if newest is None:
        return _stored(state, service, take)
    count = _Counting(take)
    pods = found.pods(service, newest.name)
    namespace = found.namespace_of(service)
    for pod in pods:
        for container in pod.containers:
            if container.started and not container.sidecar:
                logs.Reader(found.door, namespace, pod.name, container.name, count).read(follow=False)
    verdict = judging.judge(newest, pods)
    return Found(newest.name, verdict.state, tuple(each.name for each in pods), "", count.lines)


def follow(found: cluster.Cluster, service: model.Service, runner: running.Runner, follower: fleet.Follower) -> Found:
    """Hands on what the newest Job prints until it has ended.

    Raises:
        results.JobFailed, results.JobRefused: it failed.
        errors.StillroomError: `no-job`.
    """
    newest = next(iter(found.jobs(service)), None)
    if newest is None:
        raise _none(service)
    result = runner.watch(service.name, found.namespace_of(service), newest, follower)
    return Found(result.job, judging.DONE, (result.pod,), "", 0)


def _stored(state: Path, service: model.Service, take: Callable[[str], None]) -> Found:
    path = journal.newest_log(state, service.name)
    if path is None:
        raise _none(service)
    count = _Counting(take)
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            count(logs.plain(line.rstrip("\n")))
    return Found("", "", (), str(path), count.lines)


def _none(service: model.Service) -> errors.StillroomError:
    error = errors.StillroomError(
        f"{service.name}: there is no migration Job of it, and no log of an earlier run",
        f"invoke apply --via job --service {service.name}",
    )
    error.code = "no-job"
    return error


class _Counting:
    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self.lines = 0

    def __call__(self, line: str) -> None:
        self.lines += 1
        self._take(line)
