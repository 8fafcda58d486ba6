"""The verbs on stored objects: get, list, create, update, patch, delete."""

from __future__ import annotations

import base64
import copy
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

import yaml

from tests.support.cluster import admission, managed, patches, resources, schemas, selectors, statuses, validation
from tests.support.cluster.calls import Call
from tests.support.cluster.resources import Resource
from tests.support.cluster.state import State
from tests.support.cluster.store import Object

__all__ = ["body_of", "create", "get", "listed", "patch", "selected", "update"]

_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
# Kinds whose changes of the spec are counted in `generation`.
_COUNTED = ("Job", "Deployment", "ReplicaSet", "NetworkPolicy", "PodDisruptionBudget")
_RBAC = "rbac.authorization.k8s.io"
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
)
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


def get(state: State, call: Call) -> Object:
    """One object."""
    return state.store.get(call.resource, call.namespace, call.name)


def selected(call: Call) -> selectors.Matches:
    """Whether an object is among those asked for."""
    by_label = selectors.labels(call.query.one("labelSelector"))
    by_field = selectors.fields(call.resource, call.query.one("fieldSelector"))
    return lambda found: by_label(found) and by_field(found)


def listed(state: State, call: Call) -> Object:
    """A list, or a page of one; `continue` names the version and the last name of the page before."""
    matches = selected(call)
    after, version = ("", ""), str(state.store.version)
    if token := call.query.one("continue"):
        after, version = _continued(state, token)
    found = [each for each in state.store.all(call.resource, call.namespace) if matches(each) and _key(each) > after]
    meta: dict[str, Any] = {"resourceVersion": version}
    limit = call.query.number("limit") or 0
    if limit and len(found) > limit:
        meta["remainingItemCount"] = len(found) - limit
        found = found[:limit]
        meta["continue"] = base64.urlsafe_b64encode(json.dumps([version, *_key(found[-1])]).encode()).decode()
    return {
        "kind": f"{call.resource.kind}List",
        "apiVersion": call.resource.group_version,
        "metadata": meta,
        "items": found,
    }


def _key(found: Object) -> tuple[str, str]:
    return found["metadata"].get("namespace", ""), found["metadata"]["name"]


def _continued(state: State, token: str) -> tuple[tuple[str, str], str]:
    try:
        version, namespace, name = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise statuses.bad_request(f"continue key is not valid: {error}") from error
    state.store.since(resources.of_kind("Pod"), int(version))  # 410 where the history is gone
    return (namespace, name), version


def body_of(call: Call) -> Object:
    """The object in a request's body. Raises `Refused`."""
    if call.kind not in ("application/json", "application/yaml", "application/apply-patch+yaml"):
        raise statuses.unsupported_media(call.kind, ("application/json", "application/yaml"))
    try:
        body = json.loads(call.body) if call.body.lstrip()[:1] == b"{" else yaml.safe_load(call.body)
    except (ValueError, yaml.YAMLError) as error:
        raise statuses.bad_request(f"error decoding: {error}") from error
    if not isinstance(body, dict):
        raise statuses.bad_request("the object provided is unrecognized (must be of type Object)")
    return body


def create(state: State, call: Call, body: Object) -> Object:
    """A new object."""
    _agrees(call, body)
    meta = body.setdefault("metadata", {})
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"] + "".join(secrets.choice(_SUFFIX) for _ in range(5))
    for field in ("uid", "creationTimestamp", "deletionTimestamp", "selfLink", "generation", "managedFields"):
        meta.pop(field, None)
    if meta.pop("resourceVersion", ""):
        raise statuses.Refused(500, "InternalError", "resourceVersion should not be set on objects to be created")
    _named(call.resource, meta.get("name", ""))
    schemas.check(call, body)
    validation.check(call.resource, body)
    if call.resource.namespaced:
        state.store.get(resources.of_kind("Namespace"), "", call.namespace)
        meta["namespace"] = call.namespace
    if state.store.find(call.resource, call.namespace, meta["name"]):
        raise statuses.already_exists(call.resource, meta["name"])
    if call.resource.kind not in ("Namespace",):
        body.pop("status", None)
    operation = "Apply" if call.kind == _PATCHES[2] else "Update"
    applied = copy.deepcopy(body)
    body = admission.admitted(state, call.resource, body, None)
    meta = body["metadata"]
    if call.resource.kind in _COUNTED:
        meta["generation"] = 1
    managed.note_creation(call, body, applied, operation)
    if call.dry:
        return body | {"metadata": {**meta, "uid": "00000000-0000-0000-0000-000000000000"}}
    return state.store.add(call.resource, body)


def _agrees(call: Call, body: Object) -> None:
    """Kind and namespace of the body are those of the path."""
    said, expected = (body.get("apiVersion"), body.get("kind")), (call.resource.group_version, call.resource.kind)
    if said[0] != expected[0]:
        raise statuses.bad_request(
            f"the API version in the data ({said[0]}) does not match the expected API version ({expected[0]})"
        )
    if said[1] != expected[1]:
        raise statuses.bad_request(f"the kind in the data ({said[1]}) does not match the expected kind ({expected[1]})")
    namespace = (body.get("metadata") or {}).get("namespace", "")
    if namespace and namespace != call.namespace:
        raise statuses.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _named(resource: Resource, name: str) -> None:
    if not name:
        raise statuses.invalid(resource, "", [("metadata.name", "Required value: name or generateName is required")])
    if resource.group == _RBAC:
        return
    short = resource.kind in ("Namespace", "Service", "Job", "Pod", "Deployment")
    pattern, longest = (_LABEL, 63) if resource.kind in ("Namespace", "Service") else (_SUBDOMAIN, 63 if short else 253)
    if not pattern.match(name) or len(name) > longest:
        why = f'Invalid value: "{name}": a lowercase RFC 1123 name of at most {longest} characters is wanted'
        raise statuses.invalid(resource, name, [("metadata.name", why)])


def update(state: State, call: Call, body: Object) -> Object:
    """The whole of an object, or of its subresource, replaced."""
    _agrees(call, body)
    before = get(state, call)
    meta = body.get("metadata") or {}
    if meta.get("name") != call.name:
        raise statuses.bad_request(f"the name of the object ({meta.get('name')}) does not match the name on the URL")
    if meta.get("resourceVersion") not in (None, "", before["metadata"]["resourceVersion"]):
        raise statuses.conflict(
            call.resource,
            call.name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    return _changed(state, call, before, body)


def patch(state: State, call: Call, body: bytes) -> Object:
    """A JSON patch, a merge patch, or server-side apply; strategic merge patches are refused (415)."""
    if call.kind not in _PATCHES:
        raise statuses.unsupported_media(call.kind, _PATCHES)
    if call.kind == _PATCHES[2]:
        return _applied(state, call)
    before = get(state, call)
    after = patches.patched(call, before, body)
    if after["metadata"].get("resourceVersion") != before["metadata"]["resourceVersion"]:
        raise statuses.conflict(call.resource, call.name, "the object has been modified")
    return _changed(state, call, before, after)


def _applied(state: State, call: Call) -> Object:
    if not call.query.one("fieldManager"):
        raise statuses.invalid(
            call.resource, call.name, [("fieldManager", "Required value: is required for apply patch")]
        )
    body = body_of(call)
    _agrees(call, body)
    meta = body.setdefault("metadata", {})
    if meta.setdefault("name", call.name) != call.name:
        raise statuses.bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL")
    if "managedFields" in meta:
        raise statuses.bad_request("metadata.managedFields must be nil")
    schemas.check_applied(call, body)
    before = state.store.find(call.resource, call.namespace, call.name)
    if before is None:
        if call.subresource:
            raise statuses.not_found(call.resource, call.name)
        return create(state, call, body)
    after = managed.applied(call, before, body)
    return _changed(state, call, before, after, keep_managers=True)


def _changed(state: State, call: Call, before: Object, after: Object, keep_managers: bool = False) -> Object:
    """Stores what an update or a patch has made of an object."""
    after = copy.deepcopy(after)
    _hold(before, after, call.subresource)
    schemas.check(call, after)
    validation.check(call.resource, after)
    after = admission.admitted(state, call.resource, after, before)
    if not keep_managers:
        managed.note_change(call, before, after)
    if call.resource.kind in _COUNTED and after.get("spec") != before.get("spec"):
        after["metadata"]["generation"] = before["metadata"].get("generation", 1) + 1
    return after if call.dry else state.store.replace(call.resource, after)


def _hold(before: Object, after: Object, subresource: str) -> None:
    """What a client can't change stays: identity always; the status, or else all but the status."""
    for name in ("uid", "creationTimestamp", "resourceVersion", "generation", "namespace", "deletionTimestamp"):
        if name in before["metadata"]:
            after["metadata"][name] = before["metadata"][name]
        else:
            after["metadata"].pop(name, None)
    after["metadata"].setdefault("managedFields", before["metadata"].get("managedFields", []))
    kept: Mapping[str, Any] = before if subresource != "status" else {"status": after.get("status", {})}
    if subresource == "status":
        rest = {name: value for name, value in before.items() if name not in ("status", "metadata")}
        after.update(rest)
    if "status" in kept:
        after["status"] = kept["status"]
    else:
        after.pop("status", None)
