"""What an operator has to be allowed on a cluster: one table, for the rendered Role and for preflight's questions.

Every verb is one that a command uses; what uses it stands beside it.
"""

from __future__ import annotations

import dataclasses

__all__ = ["PERMISSIONS", "Permission"]


@dataclasses.dataclass(frozen=True)
class Permission:
    """Verbs on a resource.

    Attributes:
        group: API group; "": the core.
        resource: its name, a subresource with its slash (`pods/exec`).
        verbs: as RBAC has them.
        why: which commands need it.
    """

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str


PERMISSIONS = (
    Permission("", "pods", ("get", "list", "watch"), "every command: which pod, and how a Job's pod fares"),
    Permission("", "pods/exec", ("create", "get"), "regenerate, status, verify: the runtime in a running pod"),
    Permission("", "pods/log", ("get",), "apply --via job, logs, doctor"),
    Permission("", "events", ("get", "list"), "doctor: why a pod does not start"),
    Permission("", "configmaps", ("create", "get", "list", "patch"), "apply --via job: environment, carried runtime"),
    Permission("", "serviceaccounts", ("create", "get", "list", "patch"), "apply --via job: the Job's own account"),
    Permission("apps", "deployments", ("get", "list", "patch"), "which pods are of the newest image; the patch"),
    Permission("apps", "replicasets", ("get", "list"), "which pods are of the newest image"),
    Permission(
        "batch", "jobs", ("create", "delete", "get", "list", "patch", "watch"), "apply --via job, one-off Jobs, logs"
    ),
    Permission("networking.k8s.io", "networkpolicies", ("create", "get", "list", "patch"), "apply --via job"),
)
"""What the commands use, in one namespace. pods/exec needs `get` for WebSocket, `create` for what came before it."""
