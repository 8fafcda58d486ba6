"""The door to kubectl: the real program, an API server that misbehaves, and programs that are none."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from stillroom.targets.kubernetes.kubectl import Kubectl, KubectlFailed
from tests.support.cluster import Cluster

_QUICK = (0.05, 0.05, 0.05)


@pytest.fixture
def door(cluster: Cluster) -> Kubectl:
    """A door to a cluster with one service, which tries again at once."""
    cluster.deploy("shop")
    return Kubectl(kubeconfig=cluster.kubeconfig, namespace="default", pauses=_QUICK)


def _program(tmp_path: Path, body: str) -> tuple[str, ...]:
    made = tmp_path / "kubectl"
    made.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    made.chmod(0o755)
    return (str(made),)


def test_objects_come_parsed(door: Kubectl) -> None:
    """By name, or as a list."""
    assert door.json("get", "deployment", "shop")["kind"] == "Deployment"
    assert [each["kind"] for each in door.json("get", "pods")["items"]] == ["Pod"]


@pytest.mark.parametrize("code", [429, 503])
def test_a_busy_server_is_asked_again(door: Kubectl, cluster: Cluster, code: int) -> None:
    """What only looks is tried again, within bounds."""
    cluster.faults.answer(code, verb="get", resource="deployments", times=2)
    assert door.json("get", "deployment", "shop")["metadata"]["name"] == "shop"
    cluster.faults.clear()
    cluster.faults.answer(code, verb="get", resource="deployments", times=100)
    with pytest.raises(KubectlFailed) as caught:
        door.json("get", "deployment", "shop")
    assert caught.value.code == "cluster-busy"


def test_what_changes_something_is_not_repeated(door: Kubectl, cluster: Cluster) -> None:
    """It may have been done; unless it is said that it can be repeated."""
    body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}).encode()
    arguments = ("create", "-f", "-", "--validate=false")
    cluster.faults.answer(503, verb="create", resource="configmaps")
    with pytest.raises(KubectlFailed, match=r"kubectl create: .*ServiceUnavailable") as caught:
        door.run(*arguments, stdin=body)
    assert caught.value.code == "cluster-busy"
    cluster.faults.answer(503, verb="create", resource="configmaps")
    assert door.run(*arguments, stdin=body, retry=True) == b"configmap/one created\n"
    with pytest.raises(KubectlFailed) as caught:
        door.run(*arguments, stdin=body)
    assert caught.value.code == "already-exists"


def test_a_server_that_goes_away_and_comes_back(door: Kubectl, cluster: Cluster) -> None:
    """Meanwhile nobody answers at its port; whoever reads waits for it."""
    patient = Kubectl(kubeconfig=cluster.kubeconfig, pauses=(0.2,) * 100)
    away = threading.Thread(target=cluster.faults.restart, args=(1.0,))
    away.start()
    try:
        assert patient.json("get", "deployment", "shop")["metadata"]["name"] == "shop"
    finally:
        away.join()


def test_a_server_that_is_not_there(tmp_path: Path, cluster: Cluster) -> None:
    """A name and a mend, after some tries; a wrong context is told at once."""
    config = json.loads(cluster.kubeconfig.read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:9"
    other = tmp_path / "other"
    other.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(KubectlFailed) as caught:
        Kubectl(kubeconfig=other, pauses=_QUICK).json("get", "pods")
    assert caught.value.code == "cluster-unreachable"
    with pytest.raises(KubectlFailed) as caught:
        Kubectl("nobody", cluster.kubeconfig).json("get", "pods")
    assert caught.value.code == "context-missing"
    with pytest.raises(KubectlFailed) as caught:
        Kubectl(kubeconfig=tmp_path / "nowhere").json("get", "pods")
    assert caught.value.code == "kubeconfig-wrong"


def test_what_is_not_there_or_not_allowed(door: Kubectl) -> None:
    """Each with its own code."""
    with pytest.raises(KubectlFailed) as caught:
        door.json("get", "deployment", "auth")
    assert caught.value.code == "not-found"


def test_no_kubectl_and_one_that_is_something_else(tmp_path: Path) -> None:
    """No traceback of ours, whatever the program is."""
    with pytest.raises(KubectlFailed) as caught:
        Kubectl(program=("/no/such/kubectl",)).run("version")
    assert caught.value.code == "kubectl-missing"
    with pytest.raises(KubectlFailed, match="something else than JSON"):
        Kubectl(program=_program(tmp_path, "echo Hello")).json("get", "pods")
    with pytest.raises(KubectlFailed, match=r"did not answer within 0\.2 s") as caught:
        Kubectl(program=_program(tmp_path, "sleep 600"), pauses=()).run("get", "pods", timeout=0.2)
    assert caught.value.code == "cluster-unreachable"


def test_values_are_arguments_and_never_shell(tmp_path: Path) -> None:
    """Whatever is in a name of the registry."""
    hostile = "$(touch owned); `touch owned` && touch owned"
    told = Kubectl(hostile, tmp_path / "a b", hostile, program=_program(tmp_path, 'printf "%s\\n" "$@"')).run(
        "get", hostile
    )
    assert told.decode().splitlines() == [
        "--kubeconfig",
        str(tmp_path / "a b"),
        "--context",
        hostile,
        "--namespace",
        hostile,
        "get",
        hostile,
    ]


def test_an_interrupt_ends_what_runs(tmp_path: Path) -> None:
    """At once, however long it would take; only what clears away is still begun."""
    door = Kubectl(program=_program(tmp_path, 'case "$1" in get) exec sleep 600;; esac; echo done'))
    caught: list[KubectlFailed] = []

    def ask() -> None:
        try:
            door.run("get", "pods")
        except KubectlFailed as failed:
            caught.append(failed)

    asking = threading.Thread(target=ask)
    asking.start()
    while not door._running:
        pass
    door.interrupt()
    asking.join()
    assert [each.code for each in caught] == ["interrupted"]
    with pytest.raises(KubectlFailed, match="not begun"):
        door.run("get", "pods")
    assert door.run("delete", "job", "one", late=True) == b"done\n"
