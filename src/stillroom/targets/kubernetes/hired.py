"""One-off Jobs: started when a service needs one, waited for, and removed when the session ends."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any

from stillroom.registry import model
from stillroom.targets import base
from stillroom.targets.kubernetes import containers, one_off, pods
from stillroom.targets.kubernetes.kubectl import Kubectl, KubectlFailed

__all__ = ["Hired"]

_START_SECONDS = 300.0
_LOOK_SECONDS = 0.5
_PYTHON = "python3"
# Reasons for which a container is waiting that no waiting mends.
_HOPELESS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName"}
)


class Hired:
    """The Jobs of one session."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self._made: dict[str, tuple[str, str | None]] = {}
        self._lock = threading.Lock()

    def container(self, service: model.Service, workload: pods.Workload, because: str = "") -> pods.Chosen:
        """A running container of a Job that is made from the workload's pod template.

        Args:
            service: for whom.
            workload: whose template.
            because: why no pod of it serves; empty: nobody asked for one.

        Raises:
            base.TargetFailed: `one-off-failed`: it did not come to run; or what kubectl said.
        """
        template = workload["spec"]["template"]
        name = containers.choose(service.name, service.container, template)
        token = secrets.token_hex(4)
        options = one_off.Options(
            python=service.python or _PYTHON,
            token=token,
            scratch_image=service.scratch_image if service.scratch == "sidecar" else None,
        )
        body = one_off.job(service.name, workload, name, options)
        job = str(body["metadata"]["name"])
        namespace = body["metadata"].get("namespace") or service.namespace
        with self._lock:
            replaced = self._made.pop(service.name, None)
            self._made[service.name] = (job, namespace)  # before it is there: it is to go whatever happens
        if replaced is not None:
            self._delete(*replaced)
        self._kubectl.run("create", "-f", "-", namespace=namespace, stdin=one_off.text(body))
        pod = self._running(service.name, job, namespace, name)
        told = f"{because}; a Job made from its template serves instead" if because else ""
        return pods.Chosen(
            pod["metadata"]["name"],
            name,
            namespace or pod["metadata"].get("namespace", ""),
            str(containers.named(pod, name).get("image", "")),
            pods.digest(pod, name),
            0,
            (told,) if told else (),
        )

    def dismiss(self) -> None:
        """Removes all of them; one that can't be reached ends at its deadline, and its rest a minute later."""
        with self._lock:
            made, self._made = dict(self._made), {}
        for job, namespace in made.values():
            self._delete(job, namespace)

    def _delete(self, job: str, namespace: str | None) -> None:
        with contextlib.suppress(base.TargetFailed):
            self._kubectl.run(
                "delete",
                "job",
                job,
                "--ignore-not-found",
                "--cascade=background",
                "--wait=false",
                namespace=namespace,
                retry=True,
                late=True,
            )

    def _running(self, service: str, job: str, namespace: str | None, container: str) -> Mapping[str, Any]:
        """Waits for the Job's pod to run."""
        until = time.monotonic() + _START_SECONDS
        state = "it has no pod yet"
        while time.monotonic() < until:
            found = self._kubectl.json("get", "pods", "-l", f"job-name={job}", namespace=namespace).get("items", [])
            for pod in found:
                state, running = _state(pod, container)
                if running:
                    return dict(pod)
                if running is None:
                    raise _failed(service, job, state)
            self._kubectl.pause(_LOOK_SECONDS)
        raise _failed(service, job, f"after {_START_SECONDS:g} s {state}")


def _failed(service: str, job: str, why: str) -> base.TargetFailed:
    return KubectlFailed(
        "one-off-failed",
        f"{service}: the Job {job}, made from the pod template of its workload, does not run: {why}",
        "kubectl get events tells more; --via exec works in a pod that runs",
    )


def _state(pod: Mapping[str, Any], container: str) -> tuple[str, bool | None]:
    """What the pod is at, and whether its container runs; None: it never will."""
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    for each in statuses:
        state = each.get("state") or {}
        if each.get("name") == container and "running" in state:
            return "runs", True
        reason = str((state.get("waiting") or {}).get("reason", ""))
        if reason in _HOPELESS:
            said = str((state.get("waiting") or {}).get("message", ""))
            return f"{each.get('name')} is in {reason}" + (f" ({said[:200]})" if said else ""), None
    if status.get("phase") in ("Failed", "Succeeded"):
        return _ended(statuses, str(status.get("message") or status.get("reason") or "it ended")), None
    return _pending(status), False


def _ended(statuses: list[Mapping[str, Any]], otherwise: str) -> str:
    for each in statuses:
        ended = (each.get("state") or {}).get("terminated")
        if ended and ended.get("exitCode"):
            return f"{each.get('name')} ended with exit code {ended['exitCode']} ({ended.get('reason', '')})"
    return otherwise


def _pending(status: Mapping[str, Any]) -> str:
    for each in status.get("conditions") or ():
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            return f"it is not scheduled: {each.get('message', each.get('reason', ''))}"
    return f"it is {status.get('phase', 'unknown')}"
