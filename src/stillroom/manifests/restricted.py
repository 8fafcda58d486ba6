"""The Pod Security Standard `restricted`, as far as a pod's own text tells: what an admission controller would refuse.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/ (baseline and restricted).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["violations"]

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_PROFILES = ("RuntimeDefault", "Localhost")
_HOST = ("hostNetwork", "hostPID", "hostIPC")


def violations(spec: Mapping[str, Any]) -> list[str]:
    """What the standard forbids in a pod's spec, a sentence each.

    Args:
        spec: of a pod, or of a pod template.
    """
    pod = spec.get("securityContext") or {}
    found = [f"{name} is true" for name in _HOST if spec.get(name)]
    for volume in spec.get("volumes") or ():
        kinds = set(volume) - {"name"}
        if kinds - _VOLUMES:
            found.append(f"volume {volume.get('name')} is of the kind {', '.join(sorted(kinds - _VOLUMES))}")
    for key in ("sysctls", "windowsOptions", "seLinuxOptions"):
        if pod.get(key):
            found.append(f"securityContext of the pod says {key}")
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        found += [f"container {container.get('name')}: {each}" for each in _container(container, pod)]
    return found


def _container(container: Mapping[str, Any], pod: Mapping[str, Any]) -> Iterator[str]:
    own = container.get("securityContext") or {}
    both = {**pod, **own}
    added = set((own.get("capabilities") or {}).get("add") or ()) - {"NET_BIND_SERVICE"}
    told = {
        "privileged": bool(own.get("privileged")),
        "allowPrivilegeEscalation is not false": own.get("allowPrivilegeEscalation") is not False,
        "runAsNonRoot is not true": both.get("runAsNonRoot") is not True,
        "runAsUser is 0": both.get("runAsUser") == 0,
        "capabilities do not drop ALL": "ALL" not in ((own.get("capabilities") or {}).get("drop") or ()),
        f"capabilities add {', '.join(sorted(added))}": bool(added),
        "seccompProfile is not RuntimeDefault": (both.get("seccompProfile") or {}).get("type") not in _PROFILES,
        "procMount is not Default": own.get("procMount") not in (None, "Default"),
        "seLinuxOptions are said": bool(own.get("seLinuxOptions")),
        "a hostPort": any(port.get("hostPort") for port in container.get("ports") or ()),
    }
    yield from (text for text, holds in told.items() if holds)
