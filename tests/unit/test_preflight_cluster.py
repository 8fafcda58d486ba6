"""What preflight says of a cluster and of the image in it, from what was seen."""

from __future__ import annotations

from typing import Any

import pytest

from stillroom.preflight import cluster, image
from stillroom.reports import Finding
from stillroom.targets.kubernetes import pods
from tests.support import targets

_POD = pods.Chosen("shop-1-a", "app", "bakery", "registry.test/shop:1", "sha256:1", 1)


def _judged(**seen: Any) -> list[tuple[str, str, str | None]]:
    """Check, level and code of each finding on the only service."""
    facts = {"client": (1, 32), "server": (1, 32), "namespaces": {"bakery": True}, "denied": {"bakery": []}}
    found = cluster.judge(
        cluster.Seen(**{**facts, "pods": {"shop": _POD}, **seen}), [targets.service(namespace="bakery")]
    )["shop"]
    return [(each.check, each.level, each.data.get("code")) for each in found]


_WELL = {
    "kubectl": ("kubectl", "ok", None),
    "cluster": ("cluster", "ok", None),
    "pods": ("pods", "ok", None),
    "permissions": ("permissions", "ok", None),
}


def test_all_is_well() -> None:
    """Every check says so."""
    assert _judged() == [
        _WELL["kubectl"],
        _WELL["cluster"],
        _WELL["pods"],
        _WELL["permissions"],
        _WELL["pods"],
    ]


@pytest.mark.parametrize(
    ("seen", "finding"),
    [
        ({"client": (1, 29)}, ("kubectl", "warning", "kubectl-old")),
        ({"client": (1, 34)}, ("kubectl", "warning", "kubectl-skew")),
        ({"client": (1, 33)}, ("kubectl", "ok", None)),
        ({"namespaces": {"bakery": False}}, ("namespace", "error", "namespace-missing")),
        ({"denied": {"bakery": None}}, ("permissions", "skipped", None)),
        (
            {"denied": {"bakery": [cluster.Right("create", "pods", subresource="exec")]}},
            ("permissions", "error", "permission-missing"),
        ),
        (
            {"denied": {"bakery": [cluster.Right("create", "jobs", "batch")]}},
            ("permissions", "warning", "permission-missing"),
        ),
        (
            {"pods": {"shop": pods.NoPod("none is ready", "look", {"kind": "Deployment"})}},
            ("pods", "warning", "no-pod"),
        ),
    ],
    ids=["old", "skewed", "one apart", "no namespace", "not told", "no exec", "no jobs", "no pod"],
)
def test_what_is_lacking(seen: dict[str, Any], finding: tuple[str, str, str | None]) -> None:
    """An error is what would make a run fail; a Job that could not be made is only a way less."""
    assert finding in _judged(**seen)


def test_what_holds_for_all_is_told_once() -> None:
    """With the first service; how many have a pod, too."""
    services = [targets.service(name, namespace="bakery") for name in ("auth", "sales", "shop")]
    none = pods.NoPod("none", "look", {"kind": "Deployment"})
    seen = cluster.Seen(
        (1, 32), (1, 32), None, {"bakery": True}, {"bakery": []}, {"auth": _POD, "sales": none, "shop": _POD}
    )
    found = cluster.judge(seen, services)
    assert [each.check for each in found["auth"]] == ["kubectl", "cluster", "pods", "permissions", "pods"]
    assert found["auth"][2].message == "pods running (2/3); not: sales"
    assert [each.check for each in found["shop"]] == ["pods"]


def test_rights_are_told_as_kubectl_has_them() -> None:
    """So that a person can ask for them."""
    assert str(cluster.Right("create", "pods", subresource="exec")) == "create pods/exec"
    assert str(cluster.Right("list", "deployments", "apps")) == "list deployments.apps"


_FACTS = {
    "sources": {"files": {"app/models.py": "1", "app/old.py": "2"}, "packages": [], "unread": []},
    "files": [{"name": "a.py", "sha256": "1"}, {"name": "b.py", "sha256": "2"}],
    "metadata_tables": [],
}


def _image(here: image.Code, *, allowed: bool = False, **facts: Any) -> Finding:
    (found,) = image.judge("shop", {**_FACTS, **facts}, here, allowed=allowed)
    return found


def test_files_that_differ_are_named() -> None:
    """Source files and revisions, on both sides."""
    here = image.Code(
        {"app/models.py": "9", "app/old.py": None}, ["app/new.py"], {"b.py": "9", "c.py": "3", "a.py": "1"}
    )
    found = _image(here)
    assert (found.level, found.data["code"]) == ("error", "stale-image")
    assert found.data["files"] == [
        "app/models.py differs",
        "app/old.py is only in the image",
        "app/new.py is not in the image",
        "revision c.py is not in the image",
        "revision b.py differs",
    ]
    assert _image(here, allowed=True).level == "warning"


def test_what_can_not_be_compared_is_no_pass() -> None:
    """Nothing of the image is here, or it has no sources: an error, unless it is allowed."""
    found = _image(image.Code({"app/models.py": None, "app/old.py": None}))
    assert (found.level, found.data["code"]) == ("error", "stale-unknown")
    bare = _image(image.Code(), sources={"files": {}, "packages": [], "unread": ["app/models.pyc"]})
    assert (bare.level, bare.data["code"]) == ("error", "stale-unknown")
    assert _image(image.Code(), allowed=True, sources=None).level == "warning"


def test_the_same_code_is_well() -> None:
    """With how much was compared."""
    found = _image(image.Code({"app/models.py": "1", "app/old.py": "2"}, (), {"a.py": "1", "b.py": "2"}))
    assert (found.level, found.message) == ("ok", "its code is that of this folder: 2 source files, 2 revisions")
