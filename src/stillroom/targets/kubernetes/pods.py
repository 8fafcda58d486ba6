"""Which pod runs a service's newest code: chosen among the objects of a namespace. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom.targets import base
from stillroom.targets.kubernetes import containers

__all__ = ["KINDS", "Chosen", "NoPod", "Workload", "choose", "digest", "workload_of"]

Workload = Mapping[str, Any]

KINDS = ("Deployment", "StatefulSet", "DaemonSet")
"""The kinds of workloads that are looked for, in this order."""

_REVISION = "deployment.kubernetes.io/revision"
_WAITING = (
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "CreateContainerConfigError",
    "CreateContainerError",
)


class NoPod(base.TargetFailed):
    """No pod can be used, and why; its workload could still run a Job.

    Attributes:
        workload: the object; None: there is none of that name.
    """

    def __init__(self, message: str, mend: str, workload: Workload | None) -> None:
        super().__init__("no-pod" if workload is not None else "workload-missing", message, mend)
        self.workload = workload


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A container to work in.

    Attributes:
        pod: its name.
        container: likewise.
        namespace: likewise.
        image: as the pod names it.
        digest: of the image that runs, `sha256:…`; empty where the node does not tell.
        ready: how many pods of the newest kind are ready.
        warnings: what a person should know of the choice.
    """

    pod: str
    container: str
    namespace: str
    image: str
    digest: str
    ready: int
    warnings: tuple[str, ...] = ()


def workload_of(service: str, name: str, objects: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The workload of this name.

    Raises:
        NoPod: `workload-missing`; naming those there are.
    """
    for kind in KINDS:
        for each in objects:
            if each.get("kind") == kind and each["metadata"]["name"] == name:
                return each
    there = sorted(each["metadata"]["name"] for each in objects if each.get("kind") in KINDS)
    listed = f"; there are: {', '.join(there[:10])}" + (" …" if len(there) > 10 else "") if there else ""
    raise NoPod(
        f"{service}: there is no Deployment (or StatefulSet) {name} in the namespace{listed}",
        "correct workload: (or namespace:) in services.yaml, or deploy the service first",
        None,
    )


def choose(service: str, name: str, container: str | None, objects: Sequence[Mapping[str, Any]]) -> Chosen:
    """The pod and container to work in: ready, not going, with the workload's newest template and its very image.

    Args:
        service: for messages.
        name: of the workload.
        container: what the registry says, if anything.
        objects: the workloads, ReplicaSets and pods of the namespace.

    Raises:
        NoPod: none can be used now.
        base.TargetFailed: `container-missing`, `container-unclear`; or `image-differs`: the pods run another image than
            the workload names.
    """
    workload = workload_of(service, name, objects)
    mine = _pods(workload, objects)
    newest = [each for each in mine if _is_newest(each, workload, objects)]
    usable = [each for each in newest if _ready(each)]
    if not usable:
        raise _none_usable(service, workload, mine, newest)
    # The youngest: what a mutable tag (`latest`) led to most lately.
    usable.sort(key=lambda each: (str(each["metadata"].get("creationTimestamp") or ""), each["metadata"]["name"]))
    pod = usable[-1]
    chosen = containers.choose(service, container, pod, workload["spec"]["template"])
    running = digest(pod, chosen)
    _check_image(service, workload, pod, chosen, running)
    others = sorted({digest(each, chosen) for each in usable} - {running, ""})
    warnings = (
        (
            f"pods of one and the same {workload['kind']} run different images under one tag ({running} and "
            f"{', '.join(others)}): the youngest pod is asked; name images by digest",
        )
        if others and running
        else ()
    )
    return Chosen(
        pod["metadata"]["name"],
        chosen,
        pod["metadata"].get("namespace", ""),
        str(containers.named(pod, chosen).get("image", "")),
        running,
        len(usable),
        warnings,
    )


def _owned(each: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    uid = owner["metadata"].get("uid")
    return any(one.get("uid") == uid for one in each["metadata"].get("ownerReferences") or ())


def _replica_sets(workload: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [each for each in objects if each.get("kind") == "ReplicaSet" and _owned(each, workload)]


def _pods(workload: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    owners = _replica_sets(workload, objects) if workload["kind"] == "Deployment" else [workload]
    return [each for each in objects if each.get("kind") == "Pod" and any(_owned(each, owner) for owner in owners)]


def _is_newest(pod: Mapping[str, Any], workload: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a pod was made from the template that the workload has now."""
    if workload["kind"] == "Deployment":
        newest = max(_replica_sets(workload, objects), key=_revision)
        return _owned(pod, newest) and _images(newest["spec"].get("template")) == _images(workload["spec"]["template"])
    labels = pod["metadata"].get("labels") or {}
    wanted = (workload.get("status") or {}).get("updateRevision")
    if wanted is not None:
        return bool(labels.get("controller-revision-hash") == wanted)
    return _images(workload["spec"]["template"]).items() <= _images(pod).items()


def _revision(replica_set: Mapping[str, Any]) -> tuple[int, str]:
    said = str((replica_set["metadata"].get("annotations") or {}).get(_REVISION, ""))
    return (int(said) if said.isdigit() else 0, str(replica_set["metadata"].get("creationTimestamp") or ""))


def _images(pod: Mapping[str, Any] | None) -> dict[str, str]:
    return {each["name"]: each.get("image", "") for each in ((pod or {}).get("spec") or {}).get("containers") or ()}


def _ready(pod: Mapping[str, Any]) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _status_of(pod: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    for each in (pod.get("status") or {}).get("containerStatuses") or ():
        if each.get("name") == container:
            found: Mapping[str, Any] = each
            return found
    return {}


def digest(pod: Mapping[str, Any], container: str) -> str:
    """The digest of the image that a container runs, `sha256:…`; empty where the node does not tell."""
    return containers.digest_of(str(_status_of(pod, container).get("imageID", ""))) or ""


def _check_image(
    service: str, workload: Mapping[str, Any], pod: Mapping[str, Any], container: str, running: str
) -> None:
    """Refuses a pod whose image is not the one that the workload names.

    Where a tag is named, the digest behind it is not known here: then the pod has to name the same tag. An admission hook
    may have put another registry's name before it.
    """
    named = str(containers.named(workload["spec"]["template"], container).get("image", ""))
    runs = str(containers.named(pod, container).get("image", ""))
    wanted = containers.digest_of(named)
    if wanted is not None and running:
        same, shown = wanted == running, running
    else:
        same, shown = not named or named.rpartition("/")[2] == runs.rpartition("/")[2], runs
    if not same:
        raise base.TargetFailed(
            "image-differs",
            f"{service}: the pod {pod['metadata']['name']} runs {shown}, and its {workload['kind']} names {named}",
            "wait until it is rolled out (kubectl rollout status), or look at what changes images in the cluster",
        )


def _none_usable(
    service: str,
    workload: Mapping[str, Any],
    mine: Sequence[Mapping[str, Any]],
    newest: Sequence[Mapping[str, Any]],
) -> NoPod:
    """Why there is none, as far as the pods tell."""
    named = f"{workload['kind']} {workload['metadata']['name']}"
    if workload["spec"].get("replicas") == 0:
        why = f"{named} is scaled to zero"
    elif not mine:
        why = f"{named} has no pods"
    elif not newest:
        older = sum(_ready(each) for each in mine)
        why = (
            f"{named} has no pod of its newest template ({older} of an older one {'is' if older == 1 else 'are'} ready)"
        )
    else:
        why = f"no pod of {named} is ready: " + ", ".join(
            f"{each['metadata']['name']} {_state(each)}" for each in newest[:3]
        )
    return NoPod(
        f"{service}: {why}",
        "kubectl describe and kubectl logs tell why; --via job works without a healthy pod",
        workload,
    )


def _state(pod: Mapping[str, Any]) -> str:
    """What a pod that is not ready is at, in a word."""
    if pod["metadata"].get("deletionTimestamp"):
        return "is going"
    status = pod.get("status") or {}
    for each in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        reason = ((each.get("state") or {}).get("waiting") or {}).get("reason")
        if reason in _WAITING:
            return f"is in {reason}"
    return f"is {status.get('phase', 'unknown')}, not ready"
