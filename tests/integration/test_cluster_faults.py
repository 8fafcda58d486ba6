"""The loopback cluster's misbehaviour, as the real kubectl meets it: what it makes of lost connections is its own."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

import pytest

from tests.support.cluster.cluster import Cluster
from tests.support.cluster.fixtures import Kubectl

_DATA = bytes(range(256)) * 1024
_PRINT = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 1024)"


@pytest.fixture
def pod(cluster: Cluster, tmp_path: Path) -> str:
    """The pod of a service."""
    folder = tmp_path / "shop"
    folder.mkdir()
    cluster.deploy("shop", folder=folder)
    name: str = cluster.pods("shop")[0]["metadata"]["name"]
    return name


def test_a_cut_exec_ends_early(kubectl: Kubectl, cluster: Cluster, pod: str) -> None:
    """The bytes before the cut have arrived, none of those after; the next exec is whole."""
    cluster.faults.cut_exec(1000)
    done = kubectl("exec", pod, "--", "python", "-c", _PRINT)
    assert done.stdout == _DATA[:1000]
    assert kubectl("exec", pod, "--", "python", "-c", _PRINT).stdout == _DATA


def test_a_cut_input_is_an_end_of_input(kubectl: Kubectl, cluster: Cluster, pod: str) -> None:
    """The program gets the bytes before the cut, and runs on by itself."""
    cluster.faults.cut_exec_input(1000)
    code = "import sys; open('got', 'wb').write(sys.stdin.buffer.read())"
    kubectl("exec", "-i", pod, "--", "python", "-c", code, stdin=_DATA)

    def arrived() -> bool:
        return [each.read_bytes() for each in cluster.folder_of(cluster.pods("shop")[0]).rglob("got")] == [_DATA[:1000]]

    cluster.wait(arrived)


def test_a_stalled_exec_is_late_and_whole(kubectl: Kubectl, cluster: Cluster, pod: str) -> None:
    """Everything arrives in the end."""
    cluster.faults.stall_exec(1000, 0.5)
    done = kubectl("exec", pod, "--", "python", "-c", _PRINT)
    assert (done.returncode, done.stdout) == (0, _DATA)


def test_an_exec_without_a_status_counts_as_success(kubectl: Kubectl, cluster: Cluster, pod: str) -> None:
    """kubectl exits 0, though only a part has arrived and nobody said how it ended."""
    cluster.faults.end_exec_without_status(1000)
    done = kubectl("exec", pod, "--", "python", "-c", f"{_PRINT}; sys.exit(3)")
    assert (done.returncode, done.stdout) == (0, _DATA[:1000])


def test_a_byte_arrives_as_another(kubectl: Kubectl, cluster: Cluster, pod: str) -> None:
    """One byte differs, the length and the exit status do not."""
    cluster.faults.swap_byte(70_000)
    done = kubectl("exec", pod, "--", "python", "-c", _PRINT)
    assert (done.returncode, len(done.stdout)) == (0, len(_DATA))
    assert [at for at, (one, other) in enumerate(zip(done.stdout, _DATA, strict=True)) if one != other] == [70_000]


def test_the_pod_is_deleted_in_mid_exec(kubectl: Kubectl, cluster: Cluster, pod: str) -> None:
    """The program is killed with its container, kubectl says so, and another pod takes its place."""
    cluster.faults.delete_pod(len(_DATA) - 1)
    done = kubectl("exec", pod, "--", "python", "-c", f"{_PRINT}; sys.stdout.flush(); import signal; signal.pause()")
    assert (done.returncode, done.stdout) == (137, _DATA)
    cluster.wait(lambda: [each["metadata"]["name"] for each in cluster.pods("shop")] not in ([], [pod]))


def test_an_overloaded_server_is_asked_again(kubectl: Kubectl, cluster: Cluster, pod: str) -> None:
    """kubectl itself waits as Retry-After says, and asks again; without one, it fails with what the server said."""
    cluster.faults.answer(429, retry_after=1, verb="get", resource="pods")
    kubectl.ok("get", "pod", pod)
    assert [each.code for each in cluster.requests if each.resource == "pods" and each.verb == "get"] == [429, 200]
    cluster.faults.answer(503, verb="get", resource="pods")
    done = kubectl("get", "pod", pod)
    assert done.returncode == 1
    assert b"the server is currently unable to handle the request" in done.stderr


def test_an_exec_is_refused_and_not_tried_by_spdy_with_success(kubectl: Kubectl, cluster: Cluster, pod: str) -> None:
    """A server without SPDY refuses it: kubectl tells both tries, and the program never ran."""
    cluster.faults.answer(500, resource="pods/exec", times=9)
    done = kubectl("exec", pod, "--", "python", "-c", _PRINT)
    assert (done.returncode, done.stdout) == (1, b"")
    cluster.faults.clear()
    spoken = {"Upgrade": "SPDY/3.1", "Connection": "Upgrade"}
    assert _post(cluster, f"/api/v1/namespaces/default/pods/{pod}/exec?command=python&stdout=true", spoken) == 400


def _post(cluster: Cluster, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(cluster.address.removeprefix("http://"), timeout=60)
    try:
        connection.request("POST", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_restart_keeps_everything_but_connections(kubectl: Kubectl, cluster: Cluster, pod: str) -> None:
    """A watch ends, the port stays, pods run on."""
    with kubectl.popen("get", "pods", "--watch", "-o", "name") as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().decode().strip() == f"pod/{pod}"
        cluster.wait(lambda: cluster.count("pods", "watch") == 1)
        cluster.faults.restart()
        assert watching.wait(60) is not None
    found = json.loads(kubectl.ok("get", "pod", pod, "-o", "json"))
    assert found["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_forgotten_version_is_gone(kubectl: Kubectl, cluster: Cluster, pod: str) -> None:
    """A watch from a version whose history is dropped ends at once by an ERROR (410); a list goes on."""
    version = cluster.get("Pod", pod)["metadata"]["resourceVersion"]
    cluster.faults.forget_history()
    path = f"/api/v1/namespaces/default/pods?watch=true&resourceVersion={version}"
    done = kubectl("get", "--raw", path)
    told = json.loads(done.stdout)
    assert (told["type"], told["object"]["code"], told["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert kubectl.ok("get", "pods", "-o", "name").strip() == f"pod/{pod}"


def test_a_cut_log_is_noticed_by_its_length_only(kubectl: Kubectl, cluster: Cluster) -> None:
    """kubectl prints what came before the cut, and fails."""
    cluster.image("registry.test/tool:1")
    container = {"name": "main", "image": "registry.test/tool:1", "command": ["python", "-c", "print('x' * 5000)"]}
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}
    cluster.apply(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work", "namespace": "default"}, "spec": spec}
    )
    kubectl.ok("wait", "--for=condition=complete", "job/work", "--timeout=60s")
    cluster.faults.cut_log(1000)
    done = kubectl("logs", "job/work")
    assert len(done.stdout) <= 1000
    assert done.returncode == 1
    assert len(kubectl.ok("logs", "job/work")) == 5001
