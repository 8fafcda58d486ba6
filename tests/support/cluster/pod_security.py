"""The Pod Security level `restricted`, in namespaces whose label enforces it (Pod Security Standards of 1.32)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["LABEL", "violations"]

LABEL = "pod-security.kubernetes.io/enforce"

_VOLUMES = (
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
)  # fmt: skip
_SYSCTLS = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
)  # fmt: skip
_SECCOMP = ("RuntimeDefault", "Localhost")

_Context = Mapping[str, Any]


def violations(spec: Mapping[str, Any]) -> list[str]:
    """What of a pod the level forbids, in words like the API server's."""
    return [*_of_pod(spec), *_of_containers(spec)]


def _of_pod(spec: Mapping[str, Any]) -> Iterator[str]:
    shared = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    if shared:
        yield f"host namespaces ({', '.join(f'{name}=true' for name in shared)})"
    for volume in spec.get("volumes", []):
        kinds = [kind for kind in volume if kind != "name" and kind not in _VOLUMES]
        if kinds:
            yield f'restricted volume types (volume "{volume["name"]}" uses restricted volume type "{kinds[0]}")'
    unsafe = [each["name"] for each in _context(spec).get("sysctls", []) if each["name"] not in _SYSCTLS]
    if unsafe:
        yield f"forbidden sysctls ({', '.join(unsafe)})"


def _of_containers(spec: Mapping[str, Any]) -> Iterator[str]:
    pod = _context(spec)
    checks: Mapping[str, Callable[[_Context], bool]] = {
        "privileged (must not set securityContext.privileged=true)": lambda own: not own.get("privileged"),
        "procMount (must be Default)": lambda own: own.get("procMount", "Default") == "Default",
        "allowPrivilegeEscalation != false (must set securityContext.allowPrivilegeEscalation=false)": (
            lambda own: own.get("allowPrivilegeEscalation") is False
        ),
        'unrestricted capabilities (must set securityContext.capabilities.drop=["ALL"])': _dropped,
        "runAsNonRoot != true (pod or container must set securityContext.runAsNonRoot=true)": (
            lambda own: own.get("runAsNonRoot", pod.get("runAsNonRoot")) is True
        ),
        "runAsUser=0 (must not set runAsUser=0)": lambda own: own.get("runAsUser", pod.get("runAsUser")) != 0,
        "seccompProfile (pod or container must set securityContext.seccompProfile.type)": (
            lambda own: _profile(own, pod) in _SECCOMP
        ),
    }
    for container in (*spec.get("initContainers", []), *spec.get("containers", [])):
        for told, passes in checks.items():
            if not passes(_context(container)):
                yield f'container "{container["name"]}": {told}'
        if any(port.get("hostPort") for port in container.get("ports", [])):
            yield f'container "{container["name"]}": hostPort'


def _context(spec: Mapping[str, Any]) -> _Context:
    return spec.get("securityContext") or {}


def _dropped(own: _Context) -> bool:
    capabilities = own.get("capabilities") or {}
    return "ALL" in capabilities.get("drop", []) and set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"}


def _profile(own: _Context, pod: _Context) -> str:
    return str((own.get("seccompProfile") or pod.get("seccompProfile") or {}).get("type", ""))
