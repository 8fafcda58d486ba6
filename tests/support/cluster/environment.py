"""A container's variables, resolved as the kubelet does it: envFrom, env, references, `$(NAME)`."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from tests.support.cluster.files import CopyOf

__all__ = ["Misconfigured", "expanded", "resolved"]

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_KEYED = re.compile(r"^metadata\.(labels|annotations)\['([^']+)'\]$")


class Misconfigured(Exception):
    """CreateContainerConfigError; the text is the kubelet's."""


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where NAME is known; `$$` is a dollar sign."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(value, text)


def resolved(pod: Mapping[str, Any], container: Mapping[str, Any], copy_of: CopyOf) -> dict[str, str]:
    """All that the pod says of a container's environment. Raises `Misconfigured`."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= _all_of(source, copy_of)
    for entry in container.get("env", []):
        value = _value(entry, pod, found, copy_of)
        if value is not None:
            found[entry["name"]] = value
    return found


def _all_of(source: Mapping[str, Any], copy_of: CopyOf) -> dict[str, str]:
    kind, how = ("ConfigMap", source["configMapRef"]) if "configMapRef" in source else ("Secret", source["secretRef"])
    data = _data(kind, how, copy_of)
    prefix = source.get("prefix", "")
    return {f"{prefix}{key}": text for key, text in (data or {}).items()}


def _value(entry: Mapping[str, Any], pod: Mapping[str, Any], found: dict[str, str], copy_of: CopyOf) -> str | None:
    if "valueFrom" not in entry:
        return expanded(entry.get("value", ""), found)
    ((kind, how),) = entry["valueFrom"].items()
    if kind == "fieldRef":
        return _field(pod, how["fieldPath"])
    if kind not in ("configMapKeyRef", "secretKeyRef"):
        raise Misconfigured(f"this cluster does not know {kind}")
    title = "ConfigMap" if kind == "configMapKeyRef" else "Secret"
    data = _data(title, how, copy_of)
    if data is None:
        return None
    if how["key"] not in data:
        if how.get("optional"):
            return None
        raise Misconfigured(f"couldn't find key {how['key']} in {title} {pod['metadata']['namespace']}/{how['name']}")
    return data[how["key"]]


def _data(kind: str, how: Mapping[str, Any], copy_of: CopyOf) -> dict[str, str] | None:
    found = copy_of(kind, how["name"])
    if found is None:
        if how.get("optional"):
            return None
        raise Misconfigured(f'{kind.lower()} "{how["name"]}" not found')
    data = found.get("data") or {}
    if kind == "ConfigMap":
        return dict(data)
    return {key: base64.b64decode(text).decode() for key, text in data.items()}


def _field(pod: Mapping[str, Any], path: str) -> str:
    if match := _KEYED.match(path):
        return (pod["metadata"].get(match[1]) or {}).get(match[2], "")
    known = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.podIP": pod.get("status", {}).get("podIP", ""),
        "status.hostIP": "127.0.0.1",
    }
    if path not in known:
        raise Misconfigured(f"this cluster does not know the field {path}")
    return known[path]
