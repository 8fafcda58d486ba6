"""Events: what `kubectl describe` and `kubectl events` show of an object's life."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from tests.support.cluster import resources
from tests.support.cluster.store import Store, now

__all__ = ["record"]


def record(store: Store, about: Mapping[str, Any], kind: str, reason: str, message: str, source: str) -> None:
    """Adds one; `kind` is Normal or Warning. The same one again is counted."""
    meta = about["metadata"]
    namespace = meta.get("namespace", "default")
    events = resources.of_kind("Event")
    involved = {
        "kind": about["kind"],
        "apiVersion": about["apiVersion"],
        "name": meta["name"],
        "namespace": namespace,
        "uid": meta["uid"],
    }
    name = f"{meta['name']}.{uuid.uuid5(uuid.NAMESPACE_OID, '|'.join((meta['uid'], kind, reason, message))).hex[:16]}"

    def again(found: dict[str, Any]) -> None:
        found["count"] += 1
        found["lastTimestamp"] = now()

    if store.change(events, namespace, name, again) is None:
        store.add(
            events,
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": involved,
                "type": kind,
                "reason": reason,
                "message": message,
                "source": {"component": source},
                "firstTimestamp": now(),
                "lastTimestamp": now(),
                "count": 1,
            },
        )
