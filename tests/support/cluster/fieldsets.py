"""Sets of fields as `managedFields` writes them, and the merge of two objects along a schema.

A field is a path of `f:NAME` (a member), `k:{…}` (an item of a list that is a map, by its keys), `v:…` (a member of a
set); a path that ends with `.` is the item itself.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.cluster import schemas
from tests.support.cluster.schemas import Schema

__all__ = ["Fields", "Path", "at", "merged", "nested", "of", "parsed", "remove", "shown"]

Path = tuple[str, ...]
Fields = set[Path]

_NOBODYS = {
    ("f:apiVersion",),
    ("f:kind",),
    ("f:status",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "managedFields",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "generateName",
        )
    ),
}


def of(body: Mapping[str, Any], schema: Schema) -> Fields:
    """The leaves of an object; those that nobody owns are left out."""
    return {path for path in _leaves(body, schema, ()) if path[:1] not in _NOBODYS and path[:2] not in _NOBODYS}


def _leaves(value: Any, schema: Schema, path: Path) -> Iterator[Path]:
    if isinstance(value, Mapping) and value and schema.get("x-kubernetes-map-type") != "atomic":
        for name, inner in value.items():
            if inner is not None:
                yield from _leaves(inner, schemas.child(schema, name), (*path, f"f:{name}"))
    elif isinstance(value, list) and _kind(schema) == "map":
        items = schemas.resolved(schema["items"])
        for item in value:
            below = (*path, _key(item, schema))
            yield (*below, ".")
            yield from _leaves(item, items, below)
    elif isinstance(value, list) and _kind(schema) == "set":
        yield from ((*path, "v:" + _compact(item)) for item in value)
    elif path:
        yield path


def _kind(schema: Schema) -> str:
    kind = schema.get("x-kubernetes-list-type", "")
    if not kind and "merge" in schema.get("x-kubernetes-patch-strategy", "").split(","):
        kind = "map" if "x-kubernetes-patch-merge-key" in schema else "set"
    return str(kind)


def _keys(schema: Schema) -> list[str]:
    return list(schema.get("x-kubernetes-list-map-keys") or [schema["x-kubernetes-patch-merge-key"]])


def _key(item: Mapping[str, Any], schema: Schema) -> str:
    defaults = {"protocol": "TCP"}
    said = {name: item.get(name, defaults.get(name)) for name in _keys(schema)}
    return "k:" + _compact({name: value for name, value in said.items() if value is not None})


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def at(body: Any, path: Path) -> Any:
    """The value of a field, or None."""
    for part in path:
        body = _step(body, part)
    return body


def _step(body: Any, part: str) -> Any:
    if part == ".":
        return body
    if part.startswith("f:"):
        return body.get(part[2:]) if isinstance(body, Mapping) else None
    if not isinstance(body, list):
        return None
    if part.startswith("v:"):
        wanted = json.loads(part[2:])
        return wanted if wanted in body else None
    return next((each for each in body if _has(each, json.loads(part[2:]))), None)


def _has(item: Mapping[str, Any], keys: Mapping[str, Any]) -> bool:
    return all(item.get(name, "TCP" if name == "protocol" else None) == value for name, value in keys.items())


def remove(body: Any, path: Path) -> None:
    """Takes a field away, and objects that are empty then."""
    if path[-1] == ".":
        path = path[:-1]
    parent, last = at(body, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent.pop(last[2:], None)
    elif isinstance(parent, list):
        gone = _step(parent, last)
        if gone is not None:
            parent.remove(gone)
    if parent in ({}, []) and len(path) > 1 and parent is not body:
        remove(body, path[:-1])


def merged(live: Any, wanted: Any, schema: Schema) -> Any:
    """`live` with all that `wanted` says."""
    if isinstance(wanted, Mapping) and isinstance(live, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        for name, inner in wanted.items():
            live[name] = merged(live.get(name), inner, schemas.child(schema, name))
        return live
    if isinstance(wanted, list) and isinstance(live, list) and _kind(schema) in ("map", "set"):
        return _merged_lists(live, wanted, schema)
    return copy.deepcopy(wanted)


def _merged_lists(live: list[Any], wanted: list[Any], schema: Schema) -> list[Any]:
    if _kind(schema) == "set":
        return live + [each for each in wanted if each not in live]
    items = schemas.resolved(schema["items"])
    for each in wanted:
        key = _key(each, schema)
        found = next((number for number, one in enumerate(live) if _key(one, schema) == key), None)
        if found is None:
            live.append(copy.deepcopy(each))
        else:
            live[found] = merged(live[found], each, items)
    return live


def nested(fields: Fields) -> dict[str, Any]:
    """As `fieldsV1` has it."""
    found: dict[str, Any] = {}
    for path in sorted(fields):
        place = found
        for part in path:
            place = place.setdefault(part, {})
    return found


def parsed(found: Mapping[str, Any]) -> Fields:
    """Back from `fieldsV1`."""

    def walk(place: Mapping[str, Any], path: Path) -> Iterator[Path]:
        for part, below in place.items():
            if below:
                yield from walk(below, (*path, part))
            else:
                yield (*path, part)

    return set(walk(found, ()))


def shown(path: Path) -> str:
    """As conflicts name a field: `.spec.template.spec.containers[name="app"].image`."""
    text = ""
    for part in path:
        if part.startswith("f:"):
            text += f".{part[2:]}"
        elif part.startswith("k:"):
            keys = json.loads(part[2:])
            text += "[" + ",".join(f"{name}={json.dumps(value)}" for name, value in keys.items()) + "]"
        elif part.startswith("v:"):
            text += f"[={part[2:]}]"
    return text
