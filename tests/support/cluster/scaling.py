"""The `scale` subresource of deployments and replica sets."""

from __future__ import annotations

import json
from typing import Any

from tests.support.cluster import objects, patches, statuses
from tests.support.cluster.calls import Call
from tests.support.cluster.state import State
from tests.support.cluster.store import Object

__all__ = ["scale"]


def scale(state: State, call: Call) -> Object:
    """Reads or changes the number of replicas. Raises `Refused`."""
    found = objects.get(state, call)
    shown = _scale(found)
    if call.verb == "get":
        return shown
    if call.verb == "patch" and call.kind != "application/merge-patch+json":
        raise statuses.unsupported_media(call.kind, ("application/merge-patch+json",))
    asked = json.loads(call.body)
    wanted: Any = (patches.merged(shown, asked) if call.verb == "patch" else asked).get("spec", {}).get("replicas", 0)
    if not isinstance(wanted, int) or wanted < 0:
        raise statuses.invalid(call.resource, call.name, [("spec.replicas", f"Invalid value: {wanted!r}")])

    def how(body: Object) -> None:
        if body["spec"]["replicas"] != wanted:
            body["spec"]["replicas"] = wanted
            body["metadata"]["generation"] = body["metadata"].get("generation", 1) + 1

    if call.dry:
        return shown | {"spec": {"replicas": wanted}}
    changed = state.store.change(call.resource, call.namespace, call.name, how)
    assert changed is not None
    return _scale(changed)


def _scale(found: Object) -> Object:
    meta = found["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = found["spec"]["selector"].get("matchLabels", {})
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in kept},
        "spec": {"replicas": found["spec"].get("replicas", 1)},
        "status": {
            "replicas": found.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{name}={value}" for name, value in sorted(labels.items())),
        },
    }
