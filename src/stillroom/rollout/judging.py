"""What a Job and its pods say, as Kubernetes tells of them: running, done, or failed and why. Pure.

Facts are small on purpose: a watch sees whole objects, and keeps these.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom.rollout import reasons

__all__ = ["DONE", "FAILED", "RUNNING", "Container", "Job", "Pod", "Verdict", "judge"]

RUNNING = "running"
DONE = "done"
FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Container:
    """How one container of a pod is.

    Attributes:
        name: of the container.
        init: whether it is one that comes before the others.
        sidecar: whether it is an init container that goes on beside them.
        state: `waiting`, `running` or `terminated`.
        reason: Kubernetes' word for why (`ImagePullBackOff`, `Error`, `OOMKilled`, …); may be empty.
        message: what it says of that; of one that has ended, its termination message.
        exit_code: of one that has ended.
        image_id: the image's digest as the node resolved it; may be empty.
    """

    name: str
    init: bool
    sidecar: bool
    state: str
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    image_id: str = ""

    @property
    def started(self) -> bool:
        """Whether it has, or had, something to say in its log."""
        return self.state in ("running", "terminated")


@dataclasses.dataclass(frozen=True)
class Pod:
    """One pod of a Job: name, its Job's name, phase, containers in the order in which they start, and what keeps it back."""

    name: str
    job: str
    phase: str
    deleting: bool
    containers: tuple[Container, ...]
    unschedulable: str = ""
    created: str = ""
    reason: str = ""
    message: str = ""

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Pod:
        """The pod that the API describes."""
        meta, status, spec = value["metadata"], value.get("status") or {}, value.get("spec") or {}
        sidecars = {each["name"] for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"}
        containers = [
            _container(each, init=key == "initContainerStatuses", sidecar=each["name"] in sidecars)
            for key in ("initContainerStatuses", "containerStatuses")
            for each in status.get(key) or ()
        ]
        return cls(
            name=meta["name"],
            job=_job_of(meta),
            phase=status.get("phase", ""),
            deleting=bool(meta.get("deletionTimestamp")),
            containers=tuple(containers),
            unschedulable=_unschedulable(status),
            created=str(meta.get("creationTimestamp") or ""),
            reason=str(status.get("reason") or ""),
            message=str(status.get("message") or ""),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Job:
    """One Job: its name and uid, the condition that ended it, and how many of its pods are where."""

    name: str
    uid: str
    complete: bool = False
    failed: str = ""
    message: str = ""
    failing: str = ""
    deleting: bool = False
    suspended: bool = False
    active: int = 0
    retries: int = 0
    created: str = ""
    image: str = ""

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Job:
        """The Job that the API describes."""
        meta, status, spec = value["metadata"], value.get("status") or {}, value.get("spec") or {}
        true = {each["type"]: each for each in status.get("conditions") or () if each.get("status") == "True"}
        failed, target = true.get("Failed", {}), true.get("FailureTarget", {})
        containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or [{}]
        return cls(
            name=meta["name"],
            uid=str(meta.get("uid", "")),
            complete="Complete" in true,
            failed=str(failed.get("reason") or "Failed") if failed else "",
            message=str(failed.get("message") or target.get("message") or ""),
            failing=str(target.get("reason") or ""),
            deleting=bool(meta.get("deletionTimestamp")),
            suspended="Suspended" in true,
            active=int(status.get("active") or 0),
            retries=int(status.get("failed") or 0),
            created=str(meta.get("creationTimestamp") or ""),
            image=str(containers[0].get("image", "")),
        )

    @property
    def ended(self) -> bool:
        """Whether it is done or failed for good."""
        return self.complete or bool(self.failed)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How a Job stands.

    Attributes:
        state: `RUNNING`, `DONE` or `FAILED`.
        step: of one that runs: what it is at, in words.
        code, message, mend: of one that failed.
        container: the container that tells more, where one is at fault; None: none is.
        pod: its pod's name.
        trouble: of one that runs: what keeps it back and may end by itself; empty: nothing does.
    """

    state: str
    step: str = ""
    code: str = ""
    message: str = ""
    mend: str = ""
    container: Container | None = None
    pod: str = ""
    trouble: str = ""


def judge(job: Job | None, pods: Sequence[Pod]) -> Verdict:
    """How a Job stands.

    Args:
        job: None: it has been deleted.
        pods: those of it that there are, in any order.
    """
    if job is None:
        return _deleted()
    ordered = sorted(pods, key=lambda pod: (pod.created, pod.name))
    if job.complete:
        return Verdict(DONE)
    if job.failed:
        return _ended(job, ordered)
    stuck = _stuck(ordered)
    if stuck is not None:
        return stuck
    if job.deleting:
        return _deleted()
    return _under_way(job, ordered)


def _deleted() -> Verdict:
    return Verdict(
        FAILED,
        code="job-deleted",
        message="the Job was deleted before it ended",
        mend="find out who deleted it, then run it again: what was running was rolled back",
    )


def _ended(job: Job, pods: Sequence[Pod]) -> Verdict:
    """Why it failed: the Job's own limits, or else the container that failed last."""
    if job.failed == "DeadlineExceeded":
        return Verdict(
            FAILED,
            code="job-deadline",
            message="the Job was ended by its deadline (activeDeadlineSeconds); what was running was rolled back",
            mend="see in its log what it waited for; where it needs longer, raise its limits (job: in services.yaml)",
        )
    pod, container = _at_fault(pods)
    if container is not None and pod is not None:
        code, message, mend = reasons.of_end(container.name, container.exit_code, container.reason)
        return Verdict(FAILED, code=code, message=message, mend=mend, container=container, pod=pod.name)
    gone = next((each for each in reversed(pods) if each.reason), None)
    why = f"{gone.reason}: {gone.message}" if gone is not None else job.message or job.failed
    return Verdict(
        FAILED,
        code="job-failed",
        message=f"the Job failed ({job.failed}): {why}",
        mend="kubectl describe job tells more; invoke logs shows what was printed",
        pod=gone.name if gone is not None else "",
    )


def _at_fault(pods: Sequence[Pod]) -> tuple[Pod | None, Container | None]:
    """The container that failed last: of the newest pod that has one."""
    for pod in reversed(pods):
        for container in pod.containers:
            if container.state == "terminated" and container.exit_code:
                return pod, container
    return None, None


def _stuck(pods: Sequence[Pod]) -> Verdict | None:
    """A pod that waits for what doesn't come by itself."""
    for pod in pods:
        for container in pod.containers if not pod.deleting else ():
            if container.state == "waiting" and container.reason in reasons.STUCK:
                code, what, mend = reasons.STUCK[container.reason]
                message = f"{what}: {container.message or container.reason} ({container.reason})"
                return Verdict(FAILED, code=code, message=message, mend=mend, container=container, pod=pod.name)
    return None


def _under_way(job: Job, pods: Sequence[Pod]) -> Verdict:
    if job.failing:
        return Verdict(RUNNING, step=f"ending ({job.failing})")
    if job.suspended:
        return Verdict(RUNNING, step="suspended", trouble="the Job is suspended")
    living = [pod for pod in pods if not pod.deleting and pod.phase in ("Pending", "Running", "")]
    if not living:
        ended = any(pod.phase == "Succeeded" for pod in pods)
        return Verdict(RUNNING, step="ending" if ended else "trying again" if job.retries else "waiting for its pod")
    pod = living[-1]
    if pod.unschedulable:
        return Verdict(RUNNING, step="no node yet", pod=pod.name, trouble=f"no node takes its pod: {pod.unschedulable}")
    running = [each for each in pod.containers if each.state == "running" and not each.sidecar]
    if running:
        return Verdict(RUNNING, step=running[-1].name, pod=pod.name)
    ended = any(each.state == "terminated" and not each.init for each in pod.containers)
    return Verdict(RUNNING, step="ending" if ended else "starting", pod=pod.name)


def _container(status: Mapping[str, Any], *, init: bool, sidecar: bool) -> Container:
    states: Mapping[str, Any] = status.get("state") or {}
    kind = next((each for each in ("terminated", "running", "waiting") if each in states), "waiting")
    told: Mapping[str, Any] = states.get(kind) or {}
    last: Mapping[str, Any] = (status.get("lastState") or {}).get("terminated") or {}
    code = told.get("exitCode") if kind == "terminated" else last.get("exitCode")
    return Container(
        name=status["name"],
        init=init,
        sidecar=sidecar,
        state=kind,
        reason=str(told.get("reason") or ""),
        message=str(told.get("message") or (last.get("message") if kind == "waiting" else "") or ""),
        exit_code=None if code is None else int(code),
        image_id=str(status.get("imageID") or ""),
    )


def _job_of(meta: Mapping[str, Any]) -> str:
    for owner in meta.get("ownerReferences") or ():
        if owner.get("kind") == "Job":
            return str(owner["name"])
    labels: Mapping[str, str] = meta.get("labels") or {}
    return labels.get("batch.kubernetes.io/job-name") or ""


def _unschedulable(status: Mapping[str, Any]) -> str:
    for each in status.get("conditions") or ():
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            return str(each.get("message") or each.get("reason") or "")
    return ""
