"""Objects against the schemas of Kubernetes 1.32: unknown fields, wrong types, what is required.

The schemas are those that the package `kubernetes-validate` carries; they still have the `x-kubernetes-` keys, so
server-side apply learns from them too which lists are maps, sets or atoms. The walk is our own, because the API server
words and grades what it finds in its own way: an unknown field or a wrong type is a bad request, a missing field
invalid. Unknown fields are refused whatever `fieldValidation` says.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.cluster import statuses
from tests.support.cluster.calls import Call
from tests.support.cluster.resources import Resource

__all__ = ["Schema", "check", "check_applied", "child", "of", "resolved"]

_VERSION = "1.32.0"
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}

_TYPE_NAMES = {bool: "bool", int: "number", float: "number", str: "string", dict: "object", list: "array"}
_EXPECTED = {
    "string": "string",
    "integer": "numeric (int or float)",
    "number": "numeric (int or float)",
    "boolean": "boolean",
    "object": "map",
    "array": "list",
}

Schema = Mapping[str, Any]


@functools.cache
def _definitions() -> Mapping[str, Schema]:
    folder = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{_VERSION}-local-strict"
    found: Mapping[str, Schema] = json.loads((folder / "_definitions.json").read_bytes())["$defs"]
    return found


@functools.cache
def _kinds() -> Mapping[tuple[str, str, str], str]:
    return {
        (each["group"], each["version"], each["kind"]): name
        for name, schema in _definitions().items()
        for each in schema.get("x-kubernetes-group-version-kind", ())
    }


def of(resource: Resource) -> Schema:
    """The schema of a resource's objects; {} for custom resources."""
    name = _kinds().get((resource.group, resource.version, resource.kind))
    return _definitions()[name] if name else {}


def resolved(schema: Schema) -> Schema:
    """The schema that a reference leads to."""
    if "$ref" not in schema:
        return schema
    target = _definitions()[schema["$ref"].rpartition("/")[2]]
    extra = {name: value for name, value in schema.items() if name.startswith("x-")}
    return {**target, **extra} if extra else target


def child(schema: Schema, name: str) -> Schema:
    """The schema of a field; {} where anything goes."""
    properties = schema.get("properties", {})
    if name in properties:
        return resolved(properties[name])
    rest = schema.get("additionalProperties")
    return resolved(rest) if isinstance(rest, Mapping) else {}


def check(call: Call, body: Mapping[str, Any]) -> None:
    """Raises `Refused`: 400 for unknown fields and wrong types, 422 for what is missing."""
    problems = list(_problems(body, of(call.resource), ()))
    unknown = [f'unknown field "{_by_number(each.path)}"' for each in problems if each.kind == "unknown"]
    if unknown:
        raise statuses.bad_request(f"strict decoding error: {', '.join(unknown)}")
    wrong = [f"{each.message} {_by_number(each.path)}" for each in problems if each.kind == "type"]
    if wrong:
        what = f'{call.resource.kind} in version "{call.resource.version}" cannot be handled as a {call.resource.kind}'
        raise statuses.bad_request(f"{what}: json: cannot unmarshal {'; '.join(wrong)}")
    missing = [(_by_number(each.path), each.message) for each in problems if each.kind in ("required", "value")]
    if missing:
        raise statuses.invalid(call.resource, body.get("metadata", {}).get("name", ""), missing)


def check_applied(call: Call, body: Mapping[str, Any]) -> None:
    """Raises `Refused` (500, without a reason) for unknown fields, wrong types and items named twice, as apply does."""
    told = [
        f"{_by_key(each.path)}: {each.applied}"
        for each in _problems(body, of(call.resource), ())
        if each.kind in ("unknown", "type", "twice")
    ]
    if told:
        what = f"{call.namespace}/{call.name}; {call.resource.group}/{call.resource.version}, Kind={call.resource.kind}"
        said = told[0] if len(told) == 1 else "errors:" + "".join(f"\n  {each}" for each in told)
        raise statuses.Refused(500, "", f"failed to create typed patch object ({what}): {said}")


@dataclasses.dataclass(frozen=True)
class _Problem:
    """Something wrong; a part of its path is a field, or an item's number and how apply names the item."""

    kind: str
    path: tuple[str | tuple[int, str], ...]
    message: str = ""
    applied: str = ""


_Path = tuple["str | tuple[int, str]", ...]


def _by_number(path: _Path) -> str:
    return "".join(f".{part}" if isinstance(part, str) else f"[{part[0]}]" for part in path).lstrip(".")


def _by_key(path: _Path) -> str:
    return "".join(f".{part}" if isinstance(part, str) else part[1] for part in path)


def _problems(value: Any, schema: Schema, path: _Path) -> Iterator[_Problem]:
    if value is None:
        return
    kinds = ["string", "number"] if _is_quantity(schema) else schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else [each for each in kinds if each != "null"]
    if kinds and not any(_is(value, kind) for kind in kinds):
        shown = _TYPE_NAMES[type(value)]
        got = shown if kinds[0] in ("integer", "number") else f"&value.valueUnstructured{{Value:{value}}}"
        yield _Problem(
            "type",
            path,
            f"{shown} into a field of type {'/'.join(kinds)}:",
            f"expected {_EXPECTED[kinds[0]]}, got {got}",
        )
        return
    if "enum" in schema and value not in schema["enum"]:
        known = ", ".join(json.dumps(each) for each in schema["enum"])
        yield _Problem("value", path, f"Unsupported value: {json.dumps(value)}: supported values: {known}")
    if isinstance(value, dict):
        yield from _of_object(value, schema, path)
    elif isinstance(value, list) and "items" in schema:
        yield from _of_list(value, schema, path)


def _of_object(value: dict[str, Any], schema: Schema, path: _Path) -> Iterator[_Problem]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if value.get(name) is None:
            yield _Problem("required", (*path, name), "Required value")
    for name, inner in value.items():
        if name not in properties and schema.get("additionalProperties") is False:
            yield _Problem("unknown", (*path, name), applied="field not declared in schema")
        else:
            yield from _problems(inner, child(schema, name), (*path, name))


def _of_list(value: list[Any], schema: Schema, path: _Path) -> Iterator[_Problem]:
    inner = resolved(schema["items"])
    seen: set[str] = set()
    for number, item in enumerate(value):
        named = key_of(item, schema)
        if named and named in seen:
            yield _Problem("twice", path, applied=f"duplicate entries for key {named}")
        seen.add(named)
        yield from _problems(item, inner, (*path, (number, named or f"[{number}]")))


def key_of(item: Any, schema: Schema) -> str:
    """`[name="m"]` for an item of a list that is a map; "" for others."""
    if schema.get("x-kubernetes-list-type") != "map" or not isinstance(item, Mapping):
        return ""
    keys = {name: item.get(name) for name in schema["x-kubernetes-list-map-keys"] if item.get(name) is not None}
    return "[" + ",".join(f"{name}={json.dumps(value)}" for name, value in keys.items()) + "]" if keys else ""


def _is_quantity(schema: Schema) -> bool:
    return "oneOf" in schema and "properties" not in schema


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])
