"""What rendering gives: files, and the objects in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["CONFIG", "JOBS", "PROFILES", "RBAC", "REST", "Object", "Options", "Rendered"]

CONFIG, RBAC, JOBS, REST = range(4)
"""Waves, in the order in which objects are applied: each may refer to those before it."""

PROFILES = ("plain", "helm", "argocd", "kustomize")
"""What manifests can be made for."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How to render.

    Attributes:
        profile: one of `PROFILES`; None: what the environment says.
        tag: instead of the tags (or digests) of all images; None: as the registry says.
        namespace: instead of the registry's, for all; None: as the registry says.
        kubernetes: release whose schemas hold (`1.33`); None: the newest that is installed, or no schemas where none are.
        needs_schemas: whether missing schemas are an error.
        templates: the team's own folder of templates; None: `templates` beside services.yaml.
        beside: services that stand in the same folder already; kustomization.yaml names them as well.
    """

    profile: str | None = None
    tag: str | None = None
    namespace: str | None = None
    kubernetes: str | None = None
    needs_schemas: bool = False
    templates: Path | None = None
    beside: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Object:
    """One object of Kubernetes.

    Attributes:
        service: whose it is; None: it is shared.
        kind: `Job`.
        name: `external-migration-1f0c9a3b`.
        namespace: where it belongs; None: that of the kubectl context.
        body: all of it, as data; treat as read-only.
        wave: `CONFIG`, `RBAC`, `JOBS` or `REST`.
        path: of its file, relative to the output folder.
        patch: whether it is a strategic merge patch of an object that somebody else makes (the Deployment).
        depth: how many services come before it by `after:`, in a row; 0: none.
    """

    service: str | None
    kind: str
    name: str
    namespace: str | None
    body: Mapping[str, Any] = dataclasses.field(hash=False, repr=False)
    wave: int
    path: str
    patch: bool = False
    depth: int = 0

    @property
    def label(self) -> str:
        """For messages: `Job external-migration-1f0c9a3b`."""
        return f"{self.kind} {self.name}"


@dataclasses.dataclass(frozen=True)
class Rendered:
    """What was rendered, checked.

    Attributes:
        files: path relative to the output folder -> text, in the order in which they are applied.
        objects: in the same order.
        notes: what is well, and worth a word all the same.
        profile: what it was made for.
        kubernetes: release whose schemas it was held against; None: against none.
        namespaces: of all objects, sorted; without those of None.
    """

    files: Mapping[str, str] = dataclasses.field(hash=False)
    objects: tuple[Object, ...]
    notes: tuple[str, ...] = ()
    profile: str = "plain"
    kubernetes: str | None = None

    @property
    def jobs(self) -> tuple[Object, ...]:
        """The migration Jobs."""
        return tuple(each for each in self.objects if each.wave == JOBS)
