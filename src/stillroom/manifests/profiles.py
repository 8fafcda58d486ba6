"""What each profile adds: annotations that put objects into order, where somebody else than stillroom applies them.

| profile | who applies | order |
|---|---|---|
| plain | `invoke apply --via job`, or kubectl in the order of kustomization.yaml | by waves, nothing is added |
| kustomize | the team's own kustomization, with this one as a component | as kubectl |
| helm | `helm upgrade --install` | hooks before installing and upgrading, by weight |
| argocd | Argo CD | sync waves; the Job is a hook of the sync |

Nothing rests on hooks alone: a service asks its database when it starts, whatever ran before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from stillroom.manifests.objects import CONFIG, JOBS, RBAC, REST, Object
from stillroom.manifests.problems import Problem

__all__ = ["HELM_WEIGHT", "escaped", "hook_problems", "marks", "unescaped"]

HELM_HOOK, HELM_WEIGHT, HELM_DELETE = "helm.sh/hook", "helm.sh/hook-weight", "helm.sh/hook-delete-policy"
_ARGO = "argocd.argoproj.io/"
ARGO_HOOK, ARGO_DELETE, ARGO_WAVE = _ARGO + "hook", _ARGO + "hook-delete-policy", _ARGO + "sync-wave"
ARGO_OPTIONS = _ARGO + "sync-options"

_FIRST = {CONFIG: -300, RBAC: -200, JOBS: -100}
_BRACES = re.compile(r"\{\{")
_ESCAPED = '{{ "{{" }}'


def marks(profile: str, wave: int, depth: int = 0, *, large: bool = False) -> dict[str, str]:
    """The annotations of an object.

    Args:
        profile: one of `objects.PROFILES`.
        wave: of the object.
        depth: of a Job in the order that `after:` asks for.
        large: whether it is too large for an annotation that repeats it, as client-side apply writes one.
    """
    if profile == "helm" and wave < REST:
        return _helm(wave, depth)
    if profile != "argocd" or wave == REST:
        return {}
    found = {ARGO_WAVE: str(_FIRST[wave] + depth)}
    if wave == JOBS:  # a Job that its TTL took away is not out of sync, and a new sync runs it again
        found = {ARGO_HOOK: "Sync", ARGO_DELETE: "BeforeHookCreation", **found}
    if large:
        found[ARGO_OPTIONS] = "ServerSideApply=true"
    return found


def _helm(wave: int, depth: int) -> dict[str, str]:
    """Both dialects: Argo CD renders charts, too, and would make what a hook refers to only after it."""
    weight = str(_FIRST[wave] + depth)
    return {
        HELM_HOOK: "pre-install,pre-upgrade",
        HELM_WEIGHT: weight,
        HELM_DELETE: "before-hook-creation",
        ARGO_HOOK: "PreSync",
        ARGO_DELETE: "BeforeHookCreation",
        ARGO_WAVE: weight,
    }


def hook_problems(
    objects: Sequence[Object], references: dict[tuple[str | None, str, str], list[Object]]
) -> list[Problem]:
    """What is a hook and refers to something that comes no earlier: `hook-order`.

    Args:
        objects: all.
        references: (namespace, kind, name) of an object -> those that refer to it.
    """
    found = []
    for each in objects:
        for user in references.get((each.namespace, each.kind, each.name), ()):
            weight, own = _weight(user), _weight(each)
            if weight is not None and not user.patch and (own is None or own >= weight):
                found.append(
                    Problem(
                        "hook-order",
                        user.label,
                        f"it is a hook of weight {weight}, and {each.label}, which it refers to, "
                        + ("is none" if own is None else f"has weight {own}"),
                        f"give {each.label} the annotations of a hook with a lower weight ({HELM_WEIGHT})",
                    )
                )
    return found


def _weight(each: Object) -> int | None:
    """When a hook of Helm comes; None: it is none."""
    found = each.body["metadata"].get("annotations") or {}
    return int(found.get(HELM_WEIGHT, "0")) if HELM_HOOK in found else None


def escaped(text: str) -> str:
    """A text that Helm's templates give unchanged."""
    return _BRACES.sub(lambda _: _ESCAPED, text)


def unescaped(text: str) -> str:
    """What Helm makes of `escaped` text."""
    return text.replace(_ESCAPED, "{{")
