"""Deletion: grace for pods, propagation to dependents, orphans."""

from __future__ import annotations

import json
from typing import Any

from tests.support.cluster import objects, resources, statuses
from tests.support.cluster.calls import Call
from tests.support.cluster.kubelet import Kubelet
from tests.support.cluster.resources import Resource
from tests.support.cluster.state import State
from tests.support.cluster.store import Object, now

__all__ = ["delete", "delete_all", "let_go"]

_POLICIES = ("Background", "Foreground", "Orphan")


def delete(state: State, kubelet: Kubelet, call: Call) -> Object:
    """Deletes one object, and by default what it owns. Raises `Refused`."""
    found = objects.get(state, call)
    options = _options(call)
    _check(call, found, options)
    if call.dry:
        return found
    if options.get("propagationPolicy") == "Orphan":
        _orphan(state, found["metadata"]["uid"])
    return let_go(state, kubelet, call.resource, found, options.get("gracePeriodSeconds"))


def delete_all(state: State, kubelet: Kubelet, call: Call) -> Object:
    """Deletes each object of a collection that the selectors choose."""
    matches = objects.selected(call)
    for found in [each for each in state.store.all(call.resource, call.namespace) if matches(each)]:
        let_go(state, kubelet, call.resource, found, _options(call).get("gracePeriodSeconds"))
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def _options(call: Call) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(call.body) if call.body.strip() else {}
    unknown = set(body) - {
        "kind",
        "apiVersion",
        "gracePeriodSeconds",
        "propagationPolicy",
        "preconditions",
        "dryRun",
        "orphanDependents",
    }
    if unknown:
        raise statuses.bad_request(f"strict decoding error: unknown fields {sorted(unknown)} of DeleteOptions")
    for name in ("propagationPolicy", "gracePeriodSeconds"):
        if call.query.one(name):
            body[name] = call.query.number(name) if name == "gracePeriodSeconds" else call.query.one(name)
    if body.get("propagationPolicy", "Background") not in _POLICIES:
        raise statuses.invalid(call.resource, call.name, [("propagationPolicy", f"must be one of {_POLICIES}")])
    return body


def _check(call: Call, found: Object, options: dict[str, Any]) -> None:
    wanted = options.get("preconditions") or {}
    for name in ("uid", "resourceVersion"):
        if wanted.get(name) and wanted[name] != found["metadata"][name]:
            why = f"Precondition failed: {name} in precondition: {wanted[name]}, {name} in object meta: "
            raise statuses.conflict(call.resource, call.name, why + found["metadata"][name])


def _orphan(state: State, uid: str) -> None:
    for resource, each in state.store.everything():
        owners = each["metadata"].get("ownerReferences") or []
        if any(owner["uid"] == uid for owner in owners):

            def free(body: Object) -> None:
                left = [owner for owner in body["metadata"]["ownerReferences"] if owner["uid"] != uid]
                body["metadata"]["ownerReferences"] = left

            state.store.change(resource, each["metadata"].get("namespace", ""), each["metadata"]["name"], free)


def let_go(state: State, kubelet: Kubelet, resource: Resource, found: Object, grace: int | None) -> Object:
    """Takes an object away, pods after their grace, and what it owns with it."""
    meta = found["metadata"]
    if resource.kind == "Pod":
        return _pod(state, kubelet, found, grace)
    if resource.kind == "Namespace":
        for inner, each in list(state.store.everything()):
            if each["metadata"].get("namespace") == meta["name"]:
                let_go(state, kubelet, inner, each, 0)
    state.store.remove(resource, meta.get("namespace", ""), meta["name"])
    for inner, each in list(state.store.everything()):
        if any(owner["uid"] == meta["uid"] for owner in each["metadata"].get("ownerReferences") or []):
            let_go(state, kubelet, inner, each, None)
    if resource.kind == "Namespace":
        return found
    details = {"name": meta["name"], "group": resource.group, "kind": resource.plural, "uid": meta["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _pod(state: State, kubelet: Kubelet, found: Object, grace: int | None) -> Object:
    pods = resources.of_kind("Pod")
    namespace, name = found["metadata"]["namespace"], found["metadata"]["name"]
    runner = kubelet.of(found)
    if runner is None or runner.ended.is_set():
        state.store.remove(pods, namespace, name)
        return found
    seconds = found["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace

    def mark(body: Object) -> None:
        body["metadata"].setdefault("deletionTimestamp", now())
        body["metadata"]["deletionGracePeriodSeconds"] = seconds

    marked = state.store.change(pods, namespace, name, mark) or found

    async def end() -> None:
        await runner.stop(seconds)
        state.store.remove(pods, namespace, name)

    state.begin(end())
    return marked
