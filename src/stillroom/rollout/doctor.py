"""What `doctor` looks at: every part is asked by itself, so that one that does not answer hides no other."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from stillroom import errors, fleet, manifests, session
from stillroom.registry import model
from stillroom.rollout import cluster, diagnosis, judging, logs, manifest_store
from stillroom.runtime import faults
from stillroom.targets.kubernetes import pods as choosing

__all__ = ["run"]

T = TypeVar("T")
_LINES = 15


def run(
    opened: session.Session, found: cluster.Cluster, services: Sequence[model.Service], watcher: fleet.Watcher
) -> list[fleet.Outcome[diagnosis.Diagnosis]]:
    """A diagnosis of each service. What can't be looked at is a part of it."""

    def one(service: model.Service, follower: fleet.Follower) -> diagnosis.Diagnosis:
        return diagnosis.diagnose(_facts(opened, found, service, follower))

    return fleet.run(services, one, watcher, jobs=opened.jobs)


def _facts(
    opened: session.Session, found: cluster.Cluster, service: model.Service, follower: fleet.Follower
) -> diagnosis.Facts:
    follower.step("workload")
    workload = _tried(lambda: _workload(found, service))
    follower.step("job")
    job = _tried(lambda: next(iter(found.jobs(service)), None))
    job_pods: Sequence[judging.Pod] = ()
    if isinstance(job, judging.Job):
        with contextlib.suppress(errors.StillroomError):
            job_pods = found.pods(service, job.name)
    lines = _last_lines(found, service, job_pods)
    follower.step("database")
    return diagnosis.Facts(
        service=service.name,
        workload=workload,
        pods=_tried(lambda: _pods(found, service, workload)),
        wanted=_tried(lambda: _wanted(opened.fleet, found, service)),
        job=job,
        job_pods=job_pods,
        lines=lines,
        verified=_tried(lambda: _verified(opened, service, follower)),
        run=_tried(lambda: _newest_run(opened, service, follower)),
    )


def _tried(look: Callable[[], T]) -> T | diagnosis.Trouble:
    try:
        return look()
    except (errors.StillroomError, faults.Fault) as error:
        return diagnosis.Trouble(error.code, error.message, error.mend)


def _workload(found: cluster.Cluster, service: model.Service) -> Mapping[str, Any] | None:
    """The workload, of whatever kind."""
    for kind in choosing.KINDS:
        asked = ["get", kind.lower(), service.workload, "--ignore-not-found"]
        printed = found.door.run(*asked, "-o", "name", namespace=found.namespace_of(service))
        if printed.strip():
            return {**found.door.json(*asked, namespace=found.namespace_of(service)), "kind": kind}
    return None


def _pods(
    found: cluster.Cluster, service: model.Service, workload: Mapping[str, Any] | diagnosis.Trouble | None
) -> list[Mapping[str, Any]]:
    """The pods that the workload's selector names."""
    if workload is None or isinstance(workload, diagnosis.Trouble):
        return []
    labels = ((workload.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    chosen = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    if not chosen:
        return []
    answer = found.door.json("get", "pods", f"--selector={chosen}", namespace=found.namespace_of(service))
    return list(answer.get("items") or ())


def _wanted(registry: model.Fleet, found: cluster.Cluster, service: model.Service) -> str:
    """The name of the Job that services.yaml makes now."""
    with tempfile.TemporaryDirectory(prefix="stillroom-") as folder:
        wanted = manifests.Options(profile="plain", namespace=found.namespace)
        rendered = manifest_store.Store(Path(folder)).render(registry, found.environment, [service], wanted)
    return rendered[service.name].job


def _last_lines(found: cluster.Cluster, service: model.Service, pods: Sequence[judging.Pod]) -> tuple[str, ...]:
    tail = logs.Tail(_LINES)
    for pod in pods[-1:]:
        for each in pod.containers:
            if each.started and not each.sidecar:
                with contextlib.suppress(errors.StillroomError):
                    reader = logs.Reader(found.door, found.namespace_of(service), pod.name, each.name, tail.add)
                    reader.read(follow=False)
    return tail.lines


def _verified(opened: session.Session, service: model.Service, follower: fleet.Follower) -> Mapping[str, Any]:
    """The verdict of the database, ready or not."""
    try:
        return opened.call(service, "verify", {"deep": False, "ahead": "allow"}, follower)
    except faults.Fault as fault:
        if fault.data.get("state"):
            return fault.data
        raise


def _newest_run(opened: session.Session, service: model.Service, follower: fleet.Follower) -> Mapping[str, Any] | None:
    answer = opened.call(service, "history", {"most": 1}, follower)
    return next(iter(answer["runs"]), None)
