"""A Job out of a workload's pod template, for when no pod of it can be used. Pure.

The same image, environment, volumes, service account and pull secrets; nothing that serves, probes or hooks; and in the
place of the service's own command one that waits to be worked in.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from stillroom.targets.kubernetes import containers

__all__ = ["LABELS", "SCRATCH_PORT", "SCRATCH_URL", "Options", "job", "text"]

SCRATCH_PORT = 54329
"""Not PostgreSQL's own: a proxy to the service's database may have that."""

SCRATCH_URL = f"postgresql://postgres@127.0.0.1:{SCRATCH_PORT}/postgres"
"""The PostgreSQL of the sidecar, as the service's container sees it; nobody outside of the pod does."""

LABELS = {"app.kubernetes.io/managed-by": "stillroom", "app.kubernetes.io/component": "one-off"}

# Process 1 of a container gets no signal that it does not ask for.
_WAITING = (
    "import signal,sys,time\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
    "signal.signal(signal.SIGALRM, lambda *_: sys.exit(0))\n"
    "signal.alarm({seconds})\n"
    "while True:\n    time.sleep(3600)\n"
)
# What belongs to serving, and to being looked at while serving.
_OF_SERVING = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports", "restartPolicy")
_OF_THE_POD = (
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "imagePullSecrets",
    "nodeSelector",
    "os",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "serviceAccountName",
    "shareProcessNamespace",
    "tolerations",
    "volumes",
)
_LONGEST = 63


@dataclasses.dataclass(frozen=True)
class Options:
    """How the Job is made.

    Attributes:
        python: the interpreter in the image.
        token: makes the name unique.
        seconds: how long it lives at most, whatever becomes of whoever made it.
        scratch_image: of a PostgreSQL to put beside it; None: none.
        annotations: of its pod.
    """

    python: str
    token: str
    seconds: int = 3600
    scratch_image: str | None = None
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)


def job(service: str, workload: Mapping[str, Any], container: str, options: Options) -> dict[str, Any]:
    """The Job.

    Args:
        service: its name.
        workload: whose pod template is taken.
        container: the one of it that has the service's code.
        options: how.
    """
    template = workload["spec"]["template"]
    labels = {**LABELS, "app.kubernetes.io/name": _label(service), "stillroom.dev/service": _label(service)}
    metadata: dict[str, Any] = {
        "name": _name(service, options.token),
        "labels": labels,
    }
    if workload["metadata"].get("namespace"):
        metadata["namespace"] = workload["metadata"]["namespace"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": options.seconds,
            "ttlSecondsAfterFinished": 60,
            "template": {
                "metadata": {
                    # Not the labels of the workload's pods: a Service would send it requests.
                    "labels": dict(labels),
                    "annotations": _annotations(template, options),
                },
                "spec": _spec(template["spec"], container, options),
            },
        },
    }


def _name(service: str, token: str) -> str:
    end = f"-stillroom-{token}"
    return service[: _LONGEST - len(end)].rstrip("-.") + end


def _label(service: str) -> str:
    """A service's name as the value of a label."""
    if len(service) <= _LONGEST:
        return service
    return f"{service[:50]}-{hashlib.sha256(service.encode()).hexdigest()[:8]}"


def _annotations(template: Mapping[str, Any], options: Options) -> dict[str, str]:
    """Meshes must not inject a sidecar that would keep the pod from running, or a network that is not up yet."""
    return {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled", **options.annotations}


def _spec(spec: Mapping[str, Any], container: str, options: Options) -> dict[str, Any]:
    found: dict[str, Any] = {name: copy.deepcopy(spec[name]) for name in _OF_THE_POD if name in spec}
    found["restartPolicy"] = "Never"
    found["terminationGracePeriodSeconds"] = 5
    found["containers"] = [_container(containers.named({"spec": spec}, container), options)]
    beside = [copy.deepcopy(each) for each in spec.get("initContainers") or () if _is_proxy(each)]
    if options.scratch_image is not None:
        beside.append(_scratch(options.scratch_image))
        found["volumes"] = [*found.get("volumes", []), {"name": "stillroom-scratch", "emptyDir": {}}]
    if beside:
        found["initContainers"] = beside
    return found


def _is_proxy(container: Mapping[str, Any]) -> bool:
    """A native sidecar may be the way to the database (a proxy of the cloud's); a plain one would never end the pod."""
    return container.get("restartPolicy") == "Always"


def _container(own: Mapping[str, Any], options: Options) -> dict[str, Any]:
    found = {name: copy.deepcopy(value) for name, value in own.items() if name not in _OF_SERVING}
    found["command"] = [options.python, "-c", _WAITING.format(seconds=options.seconds)]
    found.pop("args", None)
    return found


def _scratch(image: str) -> dict[str, Any]:
    """A PostgreSQL for this pod alone, as a native sidecar; what it holds may be lost at any time."""
    ready = ["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(SCRATCH_PORT), "-U", "postgres"]
    settings = {"listen_addresses": "127.0.0.1", "port": SCRATCH_PORT, "fsync": "off", "full_page_writes": "off"}
    return {
        "name": "stillroom-scratch",
        "image": image,
        "restartPolicy": "Always",
        "args": ["postgres", *(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))],
        "env": [
            {"name": "POSTGRES_HOST_AUTH_METHOD", "value": "trust"},
            {"name": "PGDATA", "value": "/var/lib/postgresql/stillroom/data"},
        ],
        "startupProbe": {"exec": {"command": ready}, "periodSeconds": 1, "failureThreshold": 90},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 999,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "stillroom-scratch", "mountPath": "/var/lib/postgresql/stillroom"}],
    }


def text(body: Mapping[str, Any]) -> bytes:
    """A manifest as kubectl reads it."""
    return json.dumps(body).encode()
