"""Label and field selectors, as lists and watches take them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.cluster import statuses
from tests.support.cluster.resources import Resource

__all__ = ["Matches", "fields", "labels"]

Matches = Callable[[Mapping[str, Any]], bool]

_SET = re.compile(r"^\s*([A-Za-z0-9./_-]+)\s+(in|notin)\s*\(([^()]*)\)\s*$")
_EQUAL = re.compile(r"^\s*([A-Za-z0-9./_-]+)\s*(==|=|!=)\s*([A-Za-z0-9._-]*)\s*$")
_EXISTS = re.compile(r"^\s*(!?)\s*([A-Za-z0-9./_-]+)\s*$")
_SPLIT = re.compile(r",(?![^()]*\))")
# What each kind can be selected by, besides name and namespace (the API server has such a list per kind, too).
_FIELDS = {
    "Pod": ("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP"),
    "Job": ("status.successful",),
    "Secret": ("type",),
    "Namespace": ("status.phase",),
    "ReplicaSet": ("status.replicas",),
    "Event": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "type",
    ),
}


def labels(text: str) -> Matches:
    """A label selector: equality, sets and existence. Raises `Refused` for what is none."""
    tests = [_label(part) for part in _SPLIT.split(text) if text.strip()]
    return lambda found: all(test(found.get("metadata", {}).get("labels") or {}) for test in tests)


def _label(part: str) -> Callable[[Mapping[str, str]], bool]:
    if match := _SET.match(part):
        key, operator, listed = match.groups()
        values = {each.strip() for each in listed.split(",")}
        if operator == "in":
            return lambda found: found.get(key) in values
        return lambda found: found.get(key) not in values
    if match := _EQUAL.match(part):
        key, operator, value = match.groups()
        if operator == "!=":
            return lambda found: found.get(key) != value
        return lambda found: found.get(key) == value
    if match := _EXISTS.match(part):
        absent, key = match.groups()
        return lambda found: (key in found) != bool(absent)
    raise statuses.bad_request(f"unable to parse requirement: {part!r}")


def fields(resource: Resource, text: str) -> Matches:
    """A field selector: `=`, `==` and `!=` on the fields that the kind supports. Raises `Refused` for others."""
    supported = ("metadata.name", "metadata.namespace", *_FIELDS.get(resource.kind, ()))
    tests: list[Matches] = []
    for part in filter(str.strip, text.split(",")):
        match = re.match(r"^\s*([A-Za-z.]+)\s*(==|=|!=)\s*(.*?)\s*$", part)
        if match is None:
            raise statuses.bad_request(f"invalid field selector: {part!r}")
        path, operator, value = match.groups()
        if path not in supported:
            known = ", ".join(f'"{each}"' for each in supported)
            raise statuses.bad_request(f'"{path}" is not a known field selector: only {known}')
        tests.append(_field(path, operator != "!=", value))
    return lambda found: all(test(found) for test in tests)


def _field(path: str, wanted: bool, value: str) -> Matches:
    def test(found: Mapping[str, Any]) -> bool:
        current: Any = found
        for name in path.split("."):
            current = current.get(name) if isinstance(current, Mapping) else None
        return (("" if current is None else str(current)) == value) == wanted

    return test
