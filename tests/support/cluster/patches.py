"""Merge patches (RFC 7386) and JSON patches (RFC 6902)."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.support.cluster import statuses
from tests.support.cluster.calls import Call
from tests.support.cluster.store import Object

__all__ = ["merged", "patched"]


def patched(call: Call, before: Object, body: bytes) -> Object:
    """The object with the patch. Raises `Refused`."""
    try:
        patch = json.loads(body)
    except ValueError as error:
        raise statuses.bad_request(f"error decoding patch: {error}") from error
    if call.kind == "application/merge-patch+json":
        if not isinstance(patch, dict):
            raise statuses.bad_request("a merge patch is an object")
        return merged(before, patch)
    after = copy.deepcopy(before)
    for operation in patch:
        try:
            after = _operated(after, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise statuses.invalid(
                call.resource, call.name, [("patch", f"the server rejected our request: {operation}: {error!r}")]
            ) from error
    return after


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found


def _operated(document: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation["op"], _pointer(operation["path"])
    if kind == "test":
        if _at(document, path) != operation["value"]:
            raise ValueError("testing value failed")
    elif kind == "remove":
        _take(document, path)
    elif kind == "replace":
        _at(document, path)
        _take(document, path)
        _put(document, path, operation["value"])
    elif kind == "add":
        _put(document, path, operation["value"])
    elif kind in ("move", "copy"):
        source = _pointer(operation["from"])
        value = _take(document, source) if kind == "move" else copy.deepcopy(_at(document, source))
        _put(document, path, value)
    else:
        raise ValueError(f"unknown operation {kind}")
    return document


def _pointer(text: str) -> list[str]:
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is no path of a field")
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _at(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _take(document: Any, path: list[str]) -> Any:
    parent = _at(document, path[:-1])
    return parent.pop(int(path[-1])) if isinstance(parent, list) else parent.pop(path[-1])


def _put(document: Any, path: list[str], value: Any) -> None:
    parent = _at(document, path[:-1])
    if isinstance(parent, list):
        where = len(parent) if path[-1] == "-" else int(path[-1])
        if where > len(parent):
            raise IndexError(path[-1])
        parent.insert(where, value)
    else:
        parent[path[-1]] = value
