"""Objects against the schemas of Kubernetes 1.32: unknown fields, wrong types, what is required.

The schemas are those that the package `kubernetes-validate` carries; they still have the `x-kubernetes-` keys, so
server-side apply learns from them too which lists are maps, sets or atoms. The walk is our own, because the API server
words and grades what it finds in its own way: an unknown field or a wrong type is a bad request, a missing field
invalid. Unknown fields are refused whatever `fieldValidation` says.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.cluster import statuses
from tests.support.cluster.calls import Call
from tests.support.cluster.resources import Resource

__all__ = ["Schema", "check", "child", "of", "resolved"]

_VERSION = "1.32.0"
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
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


def check(call: Call, body: Mapping[str, Any], *, whole: bool = True) -> None:
    """Raises `Refused`: 400 for unknown fields and wrong types, 422 for what is missing, if this is a whole object."""
    schema = of(call.resource)
    if not schema:
        return
    problems = list(_problems(body, schema, ""))
    unknown = [f'unknown field "{path}"' for kind, path, _ in problems if kind == "unknown"]
    if unknown:
        raise statuses.bad_request(f"strict decoding error: {', '.join(unknown)}")
    wrong = [f"{path}: {message}" for kind, path, message in problems if kind == "type"]
    if wrong:
        what = f"{call.resource.kind} in version {call.resource.version!r} cannot be handled as a {call.resource.kind}"
        raise statuses.bad_request(f"{what}: json: cannot unmarshal {'; '.join(wrong)}")
    missing = [(path, message) for kind, path, message in problems if kind in ("required", "value")]
    if missing and whole:
        raise statuses.invalid(call.resource, body.get("metadata", {}).get("name", ""), missing)


def _problems(value: Any, schema: Schema, path: str) -> Iterator[tuple[str, str, str]]:
    if value is None:
        return
    if _is_quantity(schema):
        if not isinstance(value, (str, int, float)) or isinstance(value, bool):
            yield "type", path, f"{_shown(value)} into a quantity or number"
        return
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else [each for each in kinds if each != "null"]
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield "type", path, f"{_shown(value)} into a field of type {'/'.join(kinds)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield "value", path, f"Unsupported value: {value!r}: supported values: {schema['enum']}"
    if isinstance(value, dict):
        yield from _of_object(value, schema, path)
    elif isinstance(value, list) and "items" in schema:
        inner = resolved(schema["items"])
        for number, item in enumerate(value):
            yield from _problems(item, inner, f"{path}[{number}]")


def _of_object(value: dict[str, Any], schema: Schema, path: str) -> Iterator[tuple[str, str, str]]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if value.get(name) is None:
            yield "required", f"{path}.{name}".lstrip("."), "Required value"
    for name, inner in value.items():
        below = f"{path}.{name}".lstrip(".")
        if name not in properties and schema.get("additionalProperties") is False:
            yield "unknown", below, ""
        else:
            yield from _problems(inner, child(schema, name), below)


def _is_quantity(schema: Schema) -> bool:
    return "oneOf" in schema and "properties" not in schema


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _shown(value: Any) -> str:
    return {bool: "bool", int: "number", float: "number", str: "string", dict: "object", list: "array"}[type(value)]
