"""Objects that tests set up without kubectl, and when they are as told."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.support.cluster import objects, resources
from tests.support.cluster.calls import Call, Query
from tests.support.cluster.patches import merged
from tests.support.cluster.state import State
from tests.support.cluster.store import Object

if TYPE_CHECKING:
    from tests.support.cluster.cluster import Cluster

__all__ = ["deployment", "node", "put", "settled"]

_CRASH = ["python", "-c", "raise SystemExit(1)"]


def deployment(
    name: str,
    namespace: str,
    image: str,
    container: str,
    *,
    sidecars: Sequence[str],
    env: Mapping[str, Any],
    replicas: int,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    crashing: bool,
    template: Mapping[str, Any],
) -> Object:
    """See `Cluster.deploy`."""
    labelled = {"app": name, **labels}
    variables = [
        {"name": key, "valueFrom": copy.deepcopy(value)}
        if isinstance(value, Mapping)
        else {"name": key, "value": value}
        for key, value in env.items()
    ]
    main: Object = {"name": container, "image": image}
    if variables:
        main["env"] = variables
    if crashing:
        main["command"] = _CRASH
    spec = {"containers": [*({"name": each, "image": f"registry.test/{each}:1"} for each in sidecars), main]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labelled},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": labelled, **({"annotations": dict(annotations)} if annotations else {})},
                "spec": merged(spec, template),
            },
        },
    }


def node() -> Object:
    """The cluster's one node."""
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "loopback", "labels": {"kubernetes.io/hostname": "loopback"}},
        "spec": {},
        "status": {"conditions": [ready], "nodeInfo": {"kubeletVersion": "v1.32.0"}},
    }


def put(state: State, body: Object) -> Object:
    """Makes or replaces an object, by the same way as requests do."""
    resource = resources.of_kind(body["kind"])
    namespace, name = body["metadata"].get("namespace", ""), body["metadata"]["name"]
    before = state.store.find(resource, namespace, name)
    verb = "create" if before is None else "update"
    call = Call(
        "", "", verb, resource, namespace, name if before else "", "", Query([]), "application/json", b"", "tests"
    )
    return objects.create(state, call, body) if before is None else objects.update(state, call, body)


def settled(cluster: Cluster, namespace: str, name: str, ready: bool, crashing: bool) -> bool:
    """Whether the pods of a Deployment are what it wants."""
    found = cluster.get("Deployment", name, namespace)
    newest = found["metadata"].get("generation", 1)
    status = found.get("status", {})
    if status.get("observedGeneration") != newest:
        return False
    sets = [each for each in cluster.all("ReplicaSet", namespace) if _owner(each) == found["metadata"]["uid"]]
    revision = "deployment.kubernetes.io/revision"
    current = max(sets, key=lambda each: int(each["metadata"]["annotations"][revision]))
    pods = [each for each in cluster.pods("", namespace) if _owner(each) == current["metadata"]["uid"]]
    if len(pods) != found["spec"]["replicas"]:
        return False
    if crashing:
        return all(_waits(each, "CrashLoopBackOff") for each in pods)
    everybody = [
        each for each in cluster.all("Pod", namespace) if each["metadata"].get("labels", {}).get("app") == name
    ]
    return all(_runs(each, ready) for each in pods) and (not ready or len(everybody) == len(pods))


def _owner(found: Object) -> str:
    owners = found["metadata"].get("ownerReferences") or [{"uid": ""}]
    return str(owners[0]["uid"])


def _waits(pod: Object, reason: str) -> bool:
    states = [each["state"] for each in pod.get("status", {}).get("containerStatuses", [])]
    return any(each.get("waiting", {}).get("reason") == reason for each in states)


def _runs(pod: Object, ready: bool) -> bool:
    status = pod.get("status", {})
    is_ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", []))
    return status.get("phase") == "Running" and is_ready == ready
