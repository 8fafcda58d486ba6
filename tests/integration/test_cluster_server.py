"""The loopback cluster of the tests, asked by the real kubectl: what it answers is what a cluster answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cluster.cluster import Cluster
from tests.support.cluster.fixtures import Kubectl

_ECHO = "import sys; data = sys.stdin.buffer.read(); sys.stdout.buffer.write(data)"


@pytest.fixture
def shop(cluster: Cluster, tmp_path: Path) -> Path:
    """A service's folder, deployed as `shop`."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "models.py").write_text("NAME = 'shop'\n", encoding="utf-8")
    cluster.deploy("shop", folder=folder, env={"GREETING": "hello"}, container="web")
    return folder


def test_it_is_discovered_and_named(kubectl: Kubectl) -> None:
    """kubectl finds version, resources and namespaces."""
    assert json.loads(kubectl.ok("version", "-o", "json"))["serverVersion"]["minor"] == "32"
    listed = kubectl.ok("api-resources", "--no-headers", "-o", "name").split()
    assert {"pods", "jobs.batch", "deployments.apps", "roles.rbac.authorization.k8s.io"} <= set(listed)
    assert kubectl.ok("get", "namespaces", "-o", "name").split() == ["namespace/default", "namespace/kube-system"]


def test_another_version_can_be_told(kubectl: Kubectl, cluster: Cluster) -> None:
    """For those who look at skew."""
    cluster.tells_version("1.29.3")
    assert json.loads(kubectl.ok("version", "-o", "json"))["serverVersion"]["gitVersion"] == "v1.29.3"


def test_pods_are_listed(kubectl: Kubectl, shop: Path) -> None:
    """A deployment has a pod that is Ready, and shows its image's digest."""
    found = json.loads(kubectl.ok("get", "pods", "-l", "app=shop", "-o", "json"))["items"]
    assert len(found) == 1
    assert {each["type"]: each["status"] for each in found[0]["status"]["conditions"]}["Ready"] == "True"
    assert found[0]["status"]["containerStatuses"][0]["imageID"].startswith("registry.test/shop@sha256:")
    assert "shop-" in kubectl.ok("get", "pods")


def test_exec_carries_bytes_both_ways(kubectl: Kubectl, cluster: Cluster, shop: Path) -> None:
    """Standard input arrives whole and ends; standard output comes back byte by byte; one exec is one request."""
    data = bytes(range(256)) * 4096
    pod = cluster.pods("shop")[0]["metadata"]["name"]
    done = kubectl("exec", "-i", pod, "-c", "web", "--", "python", "-c", _ECHO, stdin=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data
    assert cluster.count("pods/exec") == 1


def test_exec_tells_the_exit_status(kubectl: Kubectl, cluster: Cluster, shop: Path) -> None:
    """kubectl ends with the status of the program, and passes its standard error on."""
    pod = cluster.pods("shop")[0]["metadata"]["name"]
    done = kubectl("exec", pod, "--", "python", "-c", "import sys; sys.exit('went wrong')")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == b"went wrong"
    assert kubectl("exec", pod, "--", "python", "-c", "raise SystemExit(77)").returncode == 77


def test_exec_finds_the_pod_of_a_deployment(kubectl: Kubectl, shop: Path) -> None:
    """As people type it."""
    assert kubectl.ok("exec", "deploy/shop", "--", "python", "-c", "print(2)") == "2\n"


def test_there_is_no_shell(kubectl: Kubectl, shop: Path) -> None:
    """What the image lacks can't be run: kubectl says so and fails."""
    done = kubectl("exec", "deploy/shop", "--", "sh", "-c", "echo hello")
    assert done.returncode == 1
    assert b'exec: "sh": executable file not found in $PATH' in done.stderr


def test_the_container_has_to_be_named(kubectl: Kubectl, cluster: Cluster, shop: Path) -> None:
    """Where there are several, kubectl takes the first, which is the wrong one; others are refused by name."""
    cluster.deploy("shop", folder=shop, container="web", sidecars=("istio-proxy",))
    done = kubectl("exec", "deploy/shop", "--", "python", "-c", "import models")
    assert b'Defaulted container "istio-proxy"' in done.stderr
    assert done.returncode == 1
    assert kubectl("exec", "deploy/shop", "-c", "web", "--", "python", "-c", "import models").returncode == 0
    assert kubectl("exec", "deploy/shop", "-c", "app", "--", "python", "-c", "").returncode == 1


def test_exec_runs_in_the_container(kubectl: Kubectl, cluster: Cluster, shop: Path) -> None:
    """The program has the container's variables and its copy of the image's folder, and nothing of the test's."""
    pod = cluster.pods("shop")[0]
    (shop / "models.py").write_text("NAME = 'newer'\n", encoding="utf-8")
    code = (
        "import os, json, models;"
        "print(json.dumps([models.NAME, os.environ['GREETING'], os.getcwd(), sorted(os.environ)]))"
    )
    name, greeting, folder, variables = json.loads(
        kubectl.ok("exec", pod["metadata"]["name"], "--", "python", "-c", code)
    )
    assert (name, greeting) == ("shop", "hello")
    assert Path(folder).is_relative_to(cluster.folder_of(pod))
    assert "PYTEST_CURRENT_TEST" not in variables
