"""Which container of a pod has the service's code. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stillroom.targets import base

__all__ = ["choose", "digest_of", "named", "names"]

_DEFAULT = "kubectl.kubernetes.io/default-container"


def choose(
    service: str, configured: str | None, pod: Mapping[str, Any], template: Mapping[str, Any] | None = None
) -> str:
    """The container's name: the configured one, the one that the pod's annotation names, or the only one.

    Sidecars are often injected ahead of the service's own container, so the first one is nobody's choice.

    Args:
        service: for messages.
        configured: what the registry says, if anything.
        pod: the pod, or a pod template: `metadata` and `spec`.
        template: of the workload, which does not have what is injected into its pods; None: not known.

    Raises:
        base.TargetFailed: `container-missing`, `container-unclear`; naming those there are.
    """
    there = names(pod)
    if configured is not None:
        return _existing(service, configured, there, "container: in services.yaml")
    annotated = ((pod.get("metadata") or {}).get("annotations") or {}).get(_DEFAULT)
    if annotated:
        return _existing(service, str(annotated), there, f"the annotation {_DEFAULT}")
    if len(there) == 1:
        return there[0]
    own = names(template) if template is not None else []
    if len(own) == 1 and own[0] in there:
        return own[0]
    raise base.TargetFailed(
        "container-unclear",
        f"{service}: its pods have {len(there)} containers ({', '.join(there)}), and nothing says which has its code",
        "name it: container: in services.yaml, or the annotation kubectl.kubernetes.io/default-container of the pods",
    )


def names(pod: Mapping[str, Any]) -> list[str]:
    """The containers of a pod or template, in order; init containers are none of them."""
    return [str(each["name"]) for each in (pod.get("spec") or {}).get("containers") or ()]


def named(pod: Mapping[str, Any], container: str) -> dict[str, Any]:
    """The container of this name; empty if there is none."""
    for each in (pod.get("spec") or {}).get("containers") or ():
        if each.get("name") == container:
            return dict(each)
    return {}


def digest_of(image: str) -> str | None:
    """The digest that an image's name or id holds (`repo@sha256:…`, `sha256:…`); None where it holds none."""
    _, found, digest = image.rpartition("sha256:")
    return f"sha256:{digest}" if found and digest else None


def _existing(service: str, wanted: str, there: list[str], where: str) -> str:
    if wanted in there:
        return wanted
    raise base.TargetFailed(
        "container-missing",
        f"{service}: {where} names the container {wanted}, and its pods have {', '.join(there) or 'none'}",
        f"correct {where}",
    )
