"""Objects that the tests send: as small as a namespace with the `restricted` level lets them be."""

from __future__ import annotations

from typing import Any

__all__ = ["RESTRICTED", "conditions", "config_map", "container", "job", "pod_spec", "waiting_reasons"]

RESTRICTED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def config_map(name: str, data: dict[str, str]) -> dict[str, Any]:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def container(image: str, code: str, name: str = "main", **more: Any) -> dict[str, Any]:
    """A container that runs a piece of Python."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", code],
        "securityContext": RESTRICTED,
        **more,
    }


def pod_spec(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The spec of a pod that `restricted` admits."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 1,
        "containers": list(containers),
        **more,
    }


def job(name: str, template: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A Job of one pod that is tried once. `template` is the pod's spec."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {
            "backoffLimit": 0,
            "template": {"metadata": {"labels": {"app.kubernetes.io/name": name}}, "spec": template},
        }
        | spec,
    }


def conditions(body: dict[str, Any]) -> dict[str, str]:
    """Type to reason of the conditions that hold."""
    return {
        each["type"]: each.get("reason", "")
        for each in body.get("status", {}).get("conditions", [])
        if each["status"] == "True"
    }


def waiting_reasons(pod: dict[str, Any]) -> set[str]:
    """Why containers of a pod do not run."""
    status = pod.get("status", {})
    states = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return {each["state"]["waiting"]["reason"] for each in states if "waiting" in each.get("state", {})}
