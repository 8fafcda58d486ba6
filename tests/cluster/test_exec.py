"""Exec, logs and pods of a Deployment, as the API serves them to the real kubectl."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator

import pytest

from tests.cluster import objects
from tests.cluster.asking import Asking
from tests.cluster.places import Place

_SLEEP = (
    "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); print('up', flush=True); time.sleep(3600)"
)
_ECHO = "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"


@pytest.fixture
def pod(place: Place, ask: Asking) -> Iterator[str]:
    """The name of a pod that runs, with the containers `main` and `side`."""
    spec = objects.pod_spec(objects.container(place.image, _SLEEP), objects.container(place.image, _SLEEP, name="side"))
    ask.applied({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop"}, "spec": spec})
    ask.until("condition=ready", "pod/shop")
    yield "shop"
    ask.run("delete", "pod", "shop", "--now", "--ignore-not-found")


def test_both_streams_and_the_exit_code_come_back(ask: Asking, pod: str) -> None:
    """Each by its own way; kubectl ends as the program did."""
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"
    answer = ask.run("exec", pod, "-c", "main", "--", "python", "-c", code)
    assert (answer.code, answer.out) == (7, "out\n")
    assert answer.err.splitlines() == ["err", "command terminated with exit code 7"]


@pytest.mark.parametrize("size", [0, 1, 70_000, 5_000_000])
def test_bytes_go_in_and_come_out(ask: Asking, pod: str, size: int) -> None:
    """All of them, unchanged; the program sees the end of its input."""
    sent = bytes(range(256)) * (size // 256 + 1)
    sent = sent[:size]
    ran = subprocess.run(
        ask.kubectl.arguments("exec", "-i", pod, "-c", "main", "--", "python", "-c", _ECHO),
        input=sent,
        capture_output=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert hashlib.sha256(ran.stdout).hexdigest() == hashlib.sha256(sent).hexdigest()


def test_a_program_that_does_not_read_ends_all_the_same(ask: Asking, pod: str) -> None:
    """Its input is thrown away, as far as a pipe holds it: past that, kubectl 1.32 before containerd 1.7 hangs for ever."""
    answer = ask.run("exec", "-i", pod, "-c", "main", "--", "python", "-c", "print('done')", stdin=b"x" * 1_000)
    assert (answer.code, answer.out) == (0, "done\n")


def test_each_container_has_its_own_exec(ask: Asking, pod: str) -> None:
    """Without a name the first is taken, and kubectl says so."""
    named = ask.run("exec", pod, "-c", "side", "--", "python", "-c", "print('side')")
    assert (named.code, named.out, named.err) == (0, "side\n", "")
    unnamed = ask.run("exec", pod, "--", "python", "-c", "print('first')")
    assert unnamed.out == "first\n"
    assert 'Defaulted container "main" out of: main, side' in unnamed.err


def test_a_container_that_is_not_there_is_told(ask: Asking, pod: str) -> None:
    """As a bad request."""
    answer = ask.run("exec", pod, "-c", "nobody", "--", "python", "-c", "pass")
    assert answer.code == 1
    assert "container nobody is not valid for pod shop" in answer.err or 'container not found ("nobody")' in answer.err


def test_a_pod_that_is_not_there_is_told(ask: Asking) -> None:
    """As not found."""
    answer = ask.run("exec", "nobody", "-c", "main", "--", "python", "-c", "pass")
    assert (answer.code, answer.err) == (1, 'Error from server (NotFound): pods "nobody" not found\n')


def test_a_program_that_is_not_there_is_told(place: Place, ask: Asking, pod: str) -> None:
    """Not with the exit code of some program: there was none."""
    if place.cluster is not None:
        pytest.xfail("loopback: any path that ends in python is the tests' own")
    answer = ask.run("exec", pod, "-c", "main", "--", "/no/such/python", "-c", "pass")
    assert answer.code != 0
    assert "no such file or directory" in answer.err or "not found" in answer.err


def test_a_pod_that_goes_away_ends_the_exec(ask: Asking, pod: str) -> None:
    """Whatever kubectl makes of it, it ends; what the program had not yet said is missing."""
    code = "import sys, time; print('begun', flush=True); time.sleep(3600); print('never')"
    with subprocess.Popen(
        ask.kubectl.arguments("exec", pod, "-c", "main", "--", "python", "-c", code),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"begun\n"
        assert ask.run("delete", "pod", pod, "--now").code == 0
        out, _ = running.communicate(timeout=60)
        assert out == b""
        assert running.returncode != 0


def test_logs_are_followed_to_the_end(place: Place, ask: Asking) -> None:
    """And no further: kubectl ends when the container has."""
    code = "import sys\nfor number in range(3): print('line', number, flush=True)"
    ask.applied(objects.job("migration", objects.pod_spec(objects.container(place.image, code))))
    ask.until("condition=complete", "job/migration")
    assert ask.run("logs", "--follow", "job/migration", "-c", "main").out.splitlines() == ["line 0", "line 1", "line 2"]
    assert ask.run("logs", "job/migration", "--tail=1").out == "line 2\n"


def test_a_deployment_makes_pods_of_its_newest_template(place: Place, ask: Asking) -> None:
    """By a ReplicaSet a template: the newest has the revision, and its hash is a label of its pods."""
    ask.applied(_deployment(place, "1"))
    assert ask.run("rollout", "status", "deployment/shop", "--timeout=90s").code == 0
    ask.applied(_deployment(place, "2"))
    assert ask.run("rollout", "status", "deployment/shop", "--timeout=90s").code == 0
    sets = ask.run("get", "replicasets", "-l", "app=shop", "-o", "json").json["items"]
    newest = max(sets, key=lambda each: int(each["metadata"]["annotations"]["deployment.kubernetes.io/revision"]))
    assert len(sets) == 2
    assert newest["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "VERSION", "value": "2"}]
    pods = [
        each
        for each in ask.run("get", "pods", "-l", "app=shop", "-o", "json").json["items"]
        if not each["metadata"].get("deletionTimestamp")
    ]
    assert len(pods) == 1
    assert pods[0]["metadata"]["labels"]["pod-template-hash"] == newest["metadata"]["labels"]["pod-template-hash"]
    assert pods[0]["metadata"]["ownerReferences"][0]["name"] == newest["metadata"]["name"]
    assert pods[0]["status"]["containerStatuses"][0]["imageID"]


def test_a_deployment_of_no_replicas_has_no_pod(place: Place, ask: Asking) -> None:
    """Scaled to zero, it is there and nothing runs."""
    ask.applied(_deployment(place, "1"))
    assert ask.run("rollout", "status", "deployment/shop", "--timeout=90s").code == 0
    (pod,) = ask.run("get", "pods", "-l", "app=shop", "-o", "json").json["items"]
    assert ask.run("scale", "deployment/shop", "--replicas=0").code == 0
    ask.until("delete", f"pod/{pod['metadata']['name']}")
    assert ask.get("deployment", "shop")["spec"]["replicas"] == 0


def _deployment(place: Place, version: str) -> dict[str, object]:
    running = objects.container(place.image, _SLEEP, env=[{"name": "VERSION", "value": version}])
    spec = {key: value for key, value in objects.pod_spec(running).items() if key != "restartPolicy"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {"metadata": {"labels": {"app": "shop"}}, "spec": spec},
        },
    }
