"""Jobs and pods as the API of Kubernetes 1.32 describes them, cut down to what decides."""

from __future__ import annotations

from typing import Any

__all__ = ["ended", "job", "pod", "running", "waiting"]


def job(*conditions: str, name: str = "auth-migration-0a1b2c3d", uid: str = "u-1", **status: Any) -> dict[str, Any]:
    """A Job whose conditions (`Complete`, `Failed:BackoffLimitExceeded`, …) are true."""
    told = []
    for each in conditions:
        kind, _, reason = each.partition(":")
        told.append({"type": kind, "status": "True", "reason": reason, "message": f"told of {reason}"})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "uid": uid, "creationTimestamp": "2026-11-22T20:00:00Z"},
        "spec": {"template": {"spec": {"containers": [{"name": "migration", "image": "bakery/auth:2"}]}}},
        "status": {**({"conditions": told} if told else {}), **status},
    }


def waiting(name: str, reason: str, message: str = "") -> dict[str, Any]:
    """The status of a container that waits."""
    return {"name": name, "state": {"waiting": {"reason": reason, **({"message": message} if message else {})}}}


def running(name: str) -> dict[str, Any]:
    """The status of a container that runs."""
    return {"name": name, "state": {"running": {"startedAt": "2026-11-22T20:00:01Z"}}, "imageID": "sha256:aa"}


def ended(name: str, code: int, reason: str = "", message: str = "") -> dict[str, Any]:
    """The status of a container that has ended."""
    told: dict[str, Any] = {"exitCode": code, "reason": reason or ("Completed" if code == 0 else "Error")}
    return {"name": name, "state": {"terminated": {**told, **({"message": message} if message else {})}}}


def pod(
    *containers: dict[str, Any],
    init: tuple[dict[str, Any], ...] = (),
    name: str = "auth-migration-0a1b2c3d-x",
    phase: str = "Running",
    created: str = "2026-11-22T20:00:00Z",
    unschedulable: str = "",
    sidecar: str = "",
    **status: Any,
) -> dict[str, Any]:
    """A pod of that Job."""
    conditions = (
        [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": unschedulable}]
        if unschedulable
        else []
    )
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": created,
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "auth-migration-0a1b2c3d"}],
        },
        "spec": {"initContainers": [{"name": sidecar, "restartPolicy": "Always"}]} if sidecar else {},
        "status": {
            "phase": phase,
            "conditions": conditions,
            "initContainerStatuses": list(init),
            "containerStatuses": list(containers),
            **status,
        },
    }
