"""Which pod and which container has a service's code."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from stillroom.targets import base
from stillroom.targets.kubernetes import containers, pods

_OLD = "sha256:" + "0" * 64
_NEW = "sha256:" + "1" * 64

Object = dict[str, Any]


def _template(image: str = "registry.test/shop:1", names: tuple[str, ...] = ("app",)) -> Object:
    return {"metadata": {}, "spec": {"containers": [{"name": each, "image": image} for each in names]}}


def _deployment(image: str = "registry.test/shop:1", **spec: Any) -> Object:
    return {
        "kind": "Deployment",
        "metadata": {"name": "shop", "uid": "d"},
        "spec": {"replicas": 1, "template": _template(image), **spec},
    }


def _replica_set(revision: int, image: str = "registry.test/shop:1") -> Object:
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"shop-{revision}",
            "uid": f"r{revision}",
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"uid": "d"}],
        },
        "spec": {"template": _template(image)},
    }


def _pod(
    name: str, owner: str, image: str = "registry.test/shop:1", digest: str = _NEW, *, ready: bool = True
) -> Object:
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "bakery",
            "ownerReferences": [{"uid": owner}],
            "creationTimestamp": name,
        },
        "spec": _template(image)["spec"],
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "app", "imageID": f"registry.test/shop@{digest}"}],
        },
    }


def _choose(*objects: Object) -> pods.Chosen:
    return pods.choose("shop", "shop", None, objects)


def test_a_ready_pod_of_the_newest_replica_set() -> None:
    """Not one of the older, however ready; not one that is going."""
    going = _pod("shop-2-z", "r2")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    chosen = _choose(
        _deployment(),
        _replica_set(1),
        _replica_set(2),
        _pod("shop-1-a", "r1", digest=_OLD),
        _pod("shop-2-a", "r2"),
        _pod("shop-2-b", "r2", ready=False),
        going,
    )
    assert chosen == pods.Chosen("shop-2-a", "app", "bakery", "registry.test/shop:1", _NEW, 1)


def test_revisions_count_as_numbers() -> None:
    """10 is newer than 9."""
    objects = [_deployment(), _replica_set(9), _replica_set(10), _pod("shop-9-a", "r9"), _pod("shop-10-a", "r10")]
    assert _choose(*objects).pod == "shop-10-a"


@pytest.mark.parametrize(
    ("objects", "says"),
    [
        ([_deployment(replicas=0)], "Deployment shop is scaled to zero"),
        ([_deployment()], "Deployment shop has no pods"),
        (
            [_deployment(), _replica_set(1), _replica_set(2), _pod("shop-1-a", "r1")],
            "no pod of its newest template (1 of an older one is ready)",
        ),
        (
            [_deployment("registry.test/shop:2"), _replica_set(1), _pod("shop-1-a", "r1")],
            "no pod of its newest template (1 of an older one is ready)",
        ),
        (
            [_deployment(), _replica_set(1), _pod("shop-1-a", "r1", ready=False)],
            "no pod of Deployment shop is ready: shop-1-a is Running, not ready",
        ),
    ],
    ids=["scaled to zero", "none yet", "rolling out", "not rolled out yet", "not ready"],
)
def test_why_there_is_no_pod(objects: list[Object], says: str) -> None:
    """The reason is told, and the workload is handed on: a Job can be made from it."""
    with pytest.raises(pods.NoPod) as caught:
        _choose(*objects)
    assert says in caught.value.message
    assert caught.value.code == "no-pod"
    assert caught.value.workload == objects[0]


def test_a_crashing_pod_is_named() -> None:
    """With the reason that kubectl shows."""
    crashing = _pod("shop-1-a", "r1", ready=False)
    crashing["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    with pytest.raises(pods.NoPod, match="shop-1-a is in CrashLoopBackOff"):
        _choose(_deployment(), _replica_set(1), crashing)


def test_a_workload_that_is_not_there() -> None:
    """Those that are there are listed."""
    with pytest.raises(
        pods.NoPod, match=r"no Deployment \(or StatefulSet\) auth in the namespace; there are: shop"
    ) as caught:
        pods.choose("auth", "auth", None, [_deployment()])
    assert caught.value.code == "workload-missing"


def test_the_image_is_the_one_that_is_named() -> None:
    """By digest where the workload names one; by its tag where not, whatever registry an admission hook prefers."""
    by_digest = f"registry.test/shop@{_NEW}"
    right = [_deployment(by_digest), _replica_set(1, by_digest), _pod("shop-1-a", "r1", by_digest)]
    assert _choose(*right).digest == _NEW
    wrong = [*right[:2], _pod("shop-1-a", "r1", by_digest, _OLD)]
    with pytest.raises(base.TargetFailed, match=f"runs {_OLD}, and its Deployment names {by_digest}") as caught:
        _choose(*wrong)
    assert caught.value.code == "image-differs"
    mirrored = [_deployment(), _replica_set(1), _pod("shop-1-a", "r1", "mirror.test/cache/shop:1")]
    assert _choose(*mirrored).image == "mirror.test/cache/shop:1"
    other = [_deployment(), _replica_set(1), _pod("shop-1-a", "r1", "registry.test/shop:0")]
    with pytest.raises(base.TargetFailed, match=r"runs registry\.test/shop:0"):
        _choose(*other)


def test_one_tag_that_leads_to_two_images() -> None:
    """The youngest pod is asked, and it is said."""
    chosen = _choose(
        _deployment(), _replica_set(1), _pod("shop-1-a", "r1", digest=_OLD), _pod("shop-1-b", "r1", digest=_NEW)
    )
    assert (chosen.pod, chosen.digest) == ("shop-1-b", _NEW)
    assert "different images under one tag" in chosen.warnings[0]


def test_a_stateful_set_has_its_pods_itself() -> None:
    """The newest are those of its update revision."""
    workload = {**_deployment(), "kind": "StatefulSet", "status": {"updateRevision": "shop-new"}}
    old, new = _pod("shop-0", "d"), _pod("shop-1", "d")
    old["metadata"]["labels"] = {"controller-revision-hash": "shop-old"}
    new["metadata"]["labels"] = {"controller-revision-hash": "shop-new"}
    assert _choose(workload, old, new).pod == "shop-1"


def _meshed(annotations: dict[str, str] | None = None) -> Object:
    pod = _template(names=("istio-proxy", "app"))
    pod["metadata"]["annotations"] = annotations or {}
    return pod


def test_the_container_is_configured_annotated_or_the_only_one() -> None:
    """In this order; an injected sidecar is not part of the workload's own template."""
    annotated = _meshed({"kubectl.kubernetes.io/default-container": "app"})
    assert containers.choose("shop", "istio-proxy", annotated) == "istio-proxy"
    assert containers.choose("shop", None, annotated) == "app"
    assert containers.choose("shop", None, _template()) == "app"
    assert containers.choose("shop", None, _meshed(), _template()) == "app"


def test_a_container_that_nobody_names() -> None:
    """Those there are, are listed; the first one is nobody's choice."""
    with pytest.raises(base.TargetFailed, match=r"2 containers \(istio-proxy, app\)") as caught:
        containers.choose("shop", None, _meshed(), _meshed())
    assert caught.value.code == "container-unclear"
    with pytest.raises(base.TargetFailed, match=r"names the container web, .* have istio-proxy, app"):
        containers.choose("shop", "web", _meshed())
    with pytest.raises(base.TargetFailed, match="default-container names the container web"):
        containers.choose("shop", None, _meshed({"kubectl.kubernetes.io/default-container": "web"}))


def test_choosing_changes_nothing() -> None:
    """What is chosen from is as it was."""
    objects = [_deployment(), _replica_set(1), _pod("shop-1-a", "r1")]
    before = copy.deepcopy(objects)
    _choose(*objects)
    assert objects == before
