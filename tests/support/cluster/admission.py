"""What the API server adds to objects and refuses in them: defaults, immutable fields, references.

Only the defaults that clients or the controllers here look at.
"""

from __future__ import annotations

import base64
import copy
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.cluster import pod_security, statuses
from tests.support.cluster.resources import Resource
from tests.support.cluster.state import State
from tests.support.cluster.store import Object

__all__ = ["admitted", "defaulted_pod_spec"]

_Rule = Callable[[State, Resource, Object, "Object | None"], None]


def admitted(state: State, resource: Resource, body: Object, before: Object | None) -> Object:
    """The object with its defaults. Raises `Refused`."""
    body = copy.deepcopy(body)
    rule = _RULES.get(resource.kind)
    if rule is not None:
        rule(state, resource, body, before)
    return body


def defaulted_pod_spec(spec: dict[str, Any], restart: str = "Always") -> None:
    """Fills in what the API server fills in."""
    defaults: Mapping[str, Any] = {
        "restartPolicy": restart,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }
    for name, value in defaults.items():
        spec.setdefault(name, copy.deepcopy(value))
    if "serviceAccountName" in spec:
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in (*spec.get("initContainers", []), *spec.get("containers", [])):
        tag = container.get("image", "").rpartition("/")[2].partition(":")[2]
        container.setdefault("imagePullPolicy", "IfNotPresent" if tag not in ("", "latest") else "Always")
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")


def _pod(state: State, resource: Resource, body: Object, before: Object | None) -> None:
    if before is not None:
        _unchanged(resource, body, before, "spec")
        return
    spec = body["spec"]
    if body["metadata"].get("creationTimestamp", "") is None:
        del body["metadata"]["creationTimestamp"]
    _containers(resource, body["metadata"]["name"], spec, "spec")
    account = spec.setdefault("serviceAccountName", "default")
    namespace = body["metadata"]["namespace"]
    if account != "default" and state.named("ServiceAccount", namespace, account) is None:
        why = f'error looking up service account {namespace}/{account}: serviceaccount "{account}" not found'
        raise statuses.forbidden(resource, body["metadata"]["name"], why)
    _secure(state, resource, body, namespace)
    defaulted_pod_spec(spec)
    body["status"] = {"phase": "Pending", "qosClass": "BestEffort"}


def _secure(state: State, resource: Resource, body: Object, namespace: str) -> None:
    found = state.named("Namespace", "", namespace) or {}
    if ((found.get("metadata") or {}).get("labels") or {}).get(pod_security.LABEL) == "restricted":
        violations = pod_security.violations(body["spec"])
        if violations:
            why = f'violates PodSecurity "restricted:latest": {", ".join(violations)}'
            raise statuses.forbidden(resource, body["metadata"]["name"], why)


def _containers(resource: Resource, name: str, spec: Mapping[str, Any], path: str) -> None:
    """Names are unique, images are named, volumes that are mounted exist."""
    volumes = {each["name"] for each in spec.get("volumes", [])}
    seen: set[str] = set()
    problems: list[tuple[str, str]] = []
    if "activeDeadlineSeconds" in spec:
        problems.append((f"{path}.activeDeadlineSeconds", "this cluster knows it of Jobs only"))
    if not spec.get("containers"):
        problems.append((f"{path}.containers", "Required value"))
    for field in ("initContainers", "containers"):
        for number, each in enumerate(spec.get(field, [])):
            where = f"{path}.{field}[{number}]"
            if each["name"] in seen:
                problems.append((f"{where}.name", f'Duplicate value: "{each["name"]}"'))
            seen.add(each["name"])
            if not each.get("image"):
                problems.append((f"{where}.image", "Required value"))
            problems += [
                (f"{where}.volumeMounts[{at}].name", f'Not found: "{mount["name"]}"')
                for at, mount in enumerate(each.get("volumeMounts", []))
                if mount["name"] not in volumes
            ]
    if problems:
        raise statuses.invalid(resource, name, problems)


def _unchanged(resource: Resource, body: Object, before: Object, *path: str) -> None:
    new: Any = body
    old: Any = before
    for name in path:
        new, old = (new or {}).get(name), (old or {}).get(name)
    if new != old:
        raise statuses.invalid(
            resource, before["metadata"]["name"], [(".".join(path), "Invalid value: field is immutable")]
        )


def _job(state: State, resource: Resource, body: Object, before: Object | None) -> None:
    spec, name = body["spec"], body["metadata"]["name"]
    if before is not None:
        defaulted_pod_spec(spec["template"]["spec"])
        for path in (("template",), ("selector",), ("podFailurePolicy",), ("completions",)):
            _unchanged(resource, body, before, "spec", *path)
        return
    pod = spec["template"]["spec"]
    _containers(resource, name, pod, "spec.template.spec")
    policy = pod.get("restartPolicy", "Always")
    if policy not in ("Never", "OnFailure"):
        raise statuses.invalid(
            resource,
            name,
            [("spec.template.spec.restartPolicy", 'Required value: valid values: "OnFailure", "Never"')],
        )
    _supported(resource, spec, name, policy)
    body["metadata"]["uid"] = str(uuid.uuid4())
    labels = {
        "batch.kubernetes.io/controller-uid": body["metadata"]["uid"],
        "batch.kubernetes.io/job-name": name,
        "controller-uid": body["metadata"]["uid"],
        "job-name": name,
    }
    defaults: Mapping[str, Any] = {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "suspend": False,
        "manualSelector": False,
        "podReplacementPolicy": "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed",
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": body["metadata"]["uid"]}},
    }
    for field, value in defaults.items():
        spec.setdefault(field, value)
    meta = spec["template"].setdefault("metadata", {})
    meta.setdefault("creationTimestamp", None)
    meta["labels"] = {**(meta.get("labels") or {}), **labels}
    body["metadata"]["labels"] = {**(spec["template"]["metadata"]["labels"]), **(body["metadata"].get("labels") or {})}
    defaulted_pod_spec(pod)
    body["status"] = {}


def _supported(resource: Resource, spec: Mapping[str, Any], name: str, restart: str) -> None:
    """What this cluster can't do is refused rather than done wrongly."""
    problems = [
        (f"spec.{field}", "this cluster runs one pod at a time, once")
        for field in ("parallelism", "completions")
        if spec.get(field, 1) != 1
    ]
    problems += [
        (f"spec.{field}", "this cluster does not know it")
        for field in ("selector", "manualSelector", "successPolicy", "backoffLimitPerIndex", "managedBy")
        if field in spec
    ]
    if "podFailurePolicy" in spec and restart != "Never":
        why = 'only "Never" is supported when podFailurePolicy is specified'
        problems.append(("spec.template.spec.restartPolicy", f'Invalid value: "{restart}": {why}'))
    if "podFailurePolicy" in spec and spec.get("podReplacementPolicy", "Failed") != "Failed":
        told = f'Unsupported value: "{spec["podReplacementPolicy"]}": supported values: "Failed"'
        problems.append(("spec.podReplacementPolicy", told))
    if problems:
        raise statuses.invalid(resource, name, problems)


def _deployment(state: State, resource: Resource, body: Object, before: Object | None) -> None:
    spec, name = body["spec"], body["metadata"]["name"]
    template = spec["template"]
    _containers(resource, name, template["spec"], "spec.template.spec")
    wanted = spec.get("selector", {}).get("matchLabels") or {}
    labels = template.get("metadata", {}).get("labels") or {}
    if not wanted or any(labels.get(key) != value for key, value in wanted.items()):
        raise statuses.invalid(
            resource, name, [("spec.template.metadata.labels", "`selector` does not match template `labels`")]
        )
    if before is not None:
        _unchanged(resource, body, before, "spec", "selector")
    spec.setdefault("replicas", 1)
    if resource.kind == "Deployment":
        rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
        spec.setdefault("strategy", {"type": "RollingUpdate", "rollingUpdate": rolling})
        spec.setdefault("revisionHistoryLimit", 10)
        spec.setdefault("progressDeadlineSeconds", 600)
    template.setdefault("metadata", {}).setdefault("creationTimestamp", None)
    defaulted_pod_spec(template["spec"])
    if template["spec"]["restartPolicy"] != "Always":
        why = 'Unsupported value: supported values: "Always"'
        raise statuses.invalid(resource, name, [("spec.template.spec.restartPolicy", why)])


def _secret(state: State, resource: Resource, body: Object, before: Object | None) -> None:
    plain = body.pop("stringData", None) or {}
    if plain:
        body["data"] = {**(body.get("data") or {})} | {
            key: base64.b64encode(text.encode()).decode() for key, text in plain.items()
        }
    body.setdefault("type", "Opaque")
    _kept(resource, body, before)


def _kept(resource: Resource, body: Object, before: Object | None) -> None:
    if before is not None and before.get("immutable"):
        for field in ("data", "binaryData", "immutable"):
            _unchanged(resource, body, before, field)
    size = sum(len(text) for field in ("data", "binaryData") for text in (body.get(field) or {}).values())
    if size > 1024 * 1024:
        raise statuses.invalid(
            resource, body["metadata"]["name"], [("[]", "Too long: may not be more than 1048576 bytes")]
        )


def _config_map(state: State, resource: Resource, body: Object, before: Object | None) -> None:
    _kept(resource, body, before)


def _namespace(state: State, resource: Resource, body: Object, before: Object | None) -> None:
    body.setdefault("spec", {"finalizers": ["kubernetes"]})
    body["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = body["metadata"]["name"]
    body["status"] = (before or {}).get("status") or {"phase": "Active"}


def _service(state: State, resource: Resource, body: Object, before: Object | None) -> None:
    spec = body["spec"]
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("clusterIP", (before or {}).get("spec", {}).get("clusterIP", "127.0.0.1"))
    for port in spec.get("ports", []):
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])


_RULES: Mapping[str, _Rule] = {
    "Pod": _pod,
    "Job": _job,
    "Deployment": _deployment,
    "ReplicaSet": _deployment,
    "Secret": _secret,
    "ConfigMap": _config_map,
    "Namespace": _namespace,
    "Service": _service,
}
