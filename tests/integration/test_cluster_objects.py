"""Objects on the loopback cluster: patches, server-side apply, selectors, pages, rights, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.cluster.cluster import Cluster
from tests.support.cluster.fixtures import Kubectl


def _config(data: dict[str, str] | None = None, **more: Any) -> bytes:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data or {}, **more}
    return json.dumps(body).encode()


def _apply(kubectl: Kubectl, body: bytes, manager: str, *words: str) -> str:
    return kubectl.ok("apply", "--server-side", "--field-manager", manager, *words, "-f", "-", stdin=body)


def test_apply_merges_what_managers_own(kubectl: Kubectl, cluster: Cluster) -> None:
    """Each manager's fields stay; what one no longer applies is removed."""
    _apply(kubectl, _config({"a": "1", "b": "1"}), "one")
    _apply(kubectl, _config({"c": "2"}), "two")
    assert cluster.get("ConfigMap", "settings")["data"] == {"a": "1", "b": "1", "c": "2"}
    _apply(kubectl, _config({"a": "1"}), "one")
    assert cluster.get("ConfigMap", "settings")["data"] == {"a": "1", "c": "2"}
    managers = {
        each["manager"]: each["operation"] for each in cluster.get("ConfigMap", "settings")["metadata"]["managedFields"]
    }
    assert managers == {"one": "Apply", "two": "Apply"}


def test_conflicts_are_refused_unless_forced(kubectl: Kubectl, cluster: Cluster) -> None:
    """The message names the other manager and the field; the same value is no conflict."""
    _apply(kubectl, _config({"a": "1"}), "one")
    _apply(kubectl, _config({"a": "1"}), "two")
    done = kubectl("apply", "--server-side", "--field-manager=two", "-f", "-", stdin=_config({"a": "2"}))
    assert done.returncode == 1
    assert b'Apply failed with 1 conflict: conflict with "one": .data.a' in done.stderr
    _apply(kubectl, _config({"a": "2"}), "two", "--force-conflicts")
    assert cluster.get("ConfigMap", "settings")["data"] == {"a": "2"}


def test_the_same_again_changes_nothing(kubectl: Kubectl, cluster: Cluster) -> None:
    """No new version, and the diff is empty."""
    _apply(kubectl, _config({"a": "1"}), "one")
    before = cluster.get("ConfigMap", "settings")
    _apply(kubectl, _config({"a": "1"}), "one")
    assert cluster.get("ConfigMap", "settings") == before
    words = ("diff", "--server-side", "--field-manager=one", "-f", "-")
    assert kubectl(*words, stdin=_config({"a": "1"})).returncode == 0
    changed = kubectl(*words, stdin=_config({"a": "2"}))
    assert (changed.returncode, b'+  a: "2"' in changed.stdout) == (1, True)
    assert cluster.get("ConfigMap", "settings") == before


def test_containers_are_merged_by_name(kubectl: Kubectl, cluster: Cluster) -> None:
    """A patch for one container, and its variables, leaves the others as they are."""
    cluster.deploy("shop", env={"A": "1"}, sidecars=("proxy",), container="web")
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {"template": {"spec": {"containers": [{"name": "web", "env": [{"name": "B", "value": "2"}]}]}}},
    }
    done = kubectl("apply", "--server-side", "--field-manager=me", "-f", "-", stdin=json.dumps(patch).encode())
    assert done.returncode == 0, done.stderr
    containers = cluster.get("Deployment", "shop")["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in containers] == ["proxy", "web"]
    assert [each["name"] for each in containers[1]["env"]] == ["A", "B"]
    patch["spec"]["template"]["spec"]["containers"] = [{"name": "web"}]
    kubectl.ok("apply", "--server-side", "--field-manager=me", "-f", "-", stdin=json.dumps(patch).encode())
    containers = cluster.get("Deployment", "shop")["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in containers[1]["env"]] == ["A"]


def test_objects_are_patched(kubectl: Kubectl, cluster: Cluster) -> None:
    """By merge and by JSON patch; a strategic merge patch is refused."""
    kubectl.ok("create", "-f", "-", stdin=_config({"a": "1", "b": "1"}))
    kubectl.ok("patch", "configmap", "settings", "--type=merge", "-p", '{"data": {"a": null, "c": "3"}}')
    kubectl.ok(
        "patch", "configmap", "settings", "--type=json", "-p", '[{"op": "replace", "path": "/data/b", "value": "2"}]'
    )
    assert cluster.get("ConfigMap", "settings")["data"] == {"b": "2", "c": "3"}
    kubectl.ok("label", "configmap", "settings", "tier=back")
    kubectl.ok("annotate", "configmap", "settings", "why=so")
    meta = cluster.get("ConfigMap", "settings")["metadata"]
    assert (meta["labels"], meta["annotations"]) == ({"tier": "back"}, {"why": "so"})
    done = kubectl("patch", "configmap", "settings", "--type=strategic", "-p", '{"data": {"a": "1"}}')
    assert b"unknown format" in done.stderr


def test_a_stale_update_is_a_conflict(kubectl: Kubectl, cluster: Cluster) -> None:
    """Whoever replaces an older version is told to look again."""
    kubectl.ok("create", "-f", "-", stdin=_config({"a": "1"}))
    old = json.loads(kubectl.ok("get", "configmap", "settings", "-o", "json"))
    kubectl.ok("patch", "configmap", "settings", "--type=merge", "-p", '{"data": {"a": "2"}}')
    done = kubectl("replace", "-f", "-", stdin=json.dumps(old).encode())
    assert done.returncode == 1
    assert b"the object has been modified" in done.stderr


def test_selectors_choose(kubectl: Kubectl, cluster: Cluster) -> None:
    """By labels of every form, and by the fields that the kind has."""
    for name, tier in (("a", "back"), ("b", "front"), ("c", "")):
        labels = {"tier": tier} if tier else {}
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default", "labels": labels},
        }
        cluster.apply(body)

    def chosen(*words: str) -> list[str]:
        return [each.split("/")[1] for each in kubectl.ok("get", "configmaps", "-o", "name", *words).split()]

    assert chosen("-l", "tier=back") == ["a"]
    assert chosen("-l", "tier in (back, front)") == ["a", "b"]
    assert chosen("-l", "tier,tier!=back") == ["b"]
    assert chosen("-l", "!tier") == ["c"]
    assert chosen("--field-selector", "metadata.name=b") == ["b"]
    assert (
        b'"data.x" is not a known field selector' in kubectl("get", "configmaps", "--field-selector", "data.x=1").stderr
    )


def test_lists_come_in_pages(kubectl: Kubectl, cluster: Cluster) -> None:
    """kubectl puts them together."""
    for number in range(7):
        cluster.config_map(f"c{number}", {})
    assert len(kubectl.ok("get", "configmaps", "-o", "name", "--chunk-size=3").split()) == 7
    assert cluster.count("configmaps", "list") == 3


def test_a_watch_tells_changes(kubectl: Kubectl, cluster: Cluster) -> None:
    """What is there, what comes, and what goes."""
    cluster.config_map("first", {"a": "1"})
    words = (
        "get",
        "configmaps",
        "--watch",
        "--output-watch-events",
        "-o",
        "jsonpath={.type} {.object.metadata.name}{'\\n'}",
    )
    with kubectl.popen(*words) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == b"ADDED first\n"
        cluster.wait(lambda: cluster.count("configmaps", "watch") == 1)
        cluster.config_map("second", {})
        assert watching.stdout.readline() == b"ADDED second\n"
        cluster.config_map("first", {"a": "2"})
        assert watching.stdout.readline() == b"MODIFIED first\n"
        kubectl.ok("delete", "configmap", "first")
        assert watching.stdout.readline() == b"DELETED first\n"


def test_a_watch_has_bookmarks(kubectl: Kubectl, cluster: Cluster) -> None:
    """At its end at the latest, so that who goes on from there misses nothing and gets nothing twice."""
    cluster.config_map("first", {})
    path = "/api/v1/namespaces/default/configmaps?watch=true&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion="
    version = cluster.get("ConfigMap", "first")["metadata"]["resourceVersion"]
    cluster.secret("other", {})
    lines = [json.loads(line) for line in kubectl.ok("get", "--raw", path + version).splitlines()]
    assert {each["type"] for each in lines} == {"BOOKMARK"}
    assert int(lines[-1]["object"]["metadata"]["resourceVersion"]) > int(version)


def test_rights_are_told_and_kept(kubectl: Kubectl, cluster: Cluster) -> None:
    """`auth can-i` and the request itself agree."""
    assert kubectl.ok("auth", "can-i", "create", "pods", "--subresource=exec").strip() == "yes"
    cluster.access.deny("create", "pods/exec")
    cluster.access.deny("list", "secrets", "default")
    assert kubectl("auth", "can-i", "create", "pods", "--subresource=exec").stdout.strip() == b"no"
    assert kubectl("auth", "can-i", "list", "secrets").stdout.strip() == b"no"
    done = kubectl("get", "secrets")
    assert done.returncode == 1
    assert b'User "tester" cannot list resource "secrets" in API group "" in the namespace "default"' in done.stderr
    assert kubectl("get", "secrets", "-n", "kube-system").returncode == 0
    cluster.access.allow_all()
    assert "*.*" in kubectl.ok("auth", "can-i", "--list")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"data": {"a": "1"}, "date": {}}, b".date: field not declared in schema"),
        ({"data": {"a": 1}}, b".data.a: expected string, got &value.valueUnstructured{Value:1}"),
        ({"metadata": {"name": "x", "labels": {"a": "b c"}}}, b'metadata.labels: Invalid value: "b c"'),
        ({"data": {"a b": "1"}}, b"data[a b]: Invalid value"),
        ({"kind": "Pod", "spec": {"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "y"}]}},
         b'.spec.containers: duplicate entries for key [name="a"]'),
        ({"metadata": {"name": "A_b"}}, b"metadata.name: Invalid value"),
        ({"kind": "Pod", "spec": {}}, b"spec.containers: Required value"),
        ({"kind": "Pod",
          "spec": {"containers": [{"name": "a", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}},
         b'spec.containers[0].volumeMounts[0].name: Not found: "v"'),
        ({"kind": "Pod", "spec": {"serviceAccountName": "who", "containers": [{"name": "a", "image": "x"}]}},
         b'serviceaccount "who" not found'),
    ],
    ids=["field", "type", "label", "key", "twice", "name", "required", "volume", "account"],
)  # fmt: skip
def test_wrong_objects_are_refused(kubectl: Kubectl, body: dict[str, Any], said: bytes) -> None:
    """Fields, types, names, references."""
    whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, **body}
    done = kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(whole).encode())
    assert done.returncode == 1
    assert said in done.stderr


def test_wrong_objects_are_refused_when_created(kubectl: Kubectl) -> None:
    """In other words than by apply: strict decoding."""
    done = kubectl("create", "-f", "-", stdin=_config({"a": "1"}, date={}))
    assert done.returncode == 1
    assert b'strict decoding error: unknown field "date"' in done.stderr


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/namespaces/default/widgets", b"could not find the requested resource"),
        ("/apis/batch/v1beta1/namespaces/default/jobs", b"could not find the requested resource"),
        ("/api/v1/namespaces/default/pods?labelselector=x", b"does not know the parameters ['labelselector']"),
        ("/api/v1/namespaces/default/pods/x/portforward", b"could not find the requested resource"),
        ("/api/v1/namespaces/default/pods?limit=many", b"invalid syntax"),
    ],
    ids=["resource", "version", "parameter", "subresource", "number"],
)
def test_wrong_requests_are_refused(kubectl: Kubectl, path: str, said: bytes) -> None:
    """Nothing unknown is answered kindly."""
    done = kubectl("get", "--raw", path)
    assert done.returncode == 1
    assert said in done.stderr


def test_deleting_takes_what_is_owned_along(kubectl: Kubectl, cluster: Cluster) -> None:
    """A Deployment with its ReplicaSets and pods; a namespace with everything; orphans stay."""
    cluster.deploy("shop", namespace="one")
    kubectl.ok("delete", "deployment", "shop", "-n", "one", "--cascade=orphan")
    assert len(cluster.pods("shop", "one")) == 1
    assert len(cluster.all("ReplicaSet", "one")) == 1
    cluster.deploy("other", namespace="one")
    kubectl.ok("delete", "deployment", "other", "-n", "one")
    cluster.wait(lambda: not cluster.pods("other", "one"))
    kubectl.ok("delete", "namespace", "one")
    cluster.wait(lambda: not cluster.all("Pod", "one") and not cluster.all("ReplicaSet", "one"))


def test_a_deployment_is_scaled_and_rolled(kubectl: Kubectl, cluster: Cluster) -> None:
    """Old pods stay until the new ones are ready; the newest ReplicaSet has the highest revision."""
    cluster.deploy("shop", replicas=2)
    kubectl.ok("scale", "deployment", "shop", "--replicas=1")
    cluster.wait(lambda: len(cluster.pods("shop")) == 1)
    old = cluster.pods("shop")[0]["metadata"]["name"]
    cluster.deploy("shop", image="registry.test/shop:2", ready=False)
    assert {old} < {each["metadata"]["name"] for each in cluster.pods("shop")}
    assert kubectl("rollout", "status", "deployment", "shop", "--watch=false").stdout.startswith(b"Waiting for")
    cluster.deploy("shop", image="registry.test/shop:2")
    assert old not in {each["metadata"]["name"] for each in cluster.pods("shop")}
    kubectl.ok("rollout", "status", "deployment", "shop", "--timeout=60s")
    revisions = [
        each["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for each in cluster.all("ReplicaSet")
    ]
    assert sorted(revisions) == ["1", "2", "3"]
    kubectl.ok("scale", "deployment", "shop", "--replicas=0")
    cluster.wait(lambda: not cluster.pods("shop"))


def test_pods_that_are_not_well_say_so(kubectl: Kubectl, cluster: Cluster) -> None:
    """CrashLoopBackOff, not ready, and what kubectl describes."""
    cluster.deploy("crashing", crashing=True)
    cluster.deploy("slow", ready=False)
    template = "jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}"
    assert kubectl.ok("get", "pods", "-l", "app=crashing", "-o", template) == "CrashLoopBackOff"
    assert "Back-off restarting failed container" in kubectl.ok("describe", "pod", "-l", "app=crashing")
    done = kubectl("wait", "--for=condition=ready", "pod", "-l", "app=slow", "--timeout=0")
    assert done.returncode == 1
