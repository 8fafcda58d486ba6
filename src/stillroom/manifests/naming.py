"""What objects, containers and labels are called: one place, since other parts look for them by these names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from stillroom.manifests import meaning
from stillroom.registry import model

__all__ = [
    "CODE_LABEL",
    "COMPONENT",
    "MIGRATION",
    "VERIFY",
    "WAIT",
    "canonical_data",
    "content_hash",
    "is_ours",
    "job",
    "labels",
    "reserved",
    "short_hash",
]

MIGRATION, WAIT, VERIFY = "migration", "wait-for-database", "verify-database"
"""Containers: the Job's, its init container, and the init container of the Deployment's patch."""

COMPONENT = "app.kubernetes.io/component"
CODE_LABEL = "stillroom.dev/content"
"""Label of a Job: the hash in its name."""

_MANAGER = {"app.kubernetes.io/managed-by": "stillroom"}
_SERVICE, _ENVIRONMENT = "stillroom.dev/service", "stillroom.dev/environment"
_HASH = 8


def labels(environment: str, service: model.Service | None = None, component: str = "") -> dict[str, str]:
    """The labels of an object, in this order: whose, what it is, who made it, for which environment."""
    found: dict[str, str] = {}
    if service is not None:
        found["app.kubernetes.io/name"] = service.name
    if component:
        found[COMPONENT] = component
    found.update(_MANAGER)
    if service is not None:
        found[_SERVICE] = service.name
    found[_ENVIRONMENT] = environment
    return found


def reserved(key: str) -> bool:
    """Whether a label or annotation is ours to say."""
    known = {*labels("", _NOBODY, MIGRATION), CODE_LABEL}
    return key in known or key.split("/")[0] == "stillroom.dev"


def is_ours(body: Mapping[str, Any]) -> bool:
    """Whether an object says that stillroom made it."""
    found = (body.get("metadata") or {}).get("labels") or {}
    return all(found.get(key) == value for key, value in _MANAGER.items())


def short_hash(content: bytes) -> str:
    """Eight hexadecimal digits that stand for some bytes."""
    return hashlib.sha256(content).hexdigest()[:_HASH]


def job(service: str, content: str) -> str:
    """The name of a migration Job: `external-migration-1f0c9a3b`."""
    return f"{service}-migration-{content}"


def content_hash(body: Mapping[str, Any]) -> str:
    """The hash of a Job's content: all of it, labels and annotations as well, without its name and the hash itself."""
    return short_hash(meaning.canonical(_without(body)).encode())


def canonical_data(documents: list[dict[str, Any]]) -> bytes:
    """What ConfigMaps say, whatever their annotations are."""
    return meaning.canonical([each.get("data") for each in documents]).encode()


def _without(value: Any) -> Any:
    if isinstance(value, Mapping):
        metadata = (
            {key: each for key, each in value["metadata"].items() if key != "name"} if "metadata" in value else {}
        )
        return _unlabelled({**value, "metadata": metadata})
    return value


def _unlabelled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unlabelled(each) for key, each in value.items() if key != CODE_LABEL}
    if isinstance(value, list):
        return [_unlabelled(each) for each in value]
    return value


class _Nobody:
    name = ""


_NOBODY: Any = _Nobody()
