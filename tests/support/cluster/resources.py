"""What the server serves: groups, kinds, verbs and subresources. Anything else is 404 or 405."""

from __future__ import annotations

import dataclasses

__all__ = ["RESOURCES", "Resource", "find", "of_kind"]

_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")


@dataclasses.dataclass(frozen=True)
class Resource:
    """One resource of one group and version.

    Attributes:
        group: "" for the core group.
        verbs: of the objects themselves.
        subresources: name to (kind of its body, verbs).
    """

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool = True
    verbs: tuple[str, ...] = _READ + _WRITE
    short: tuple[str, ...] = ()
    subresources: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    custom: bool = False

    @property
    def group_version(self) -> str:
        """As in `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As messages name it: `jobs.batch`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def sub(self, name: str) -> tuple[str, tuple[str, ...]] | None:
        """Kind and verbs of a subresource."""
        return next(((kind, verbs) for each, kind, verbs in self.subresources if each == name), None)


_STATUS = ("get", "patch", "update")


def _scaled(kind: str) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    return (("scale", "Scale", _STATUS), ("status", kind, _STATUS))


RESOURCES: tuple[Resource, ...] = (
    Resource(
        "",
        "v1",
        "namespaces",
        "namespace",
        "Namespace",
        namespaced=False,
        short=("ns",),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    ),
    Resource("", "v1", "nodes", "node", "Node", namespaced=False, short=("no",), verbs=_READ),
    Resource(
        "",
        "v1",
        "pods",
        "pod",
        "Pod",
        short=("po",),
        subresources=(
            ("exec", "PodExecOptions", ("create", "get")),
            ("log", "Pod", ("get",)),
            ("status", "Pod", _STATUS),
        ),
    ),
    Resource("", "v1", "configmaps", "configmap", "ConfigMap", short=("cm",)),
    Resource("", "v1", "secrets", "secret", "Secret"),
    Resource("", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount", short=("sa",)),
    Resource("", "v1", "services", "service", "Service", short=("svc",)),
    Resource("", "v1", "events", "event", "Event", short=("ev",)),
    Resource(
        "apps", "v1", "deployments", "deployment", "Deployment", short=("deploy",), subresources=_scaled("Deployment")
    ),
    Resource(
        "apps", "v1", "replicasets", "replicaset", "ReplicaSet", short=("rs",), subresources=_scaled("ReplicaSet")
    ),
    Resource("batch", "v1", "jobs", "job", "Job", subresources=(("status", "Job", _STATUS),)),
    Resource("networking.k8s.io", "v1", "networkpolicies", "networkpolicy", "NetworkPolicy", short=("netpol",)),
    Resource("policy", "v1", "poddisruptionbudgets", "poddisruptionbudget", "PodDisruptionBudget", short=("pdb",)),
    Resource("rbac.authorization.k8s.io", "v1", "roles", "role", "Role"),
    Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "rolebinding", "RoleBinding"),
    Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "clusterrole", "ClusterRole", namespaced=False),
    Resource(
        "rbac.authorization.k8s.io",
        "v1",
        "clusterrolebindings",
        "clusterrolebinding",
        "ClusterRoleBinding",
        namespaced=False,
    ),
    Resource(
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "selfsubjectaccessreview",
        "SelfSubjectAccessReview",
        namespaced=False,
        verbs=("create",),
    ),
    Resource(
        "authorization.k8s.io",
        "v1",
        "selfsubjectrulesreviews",
        "selfsubjectrulesreview",
        "SelfSubjectRulesReview",
        namespaced=False,
        verbs=("create",),
    ),
)
"""All of it, in the order of discovery."""


def find(group: str, version: str, plural: str) -> Resource | None:
    """The resource of a path."""
    return next(
        (each for each in RESOURCES if (each.group, each.version, each.plural) == (group, version, plural)), None
    )


def of_kind(kind: str) -> Resource:
    """The resource of a kind; kinds are unique here. Raises StopIteration for an unknown one."""
    return next(each for each in RESOURCES if each.kind == kind)
