"""Deployments and their replica sets: pods made, replaced once newer ones are ready, and taken away."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import secrets
from typing import Any

from tests.support.cluster import admission, deleting, events, resources, statuses
from tests.support.cluster.kubelet import Kubelet
from tests.support.cluster.state import State
from tests.support.cluster.store import Event, Object, now

__all__ = ["Deployments"]

DEPLOYMENTS = resources.of_kind("Deployment")
SETS = resources.of_kind("ReplicaSet")
PODS = resources.of_kind("Pod")
_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"
_MESSAGES = {
    "MinimumReplicasAvailable": "Deployment has minimum availability.",
    "MinimumReplicasUnavailable": "Deployment does not have minimum availability.",
    "NewReplicaSetAvailable": 'ReplicaSet "{}" has successfully progressed.',
    "ReplicaSetUpdated": 'ReplicaSet "{}" is progressing.',
}
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


class Deployments:
    """The controller of both kinds; one look at a deployment brings it one step on."""

    def __init__(self, state: State, kubelet: Kubelet) -> None:
        self._state = state
        self._kubelet = kubelet
        self._refused: dict[str, str] = {}
        self._due: set[tuple[str, str]] = set()
        state.store.listeners.append(self._saw)

    def _saw(self, event: Event) -> None:
        """Whose turn it is after a change; the look itself comes when the change is through."""
        meta = event.object["metadata"]
        if event.resource is DEPLOYMENTS and event.type != "DELETED":
            self._look_at(meta["namespace"], meta["name"])
        elif event.resource in (SETS, PODS):
            for owner in meta.get("ownerReferences") or []:
                if owner["kind"] == "Deployment":
                    self._look_at(meta["namespace"], owner["name"])
                elif owner["kind"] == "ReplicaSet":
                    self._look_at_owner_of(meta["namespace"], owner["name"])

    def _look_at_owner_of(self, namespace: str, name: str) -> None:
        found = self._state.store.find(SETS, namespace, name)
        for owner in (found or {}).get("metadata", {}).get("ownerReferences") or []:
            self._look_at(namespace, owner["name"])

    def _look_at(self, namespace: str, name: str) -> None:
        if (namespace, name) in self._due:
            return
        self._due.add((namespace, name))

        def look() -> None:
            self._due.discard((namespace, name))
            found = self._state.store.find(DEPLOYMENTS, namespace, name)
            if found is not None:
                self._reconcile(found)

        asyncio.get_running_loop().call_soon(look)

    def _reconcile(self, deployment: Object) -> None:
        sets = [
            each
            for each in self._state.store.all(SETS, deployment["metadata"]["namespace"])
            if _owned(each, deployment)
        ]
        current = self._current(deployment, sets)
        wanted = deployment["spec"]["replicas"]
        pods = {each["metadata"]["name"]: self._pods(each) for each in (*sets, current)}
        mine = pods[current["metadata"]["name"]]
        for _ in range(wanted - len(mine)):
            if not self._made_pod(current):
                self._state.begin(self._again(deployment))
                break
        ready = [each for each in mine if _is_ready(each)]
        for each in _surplus(mine, wanted):
            self._take(each)
        if len(ready) >= wanted:
            for name, others in pods.items():
                if name != current["metadata"]["name"]:
                    for each in others:
                        self._take(each)
        for each in (*sets, current):
            self._tell_set(each, wanted if each["metadata"]["uid"] == current["metadata"]["uid"] else None)
        everybody = [each for some in pods.values() for each in some]
        self._tell(deployment, everybody, ready, len(mine), current)

    def _current(self, deployment: Object, sets: list[Object]) -> Object:
        """The replica set of the template as it is now; made where there is none."""
        template = deployment["spec"]["template"]
        mark = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        found = next((each for each in sets if each["metadata"]["labels"][_HASH] == mark), None)
        revision = max((int(each["metadata"]["annotations"][_REVISION]) for each in sets), default=0)
        meta = deployment["metadata"]
        if found is not None:
            if int(found["metadata"]["annotations"][_REVISION]) < revision:
                found = self._renumbered(found, revision + 1)
            return found
        labelled = copy.deepcopy(template)
        labelled["metadata"]["labels"] = {**labelled["metadata"]["labels"], _HASH: mark}
        made = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{meta['name']}-{mark}",
                "namespace": meta["namespace"],
                "labels": labelled["metadata"]["labels"],
                "annotations": {_REVISION: str(revision + 1)},
                "ownerReferences": [_owner(deployment)],
                "generation": 1,
            },
            "spec": {
                "replicas": deployment["spec"]["replicas"],
                "selector": {"matchLabels": {**deployment["spec"]["selector"]["matchLabels"], _HASH: mark}},
                "template": labelled,
            },
            "status": {"replicas": 0},
        }
        added = self._state.store.add(SETS, made)
        events.record(
            self._state.store,
            deployment,
            "Normal",
            "ScalingReplicaSet",
            f"Scaled up replica set {made['metadata']['name']} to {deployment['spec']['replicas']}",
            "deployment-controller",
        )
        return added

    def _renumbered(self, found: Object, revision: int) -> Object:
        """A template that is used again is the newest."""

        def how(body: Object) -> None:
            body["metadata"]["annotations"][_REVISION] = str(revision)

        return self._state.store.change(SETS, found["metadata"]["namespace"], found["metadata"]["name"], how) or found

    def _pods(self, owner: Object) -> list[Object]:
        return [
            each
            for each in self._state.store.all(PODS, owner["metadata"]["namespace"])
            if _owned(each, owner) and "deletionTimestamp" not in each["metadata"]
        ]

    async def _again(self, deployment: Object) -> None:
        await self._state.store.changed()
        self._look_at(deployment["metadata"]["namespace"], deployment["metadata"]["name"])

    def _made_pod(self, owner: Object) -> bool:
        """Makes a pod; whether it was allowed to."""
        template = copy.deepcopy(owner["spec"]["template"])
        name = f"{owner['metadata']['name']}-" + "".join(secrets.choice(_SUFFIX) for _ in range(5))
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **template.get("metadata", {}),
                "name": name,
                "generateName": f"{owner['metadata']['name']}-",
                "namespace": owner["metadata"]["namespace"],
                "ownerReferences": [_owner(owner)],
            },
            "spec": template["spec"],
        }
        try:
            self._state.store.add(PODS, admission.admitted(self._state, PODS, pod, None))
        except statuses.Refused as refused:
            told = f"Error creating: {refused.message.replace(name, pod['metadata']['generateName'])}"
            if told != self._refused.get(owner["metadata"]["uid"]):
                self._refused[owner["metadata"]["uid"]] = told
                events.record(self._state.store, owner, "Warning", "FailedCreate", told, "replicaset-controller")
            return False
        return True

    def _take(self, pod: Object) -> None:
        deleting.let_go(self._state, self._kubelet, PODS, pod, None)

    def _tell_set(self, found: Object, wanted: int | None) -> None:
        pods = self._pods(found)
        ready = sum(_is_ready(each) for each in pods)

        def how(body: Object) -> None:
            body["spec"]["replicas"] = len(pods) if wanted is None else wanted
            counts = {"fullyLabeledReplicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
            seen = {"replicas": len(pods), "observedGeneration": body["metadata"].get("generation", 1)}
            body["status"] = seen | {name: count for name, count in counts.items() if count}

        self._state.store.change(SETS, found["metadata"]["namespace"], found["metadata"]["name"], how)

    def _tell(self, deployment: Object, pods: list[Object], ready: list[Object], newest: int, current: Object) -> None:
        wanted = deployment["spec"]["replicas"]
        all_ready = sum(_is_ready(each) for each in pods)
        facts = {"Available": all_ready >= wanted, "Progressing": True}
        reasons = {
            ("Available", True): "MinimumReplicasAvailable",
            ("Available", False): "MinimumReplicasUnavailable",
            ("Progressing", True): "NewReplicaSetAvailable" if len(ready) >= wanted else "ReplicaSetUpdated",
        }

        def how(body: Object) -> None:
            old = {each["type"]: each for each in body.get("status", {}).get("conditions", [])}
            conditions = []
            for kind, true in facts.items():
                said = {"type": kind, "status": "True" if true else "False", "reason": reasons[kind, true]}
                said["message"] = _MESSAGES[said["reason"]].format(current["metadata"]["name"])
                same = all(old.get(kind, {}).get(name) == value for name, value in said.items())
                times = {name: old[kind][name] if same else now() for name in ("lastTransitionTime", "lastUpdateTime")}
                conditions.append(said | times)
            counts = {
                "replicas": len(pods),
                "updatedReplicas": newest,
                "readyReplicas": all_ready,
                "availableReplicas": all_ready,
                "unavailableReplicas": max(0, wanted - all_ready),
            }
            seen = {"observedGeneration": body["metadata"].get("generation", 1), "conditions": conditions}
            body["status"] = seen | {name: count for name, count in counts.items() if count}
            body["metadata"].setdefault("annotations", {})[_REVISION] = current["metadata"]["annotations"][_REVISION]

        meta = deployment["metadata"]
        self._state.store.change(DEPLOYMENTS, meta["namespace"], meta["name"], how)


def _owned(found: Object, owner: Object) -> bool:
    references = found["metadata"].get("ownerReferences") or []
    return any(each["uid"] == owner["metadata"]["uid"] for each in references)


def _owner(found: Object) -> dict[str, Any]:
    return {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "name": found["metadata"]["name"],
        "uid": found["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _is_ready(pod: Object) -> bool:
    return any(
        each["type"] == "Ready" and each["status"] == "True" for each in pod.get("status", {}).get("conditions", [])
    )


def _surplus(pods: list[Object], wanted: int) -> list[Object]:
    """Unready ones go first."""
    return sorted(pods, key=_is_ready)[: max(0, len(pods) - wanted)]
