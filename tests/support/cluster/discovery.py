"""What kubectl asks before anything else: groups, resources, version, and the OpenAPI that it checks for one parameter.

Discovery is served aggregated (`apidiscovery.k8s.io/v2`) to who asks for that, else as separate lists. Of OpenAPI v3
there is as much as kubectl needs to know that the server validates fields itself; of OpenAPI v2, which kubectl 1.32
asks for before it applies a `List`, an empty document.
"""

from __future__ import annotations

from typing import Any

from tests.support.cluster.resources import RESOURCES, Resource

__all__ = [
    "AGGREGATED",
    "OPENAPI_V2",
    "OPENAPI_V2_TYPE",
    "aggregated",
    "group",
    "groups",
    "openapi",
    "openapi_of",
    "resource_list",
    "version",
]

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
"""The media type of aggregated discovery."""

OPENAPI_V2_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# A message `openapi.v2.Document`: swagger (field 1) "2.0", info (field 2) with title and version (fields 1 and 2).
_INFO = b"\x0a\x0aKubernetes\x12\x07v1.32.0"
OPENAPI_V2 = b"\x0a\x032.0\x12" + bytes([len(_INFO)]) + _INFO
"""The empty document, in the one encoding that kubectl accepts."""


def version(number: str) -> dict[str, str]:
    """`/version`, for a server of that release."""
    major, minor, _ = number.split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{number}",
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "2024-12-11T00:00:00Z",
        "goVersion": "go1.23.3",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def _group_versions(core: bool) -> list[tuple[str, str]]:
    found = [(each.group, each.version) for each in RESOURCES if (each.group == "") == core]
    return list(dict.fromkeys(found))


def _of(name: str, version: str) -> list[Resource]:
    return [each for each in RESOURCES if (each.group, each.version) == (name, version)]


def aggregated(core: bool) -> dict[str, Any]:
    """`/api` or `/apis` in one document."""
    items = [
        {
            "metadata": {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None},
            "versions": [
                {
                    "version": version,
                    "resources": [_discovered(each) for each in _of(name, version)],
                    "freshness": "Current",
                }
            ],
        }
        for name, version in _group_versions(core)
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _discovered(resource: Resource) -> dict[str, Any]:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    found: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        found["shortNames"] = list(resource.short)
    if resource.subresources:
        found["subresources"] = [
            {"subresource": name, "responseKind": kind | {"kind": said}, "verbs": list(verbs)}
            for name, said, verbs in resource.subresources
        ]
    return found


def groups() -> dict[str, Any]:
    """`/apis` for who does not know aggregated discovery."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*each) for each in _group_versions(False)]}


def group(name: str) -> dict[str, Any] | None:
    """`/apis/NAME`, or None."""
    found = [each for each in _group_versions(False) if each[0] == name]
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(*found[0])} if found else None


def _group(name: str, version: str) -> dict[str, Any]:
    served = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [served], "preferredVersion": served}


def resource_list(name: str, version: str) -> dict[str, Any] | None:
    """`/api/v1` or `/apis/NAME/VERSION`, or None."""
    found = _of(name, version)
    if not found:
        return None
    listed: list[dict[str, Any]] = []
    for each in found:
        listed.append(
            {
                "name": each.plural,
                "singularName": each.singular,
                "namespaced": each.namespaced,
                "kind": each.kind,
                "verbs": list(each.verbs),
                **({"shortNames": list(each.short)} if each.short else {}),
            }
        )
        listed += [
            {"name": f"{each.plural}/{sub}", "singularName": "", "namespaced": each.namespaced, "kind": kind}
            | {"verbs": list(verbs)}
            for sub, kind, verbs in each.subresources
        ]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": found[0].group_version,
        "resources": listed,
    }


def openapi() -> dict[str, Any]:
    """`/openapi/v3`: where each group's document lies."""
    paths = [f"api/{v}" for _, v in _group_versions(True)] + [f"apis/{g}/{v}" for g, v in _group_versions(False)]
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in paths}}


def openapi_of(path: str) -> dict[str, Any] | None:
    """`/openapi/v3/PATH` (path `api/v1` or `apis/batch/v1`), or None."""
    parts = path.split("/")
    name, version = ("", parts[1]) if parts[0] == "api" and len(parts) == 2 else (parts[1], parts[-1])
    found = _of(name, version) if len(parts) == (2 if parts[0] == "api" else 3) else []
    if not found:
        return None
    described = {f"/{path}/{'namespaces/{namespace}/' if e.namespaced else ''}{e.plural}/{{name}}": e for e in found}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.32.0"},
        "paths": {where: _operations(each) for where, each in described.items() if "patch" in each.verbs},
    }


def _operations(resource: Resource) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    return {
        "patch": {
            "operationId": f"patch{resource.kind}",
            "parameters": parameters,
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": kind,
        }
    }
