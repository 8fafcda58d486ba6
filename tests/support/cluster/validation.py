"""What schemas can't say of objects: labels, keys, references, numbers, the rules of a podFailurePolicy.

The rules, and the beginnings of the messages, are those of the API server (compared with a 1.32).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.cluster import statuses
from tests.support.cluster.resources import Resource
from tests.support.cluster.store import Object

__all__ = ["check"]

_Found = tuple[str, str]

_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_NAME = re.compile(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$")
_KEY = re.compile(r"^[-._a-zA-Z0-9]{1,253}$")
_VARIABLE = re.compile(r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")
_QUANTITY = re.compile(r"^[+-]?[0-9.]+([eE][-+]?[0-9]+|[numkKMGTPE]i?)?$")
_LONGEST = 63
_NOT_NEGATIVE = (
    "activeDeadlineSeconds", "backoffLimit", "completions", "parallelism", "replicas", "ttlSecondsAfterFinished",
)  # fmt: skip


def check(resource: Resource, body: Object) -> None:
    """Raises `Refused` (422; 500 for what the API server can't even convert)."""
    problems = list(_labels(body.get("metadata") or {}, "metadata"))
    spec = body.get("spec") or {}
    if resource.kind in ("ConfigMap", "Secret"):
        problems += _data(resource, body)
    if resource.kind in ("Role", "ClusterRole"):
        problems += _rules(body)
    problems += [
        (f"spec.{name}", f"Invalid value: {spec[name]}: must be greater than or equal to 0")
        for name in _NOT_NEGATIVE
        if isinstance(spec.get(name), int) and spec[name] < 0
    ]
    pod, path = (
        (spec, "spec") if resource.kind == "Pod" else ((spec.get("template") or {}).get("spec"), "spec.template.spec")
    )
    if resource.kind in ("Pod", "Job", "Deployment", "ReplicaSet") and pod:
        problems += _labels((spec.get("template") or {}).get("metadata") or {}, "spec.template")
        problems += _pod(resource, body, pod, path)
    if resource.kind == "Job" and pod:
        problems += _policy(spec, pod)
    if problems:
        raise statuses.invalid(resource, body["metadata"]["name"], problems)


def _labels(meta: Mapping[str, Any], path: str) -> Iterator[_Found]:
    for name, value in (meta.get("labels") or {}).items():
        if not _NAME.match(name.rpartition("/")[2]) or len(name.rpartition("/")[2]) > _LONGEST:
            yield (
                f"{path}.labels",
                f"Invalid value: {json.dumps(name)}: name part must consist of alphanumeric characters",
            )
        if not _VALUE.match(value):
            yield (
                f"{path}.labels",
                f"Invalid value: {json.dumps(value)}: a valid label must be an empty string or consist of …",
            )
        elif len(value) > _LONGEST:
            yield f"{path}.labels", f"Invalid value: {json.dumps(value)}: must be no more than 63 characters"
    for name in meta.get("annotations") or {}:
        if not _NAME.match(name.rpartition("/")[2]) or len(name.rpartition("/")[2]) > _LONGEST:
            yield f"{path}.annotations", f"Invalid value: {json.dumps(name)}: name part must consist of …"


def _data(resource: Resource, body: Object) -> Iterator[_Found]:
    data, binary = body.get("data") or {}, body.get("binaryData") or {}
    for field, content in (("data", data), ("binaryData", binary), ("stringData", body.get("stringData") or {})):
        for key in content:
            if not _KEY.match(key):
                yield f"{field}[{key}]", f"Invalid value: {json.dumps(key)}: a valid config key must consist of …"
    for key in data.keys() & binary.keys():
        yield f"data[{key}]", f"Invalid value: {json.dumps(key)}: duplicate of key present in binaryData"
    for text in (*binary.values(), *(data.values() if resource.kind == "Secret" else ())):
        try:
            base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise statuses.Refused(500, "", f"error decoding from json: illegal base64 data ({error})") from error


def _rules(body: Object) -> Iterator[_Found]:
    for number, rule in enumerate(body.get("rules") or []):
        if rule.get("resources") and not rule.get("apiGroups"):
            yield f"rules[{number}].apiGroups", "Required value: resource rules must supply at least one api group"
        if not rule.get("verbs"):
            yield f"rules[{number}].verbs", "Required value: verbs must contain at least one value"


def _pod(resource: Resource, body: Object, pod: Mapping[str, Any], path: str) -> Iterator[_Found]:
    for field in ("initContainers", "containers"):
        for number, container in enumerate(pod.get(field) or []):
            where = f"{path}.{field}[{number}]"
            policy = container.get("restartPolicy")
            if policy is not None and (field == "containers" or policy != "Always"):
                said = (
                    "may not be set for non-init containers" if field == "containers" else 'supported values: "Always"'
                )
                yield f"{where}.restartPolicy", f'Unsupported value: "{policy}": {said}'
            yield from _variables(container, where)
            yield from _resources(resource, body, container.get("resources") or {}, f"{where}.resources")


def _variables(container: Mapping[str, Any], where: str) -> Iterator[_Found]:
    for number, entry in enumerate(container.get("env") or []):
        if not _VARIABLE.match(entry["name"]):
            yield (
                f"{where}.env[{number}].name",
                f"Invalid value: {json.dumps(entry['name'])}: a valid environment variable name …",
            )
        source = entry.get("valueFrom")
        if source is not None and entry.get("value"):
            yield (
                f"{where}.env[{number}].valueFrom",
                'Invalid value: "": may not be specified when `value` is not empty',
            )
        elif source is not None and len(source) != 1:
            yield (
                f"{where}.env[{number}].valueFrom",
                'Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, …',
            )


def _resources(resource: Resource, body: Object, wanted: Mapping[str, Any], where: str) -> Iterator[_Found]:
    limits, requests = wanted.get("limits") or {}, wanted.get("requests") or {}
    for text in (*limits.values(), *requests.values()):
        if not _QUANTITY.match(str(text)):
            what = f"{body['metadata'].get('namespace', '')}/{body['metadata']['name']}; {resource.group_version}"
            told = f"failed to convert new object ({what}, Kind={resource.kind}) to proper version: quantities must match …"
            raise statuses.Refused(500, "", told)
    for name, text in requests.items():
        if name in limits and _number(text) > _number(limits[name]):
            told = f"Invalid value: {json.dumps(text)}: must be less than or equal to {name} limit of {limits[name]}"
            yield f"{where}.requests", told


def _number(text: Any) -> float:
    match = re.match(r"^([+-]?[0-9.]+)(.*)$", str(text))
    assert match is not None
    units = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
    binary = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
    return float(match[1]) * {**units, **binary, "": 1}.get(match[2], 1)


def _policy(spec: Mapping[str, Any], pod: Mapping[str, Any]) -> Iterator[_Found]:
    names = [each["name"] for field in ("containers", "initContainers") for each in pod.get(field) or []]
    for number, rule in enumerate((spec.get("podFailurePolicy") or {}).get("rules", [])):
        codes = rule.get("onExitCodes")
        if codes is None:
            continue
        where = f"spec.podFailurePolicy.rules[{number}].onExitCodes"
        name, values = codes.get("containerName"), codes["values"]
        if name and name not in names:
            told = "must be one of the container or initContainer names in the pod template"
            yield f"{where}.containerName", f"Invalid value: {json.dumps(name)}: {told}"
        if values != sorted(values):
            yield f"{where}.values", f"Invalid value: {values}: must be ordered"
        elif len(set(values)) != len(values):
            yield f"{where}.values", "Duplicate value"
        if codes["operator"] == "In" and 0 in values:
            yield f"{where}.values[{values.index(0)}]", "Invalid value: 0: must not be 0 for the In operator"
