"""What only a cluster can lack: kubectl, a way to it, the namespace, pods that run, and the rights to work in them."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import session
from stillroom.registry import model
from stillroom.reports import Finding
from stillroom.targets import base
from stillroom.targets.kubernetes import pods
from stillroom.targets.kubernetes.kubectl import Kubectl, KubectlFailed
from stillroom.targets.kubernetes.target import Kubernetes

__all__ = ["Right", "Seen", "judge", "look"]

_OLDEST = 30
_SKEW = 1


@dataclasses.dataclass(frozen=True)
class Right:
    """A verb on a resource."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {kind}{'/' if self.subresource else ''}{self.subresource}"


_LOOKING = (Right("list", "deployments", "apps"), Right("list", "replicasets", "apps"), Right("list", "pods"))
_EXEC = (Right("create", "pods", subresource="exec"),)
_JOB = (Right("create", "jobs", "batch"), Right("delete", "jobs", "batch"))


@dataclasses.dataclass(frozen=True)
class Seen:
    """What was seen.

    Attributes:
        client, server: versions as `(major, minor)`; None: not known.
        failure: why the cluster could not be asked.
        namespaces: name (None: the context's own) to whether it exists; None: nobody may say.
        denied: namespace to the rights that are lacking; None: that could not be asked.
        pods: service to the pod that was chosen for it, or why there is none.
    """

    client: tuple[int, int] | None = None
    server: tuple[int, int] | None = None
    failure: base.TargetFailed | None = None
    namespaces: Mapping[str | None, bool | None] = dataclasses.field(default_factory=dict)
    denied: Mapping[str | None, Sequence[Right] | None] = dataclasses.field(default_factory=dict)
    pods: Mapping[str, pods.Chosen | base.TargetFailed] = dataclasses.field(default_factory=dict)


def look(opened: session.Session, services: Sequence[model.Service]) -> Seen:
    """Asks the cluster, all at once."""
    cluster = opened.cluster
    if cluster is None:
        return Seen()
    door = cluster.kubectl
    places = list(dict.fromkeys(each.namespace for each in services))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        versions = pool.submit(_versions, door)
        exist = {place: pool.submit(_exists, door, place) for place in places}
        denied = {place: pool.submit(_denied, door, place) for place in places}
        client, server, failure = versions.result()
        return Seen(
            client,
            server,
            failure,
            {place: each.result() for place, each in exist.items()},
            {place: each.result() for place, each in denied.items()},
            {each.name: _pod(cluster, each) for each in services} if failure is None else {},
        )


def judge(seen: Seen, services: Sequence[model.Service]) -> dict[str, list[Finding]]:
    """The findings by service. What holds for all of them is told with the first. Pure."""
    found: dict[str, list[Finding]] = {each.name: [] for each in services}
    if not services:
        return found
    found[services[0].name] += [*_judge_versions(seen), *_judge_pods(seen, services)]
    if seen.failure is not None:
        return found  # each service's own finding says so
    told: set[str | None] = set()
    for service in services:
        mine = found[service.name]
        if seen.namespaces.get(service.namespace) is False:
            mine.append(
                _error(
                    "namespace",
                    "namespace-missing",
                    f"there is no namespace {service.namespace}",
                    f"kubectl create namespace {service.namespace}, or correct namespace: in services.yaml",
                )
            )
        elif service.namespace not in told:
            mine += _judge_rights(seen, service)
        told.add(service.namespace)
        mine += _judge_pod(seen.pods.get(service.name))
    return found


def _judge_versions(seen: Seen) -> list[Finding]:
    if seen.client is None:
        return []
    shown = ".".join(map(str, seen.client))
    if seen.client < (1, _OLDEST):
        return [
            _warning(
                "kubectl",
                "kubectl-old",
                f"kubectl is {shown}; 1.{_OLDEST} is the first whose streams are not cut short",
                "install a newer one: https://kubernetes.io/docs/tasks/tools/",
            )
        ]
    if seen.server is None:
        return [Finding("kubectl", "ok", f"kubectl {shown}")]
    if abs(seen.client[1] - seen.server[1]) > _SKEW:
        return [
            _warning(
                "kubectl",
                "kubectl-skew",
                f"kubectl is {shown} and the cluster {'.'.join(map(str, seen.server))}: more than one version apart",
                "install a kubectl of the cluster's version: https://kubernetes.io/docs/tasks/tools/",
            )
        ]
    server = ".".join(map(str, seen.server))
    return [Finding("kubectl", "ok", f"kubectl {shown}"), Finding("cluster", "ok", f"Kubernetes {server} answers")]


def _judge_pods(seen: Seen, services: Sequence[model.Service]) -> list[Finding]:
    """How many services have a pod that runs."""
    if not seen.pods:
        return []
    lacking = [name for name, each in seen.pods.items() if not isinstance(each, pods.Chosen)]
    message = f"pods running ({len(seen.pods) - len(lacking)}/{len(seen.pods)})"
    return [
        Finding("pods", "ok" if not lacking else "note", message + (f"; not: {', '.join(lacking)}" if lacking else ""))
    ]


def _judge_pod(chosen: pods.Chosen | base.TargetFailed | None) -> list[Finding]:
    if isinstance(chosen, pods.Chosen):
        image = f"{chosen.image} ({chosen.digest})" if chosen.digest else chosen.image
        found = [Finding("pods", "ok", f"pod {chosen.pod}, container {chosen.container}, image {image}")]
        return found + [
            _warning("pods", "images-differ", each, "name images by digest, or roll out again")
            for each in chosen.warnings
        ]
    if isinstance(chosen, pods.NoPod) and chosen.workload is not None:
        return [_warning("pods", chosen.code, f"{chosen.message}; a Job is made from its template", chosen.mend)]
    return []  # the service's own finding says so


def _judge_rights(seen: Seen, service: model.Service) -> list[Finding]:
    denied = seen.denied.get(service.namespace)
    where = f"in namespace {service.namespace}" if service.namespace else "in the context's namespace"
    if denied is None:
        return [Finding("permissions", "skipped", f"the cluster does not tell what you may do {where}")]
    if not denied:
        return [Finding("permissions", "ok", f"all that is needed is allowed {where}")]
    only_jobs = all(each in _JOB for each in denied) and service.via != "job"
    listed = ", ".join(map(str, denied))
    say = _warning if only_jobs else _error
    return [
        say(
            "permissions",
            "permission-missing",
            f"you may not {listed} {where}" + (": without a healthy pod there is no other way" if only_jobs else ""),
            "ask for a Role with these rights and a RoleBinding (invoke render-manifests can make them)",
        )
    ]


def _error(check: str, code: str, message: str, mend: str) -> Finding:
    return Finding(check, "error", message, mend, {"code": code})


def _warning(check: str, code: str, message: str, mend: str) -> Finding:
    return Finding(check, "warning", message, mend, {"code": code})


def _versions(
    door: Kubectl,
) -> tuple[tuple[int, int] | None, tuple[int, int] | None, base.TargetFailed | None]:
    try:
        said = door.json("version")
    except KubectlFailed as failed:
        try:
            return _version(door.json("version", "--client").get("clientVersion")), None, failed
        except KubectlFailed:
            return None, None, failed
    return _version(said.get("clientVersion")), _version(said.get("serverVersion")), None


def _version(said: Any) -> tuple[int, int] | None:
    """`{"major": "1", "minor": "32+"}` as numbers."""
    if not isinstance(said, dict):
        return None
    parts = ["".join(filter(str.isdigit, str(said.get(name, "")))) for name in ("major", "minor")]
    return (int(parts[0]), int(parts[1])) if all(parts) else None


def _exists(door: Kubectl, namespace: str | None) -> bool | None:
    if namespace is None:
        return None
    try:
        door.json("get", "namespace", namespace)
    except KubectlFailed as failed:
        return False if failed.code == "not-found" else None
    return True


def _denied(door: Kubectl, namespace: str | None) -> list[Right] | None:
    """The rights that are lacking; None where that can't be asked. All are asked for in one call."""
    wanted = (*_LOOKING, *_EXEC, *_JOB)
    asked = {"apiVersion": "v1", "kind": "List", "items": [_review(each, namespace) for each in wanted]}
    try:
        said = door.run(
            "create", "-f", "-", "--validate=false", "-o", "json", stdin=json.dumps(asked).encode(), retry=True
        ).decode()
    except KubectlFailed:
        return None
    answers = list(_documents(said))
    if len(answers) != len(wanted):
        return None
    return [
        each for each, answer in zip(wanted, answers, strict=True) if not (answer.get("status") or {}).get("allowed")
    ]


def _review(right: Right, namespace: str | None) -> dict[str, Any]:
    attributes = {
        "verb": right.verb,
        "resource": right.resource,
        "group": right.group,
        "subresource": right.subresource,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {**attributes, "namespace": namespace or "default"}},
    }


def _documents(text: str) -> list[dict[str, Any]]:
    """What kubectl prints of several objects: one after the other, or a List."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        value, at = decoder.raw_decode(text, at)
        at += len(text[at:]) - len(text[at:].lstrip())
        found.append(value)
    if len(found) == 1 and found[0].get("kind") == "List":
        return list(found[0]["items"])
    return found


def _pod(cluster: Kubernetes, service: model.Service) -> pods.Chosen | base.TargetFailed:
    try:
        return cluster.healthy(service)
    except base.TargetFailed as failed:
        return failed
