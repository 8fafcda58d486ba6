"""What containers of a pod have to be like: names, variables, what they refer to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from stillroom.manifests import secrecy, words
from stillroom.manifests.objects import Object
from stillroom.manifests.problems import Problem

__all__ = ["pod_spec", "problems", "references"]


def pod_spec(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The pod's spec in a Job or a Deployment; None for other kinds."""
    if body.get("kind") not in ("Job", "Deployment"):
        return None
    try:
        found = body["spec"]["template"]["spec"]
    except (KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def problems(each: Object, spec: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the containers of an object: `name-wrong`, `variable-wrong`, `secret-in-the-open`,
    `reference-broken`."""
    found = _containers(spec)
    for name, count in Counter(str(one.get("name")) for one in found).items():
        wrong = words.label(name) or (f"there are {count} containers of this name" if count > 1 else None)
        if wrong:
            mend = "correct `container` or `sidecars` in services.yaml"
            yield Problem("name-wrong", each.label, f"container {name[:80]!r}: {wrong}", mend)
    for one in found:
        yield from _variables(each, one)
    yield from _rules(each, {str(one.get("name")) for one in found})
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    for one in found:
        for mount in one.get("volumeMounts") or ():
            if mount.get("name") not in volumes and not each.patch:
                text = f"container {one.get('name')} mounts {mount.get('name')}, which is no volume of the pod"
                yield Problem("reference-broken", each.label, text, "correct the template")


def references(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(kind, name) of what an object needs to be there."""
    if body.get("kind") == "RoleBinding":
        yield str((body.get("roleRef") or {}).get("kind")), str((body.get("roleRef") or {}).get("name"))
    spec = pod_spec(body)
    if spec is None:
        return
    if spec.get("serviceAccountName"):
        yield "ServiceAccount", str(spec["serviceAccountName"])
    for one in _containers(spec):
        yield from _from_env(one)
    for volume in spec.get("volumes") or ():
        if "configMap" in volume:
            yield "ConfigMap", str(volume["configMap"].get("name"))
        if "secret" in volume:
            yield "Secret", str(volume["secret"].get("secretName"))


def _from_env(container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for each in container.get("envFrom") or ():
        for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if key in each:
                yield kind, str(each[key].get("name"))
    for each in container.get("env") or ():
        source = each.get("valueFrom") or {}
        for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if key in source:
                yield kind, str(source[key].get("name"))


def _containers(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _variables(each: Object, container: Mapping[str, Any]) -> Iterator[Problem]:
    env = container.get("env") or ()
    at = f"container {container.get('name')}"
    for name, count in Counter(str(one.get("name")) for one in env).items():
        wrong = words.variable(name) or (f"{name} stands {count} times" if count > 1 else None)
        if wrong:
            yield Problem("variable-wrong", each.label, f"{at}: {wrong}", "correct `env` or `url_variable`")
    for one in env:
        value, name = one.get("value"), str(one.get("name"))
        if value is not None and not isinstance(value, str):
            text = f"{at}: {name} is {value!r}, which is no text"
            yield Problem("variable-wrong", each.label, text, "print it through `| tojson`, as a text")
        elif value is not None and secrecy.looks_secret(name, value):
            mend = "put it into a Secret, and refer to it by secretKeyRef"
            yield Problem("secret-in-the-open", each.label, f"{at}: {name} looks like a secret", mend)
        reference = (one.get("valueFrom") or {}).get("secretKeyRef") or {}
        wrong = words.subdomain(str(reference.get("name"))) or words.secret_key(reference.get("key"))
        if reference and wrong:
            yield Problem("name-wrong", each.label, f"{at}: {name}: {wrong}", "correct `secret` in services.yaml")


def _rules(each: Object, names: set[str]) -> Iterator[Problem]:
    """A rule of podFailurePolicy that names a container that is not there makes the API server refuse the Job."""
    spec = each.body.get("spec") or {}
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        name = (rule.get("onExitCodes") or {}).get("containerName")
        if name is not None and name not in names:
            text = f"podFailurePolicy names the container {name}, which is not there"
            yield Problem("reference-broken", each.label, text, "correct the template")
