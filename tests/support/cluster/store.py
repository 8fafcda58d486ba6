"""The objects, their versions, and the history that watches read. Belongs to the server's event loop.

Stored objects are never changed in place: who changes one stores a new dictionary, so readers need no copies.
"""

from __future__ import annotations

import asyncio
import collections
import copy
import dataclasses
import datetime
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.cluster import statuses
from tests.support.cluster.resources import Resource

__all__ = ["Event", "Object", "Store", "now"]

Object = dict[str, Any]
_KEPT = 200_000


def now() -> str:
    """The time as in objects' metadata: whole seconds, UTC."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclasses.dataclass(frozen=True)
class Event:
    """One change; `before` is None for a new object, and `type` is ADDED, MODIFIED or DELETED."""

    type: str
    resource: Resource
    object: Object
    before: Object | None
    version: int


class Store:
    """All objects."""

    def __init__(self) -> None:
        self.version = 1000
        self.listeners: list[Callable[[Event], None]] = []
        self._objects: dict[Resource, dict[tuple[str, str], Object]] = collections.defaultdict(dict)
        self._history: collections.deque[Event] = collections.deque(maxlen=_KEPT)
        self._oldest = self.version
        self._pulse = asyncio.Event()

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object, or None; not to be changed."""
        return self._objects[resource].get((namespace, name))

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """The object; not to be changed. Raises `Refused` (404)."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise statuses.not_found(resource, name)
        return found

    def all(self, resource: Resource, namespace: str = "") -> list[Object]:
        """In the order of names; of all namespaces without one."""
        held = self._objects[resource]
        return [held[key] for key in sorted(held) if not namespace or key[0] == namespace]

    def everything(self) -> Iterator[tuple[Resource, Object]]:
        """Each object with its resource."""
        for resource, held in list(self._objects.items()):
            for found in list(held.values()):
                yield resource, found

    def add(self, resource: Resource, body: Object) -> Object:
        """Stores a new object under its name; fills in uid, version and time."""
        meta = body["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if key in self._objects[resource]:
            raise statuses.already_exists(resource, meta["name"])
        meta.setdefault("uid", str(uuid.uuid4()))
        meta.setdefault("creationTimestamp", now())
        return self._store("ADDED", resource, key, body, None)

    def replace(self, resource: Resource, body: Object) -> Object:
        """Stores a new state of an object; one that equals the old is no change."""
        meta = body["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        before = self._objects[resource][key]
        if _same(before, body):
            return before
        return self._store("MODIFIED", resource, key, body, before)

    def change(self, resource: Resource, namespace: str, name: str, how: Callable[[Object], None]) -> Object | None:
        """Lets `how` change a copy and stores it; None if the object is gone."""
        found = self.find(resource, namespace, name)
        if found is None:
            return None
        copied = copy.deepcopy(found)
        how(copied)
        return self.replace(resource, copied)

    def remove(self, resource: Resource, namespace: str, name: str) -> None:
        """Takes an object away, if it is there."""
        found = self._objects[resource].pop((namespace, name), None)
        if found is not None:
            last = copy.deepcopy(found)
            self._tell(Event("DELETED", resource, self._stamped(last), found, self.version))

    def since(self, resource: Resource, version: int) -> list[Event]:
        """What changed after that version. Raises `Refused` (410) if that is no longer known."""
        if version < self._oldest:
            raise statuses.expired()
        newer: list[Event] = []
        for event in reversed(self._history):
            if event.version <= version:
                break
            if event.resource == resource:
                newer.append(event)
        return newer[::-1]

    def forget(self) -> None:
        """Drops the history, as etcd's compaction does: watches and pages from older versions are 410."""
        self._history.clear()
        self.version += 1
        self._oldest = self.version
        self.wake()

    async def changed(self) -> None:
        """Waits for the next change of anything."""
        await self._pulse.wait()

    def _store(
        self, kind: str, resource: Resource, key: tuple[str, str], body: Object, before: Object | None
    ) -> Object:
        self._objects[resource][key] = self._stamped(body)
        self._tell(Event(kind, resource, body, before, self.version))
        return body

    def _stamped(self, body: Object) -> Object:
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        return body

    def _tell(self, event: Event) -> None:
        if len(self._history) == _KEPT:
            self._oldest = self._history[0].version
        self._history.append(event)
        self.wake()
        for listener in self.listeners:
            listener(event)

    def wake(self) -> None:
        """Lets everybody look again who waits for a change."""
        self._pulse.set()
        self._pulse = asyncio.Event()


def _same(one: Object, other: Object) -> bool:
    def bare(body: Object) -> Object:
        meta = {
            name: value for name, value in body["metadata"].items() if name not in ("resourceVersion", "managedFields")
        }
        return {**body, "metadata": meta}

    managed = one["metadata"].get("managedFields"), other["metadata"].get("managedFields")
    return bare(one) == bare(other) and _untimed(managed[0]) == _untimed(managed[1])


def _untimed(managed: Any) -> Any:
    return [{name: value for name, value in each.items() if name != "time"} for each in managed or ()]
