"""What a cluster makes of manifests, without changing anything there: a server-side dry run, and what it would change."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from stillroom.manifests.objects import Object, Rendered
from stillroom.runtime import secrecy
from stillroom.targets.kubernetes.kubectl import Kubectl

__all__ = ["FIELD_MANAGER", "Tried", "attempt", "differences"]

FIELD_MANAGER = "stillroom"
"""Under which objects are applied: whoever applies them later goes by the same name."""

_AT_A_TIME = 200
_SECONDS = 300.0
_SERVERS = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink")
_LIVE = "kubectl.kubernetes.io/last-applied-configuration"


@dataclasses.dataclass(frozen=True)
class Tried:
    """What a cluster answered.

    Attributes:
        objects: (as it is there, or None; as it would be) for each object.
        absent: patches whose Deployment is not there: `Deployment NAME`.
    """

    objects: tuple[tuple[Mapping[str, Any] | None, Mapping[str, Any]], ...] = dataclasses.field(hash=False)
    absent: tuple[str, ...] = ()


def attempt(rendered: Rendered, door: Kubectl, *, force: bool = False) -> Tried:
    """Has the cluster apply everything, in a dry run of its own: admission, defaults, conflicts and all.

    Args:
        rendered: what is to be tried.
        door: to the cluster.
        force: pass over conflicts with other tools that own a field. Patches always do: they are made to change what
            others own.

    Raises:
        KubectlFailed: the cluster is not reached, or refuses something.
    """
    whole = [each for each in rendered.objects if not each.patch]
    patches = [each for each in rendered.objects if each.patch]
    there = _by_place(_got(patches, door))
    present = [each for each in patches if _named(each) in there]
    tried = [*whole, *present]
    live = {**_by_place(_got(whole, door)), **there}
    after = _by_place([*_applied(whole, door, force=force), *_applied(present, door, force=True)])
    found = [(live.get(_named(each)), after[_named(each)]) for each in tried if _named(each) in after]
    absent = tuple(each.label for each in patches if _named(each) not in there)
    return Tried(tuple(found), absent)


def differences(tried: Tried) -> Iterator[str]:
    """What applying would change, as a unified diff, line by line; nothing where nothing would."""
    for live, after in tried.objects:
        before, then = _lines(live), _lines(after)
        metadata = after["metadata"]
        name = f"{metadata.get('namespace', '')}/{after['kind']}/{metadata['name']}".lstrip("/")
        names = ("/dev/null" if live is None else f"cluster/{name}", f"rendered/{name}")
        yield from difflib.unified_diff(before, then, *names, lineterm="")


def _got(objects: Sequence[Object], door: Kubectl) -> Iterator[Mapping[str, Any]]:
    for some in _portions(objects):
        text = _stream(
            {"apiVersion": each.body["apiVersion"], "kind": each.kind, "metadata": _place(each)} for each in some
        )
        output = door.run("get", "--ignore-not-found", "-f", "-", "-o", "json", stdin=text, timeout=_SECONDS)
        yield from _items(output)


def _applied(objects: Sequence[Object], door: Kubectl, *, force: bool) -> Iterator[Mapping[str, Any]]:
    options = ["--server-side", "--dry-run=server", f"--field-manager={FIELD_MANAGER}"]
    options += ["--force-conflicts"] if force else []
    for some in _portions(objects):
        text = _stream(each.body for each in some)
        yield from _items(door.run("apply", *options, "-f", "-", "-o", "json", stdin=text, timeout=_SECONDS))


def _portions(objects: Sequence[Object]) -> Iterator[Sequence[Object]]:
    for start in range(0, len(objects), _AT_A_TIME):
        yield objects[start : start + _AT_A_TIME]


def _stream(bodies: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(b"---\n" + json.dumps(body).encode() + b"\n" for body in bodies)


def _items(output: bytes) -> list[Mapping[str, Any]]:
    """The objects that kubectl printed: none, one, several documents, or a list."""
    found: list[Mapping[str, Any]] = []
    text, decoder, at = output.decode("utf-8", "replace").strip(), json.JSONDecoder(), 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        found += value["items"] if str(value.get("kind", "")).endswith("List") and "items" in value else [value]
        at += len(text[at:]) - len(text[at:].lstrip())
    return found


def _place(each: Object) -> dict[str, str]:
    return {"name": each.name, **({"namespace": each.namespace} if each.namespace is not None else {})}


def _named(each: Object) -> tuple[str, str, str]:
    """Where an object is; without a namespace, wherever the context has it (`_by_place` has both)."""
    return each.kind, each.namespace or "", each.name


def _by_place(found: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    places: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for each in found:
        metadata = each["metadata"]
        places[each["kind"], metadata.get("namespace", ""), metadata["name"]] = each
        places.setdefault((each["kind"], "", metadata["name"]), each)
    return places


def _lines(body: Mapping[str, Any] | None) -> list[str]:
    """An object as YAML, without what is the server's to say, and without what looks like a secret."""
    if body is None:
        return []
    metadata = {key: value for key, value in body["metadata"].items() if key not in _SERVERS}
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != _LIVE}
    if annotations:
        metadata["annotations"] = annotations
    else:
        metadata.pop("annotations", None)
    shown = {**{key: value for key, value in body.items() if key != "status"}, "metadata": metadata}
    text = str(secrecy.scrubbed(yaml.safe_dump(shown, sort_keys=True, allow_unicode=True, width=1000)))
    return [line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…" for line in text.splitlines()]


_LONGEST = 400
