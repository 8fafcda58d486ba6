"""Jobs on the loopback cluster: their pods are processes, and their ends are those of Kubernetes."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any

import pytest

from tests.support.cluster.cluster import Cluster
from tests.support.cluster.fixtures import Kubectl

IMAGE = "registry.test/tool:1"


@pytest.fixture(autouse=True)
def _image(cluster: Cluster) -> None:
    cluster.image(IMAGE)


def _job(code: str, name: str = "work", pod: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A Job whose one container `main` runs this code."""
    container = {"name": "main", "image": IMAGE, "command": ["python", "-c", code]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "backoffLimit": 0,
            **spec,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container], **(pod or {})}},
        },
    }


def _apply(kubectl: Kubectl, *bodies: dict[str, Any]) -> str:
    listed = {"apiVersion": "v1", "kind": "List", "items": list(bodies)}
    return kubectl.ok("apply", "--server-side", "--field-manager=test", "-f", "-", stdin=json.dumps(listed).encode())


def _conditions(cluster: Cluster, name: str = "work") -> dict[str, str]:
    found = cluster.get("Job", name).get("status", {}).get("conditions", [])
    return {each["type"]: each["reason"] for each in found if each["status"] == "True"}


def test_a_job_completes(kubectl: Kubectl, cluster: Cluster) -> None:
    """kubectl waits for it and reads its log."""
    _apply(kubectl, _job("print('one'); print('two')"))
    kubectl.ok("wait", "--for=condition=complete", "job/work", "--timeout=60s")
    assert kubectl.ok("logs", "job/work") == "one\ntwo\n"
    assert kubectl.ok("logs", "job/work", "--tail=1") == "two\n"
    assert kubectl.ok("logs", "job/work", "--timestamps").splitlines()[1].endswith("Z two")
    found = cluster.get("Job", "work")
    assert found["status"]["succeeded"] == 1
    assert cluster.pods("work-")[0]["status"]["phase"] == "Succeeded"


def test_init_containers_come_first(kubectl: Kubectl, cluster: Cluster) -> None:
    """In their order, sharing volumes; a sidecar runs beside what follows and ends after it."""
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    write = "import pathlib, sys; pathlib.Path('/shared/a').write_text(sys.argv[1])"
    inits = [
        {"name": "first", "image": IMAGE, "command": ["python", "-c", write, "from first"], "volumeMounts": mounts},
        {
            "name": "proxy",
            "image": IMAGE,
            "restartPolicy": "Always",
            "command": ["python", "-c", "import signal; print('up', flush=True); signal.pause()"],
        },
    ]
    job = _job("", pod={"initContainers": inits, "volumes": [{"name": "shared", "emptyDir": {}}]})
    main = job["spec"]["template"]["spec"]["containers"][0]
    main |= {"command": ["python", "-c", "import sys; print(open(sys.argv[1]).read())", "/shared/a"]}
    main["volumeMounts"] = mounts
    _apply(kubectl, job)
    kubectl.ok("wait", "--for=condition=complete", "job/work", "--timeout=60s")
    assert kubectl.ok("logs", "job/work", "-c", "main") == "from first\n"
    status = cluster.pods("work-")[0]["status"]
    states = {each["name"]: each["state"]["terminated"] for each in status["initContainerStatuses"]}
    assert states["first"]["exitCode"] == 0
    assert states["proxy"]["exitCode"] == 143


def test_a_failing_job_reaches_its_backoff_limit(kubectl: Kubectl, cluster: Cluster) -> None:
    """Each pod that failed is counted and kept."""
    _apply(kubectl, _job("raise SystemExit(3)", backoffLimit=2))
    kubectl.ok("wait", "--for=condition=failed", "job/work", "--timeout=60s")
    assert _conditions(cluster) == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
    assert cluster.get("Job", "work")["status"]["failed"] == 3
    states = [each["status"]["containerStatuses"][0]["state"] for each in cluster.pods("work-")]
    assert [each["terminated"]["exitCode"] for each in states] == [3, 3, 3]


@pytest.mark.parametrize(
    ("code", "reason", "pods"), [(5, "PodFailurePolicy", 1), (6, "BackoffLimitExceeded", 2)], ids=["named", "other"]
)
def test_exit_codes_decide(kubectl: Kubectl, cluster: Cluster, code: int, reason: str, pods: int) -> None:
    """A rule on the exit code fails the Job at once; others count."""
    rule = {"action": "FailJob", "onExitCodes": {"containerName": "main", "operator": "In", "values": [5]}}
    _apply(kubectl, _job(f"raise SystemExit({code})", backoffLimit=1, podFailurePolicy={"rules": [rule]}))
    kubectl.ok("wait", "--for=condition=failed", "job/work", "--timeout=60s")
    assert _conditions(cluster)["Failed"] == reason
    assert len(cluster.pods("work-")) == pods


def test_the_deadline_ends_a_job(kubectl: Kubectl, cluster: Cluster) -> None:
    """Its pod is told to end and deleted."""
    _apply(kubectl, _job("import signal; signal.pause()", activeDeadlineSeconds=1))
    kubectl.ok("wait", "--for=condition=failed", "job/work", "--timeout=60s")
    assert _conditions(cluster)["Failed"] == "DeadlineExceeded"
    assert cluster.pods("work-") == []


def test_a_finished_job_is_deleted_after_its_time(kubectl: Kubectl, cluster: Cluster) -> None:
    """With its pods."""
    _apply(kubectl, _job("", ttlSecondsAfterFinished=0))
    cluster.wait(lambda: not cluster.all("Job") and not cluster.all("Pod"))


def test_the_termination_message_is_read(kubectl: Kubectl, cluster: Cluster) -> None:
    """From the path that the container names, or from the end of its log."""
    path = "/dev/termination-log"
    written = _job("import sys; open(sys.argv[1], 'w').write('said at the end')", name="written")
    written["spec"]["template"]["spec"]["containers"][0]["command"].append(path)
    logged = _job("print('last words'); raise SystemExit(1)", name="logged")
    logged["spec"]["template"]["spec"]["containers"][0]["terminationMessagePolicy"] = "FallbackToLogsOnError"
    _apply(kubectl, written, logged)
    kubectl.ok("wait", "--for=condition=complete", "job/written", "--timeout=60s")
    kubectl.ok("wait", "--for=condition=failed", "job/logged", "--timeout=60s")
    told = {
        each["metadata"]["labels"]["job-name"]: each["status"]["containerStatuses"][0]["state"]["terminated"]["message"]
        for each in cluster.pods()
    }
    assert told == {"written": "said at the end", "logged": "last words\n"}


def test_variables_come_from_everywhere(kubectl: Kubectl, cluster: Cluster) -> None:
    """Values, Secrets, ConfigMaps, fields, and references to each other."""
    cluster.secret("login", {"url": "postgresql://x"})
    cluster.config_map("settings", {"ENVIRONMENT": "test", "mode": "quick"})
    job = _job(
        "import os, json; print(json.dumps([os.environ.get(n) for n in 'A B C D ENVIRONMENT HOSTNAME'.split()]))"
    )
    job["spec"]["template"]["spec"]["containers"][0] |= {
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "login", "key": "url"}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}},
            {"name": "C", "value": "$(B)-$$(A)"},
            {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        ],
    }
    _apply(kubectl, job)
    kubectl.ok("wait", "--for=condition=complete", "job/work", "--timeout=60s")
    name = cluster.pods("work-")[0]["metadata"]["name"]
    assert json.loads(kubectl.ok("logs", "job/work")) == [
        "postgresql://x",
        "quick",
        "quick-$(A)",
        "default",
        "test",
        name,
    ]


def test_a_missing_secret_holds_the_pod(kubectl: Kubectl, cluster: Cluster) -> None:
    """CreateContainerConfigError, until the Secret is there."""
    job = _job("import os; print(os.environ['A'])")
    reference = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "login", "key": "url"}}}
    job["spec"]["template"]["spec"]["containers"][0]["env"] = [reference]
    _apply(kubectl, job)
    cluster.wait(lambda: _waiting(cluster) == ("CreateContainerConfigError", 'secret "login" not found'))
    cluster.secret("login", {"url": "here"})
    kubectl.ok("wait", "--for=condition=complete", "job/work", "--timeout=60s")
    assert kubectl.ok("logs", "job/work") == "here\n"


def test_an_unknown_image_is_not_pulled(kubectl: Kubectl, cluster: Cluster) -> None:
    """ImagePullBackOff, and no log."""
    job = _job("")
    job["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.test/nothing:1"
    _apply(kubectl, job)
    cluster.wait(lambda: _waiting(cluster)[0] == "ImagePullBackOff")
    done = kubectl("logs", "job/work")
    assert done.returncode == 1
    assert b"is waiting to start: trying and failing to pull image" in done.stderr


def _waiting(cluster: Cluster) -> tuple[str, str]:
    for pod in cluster.pods("work-"):
        for each in pod.get("status", {}).get("containerStatuses", []):
            waiting = each["state"].get("waiting", {})
            return waiting.get("reason", ""), waiting.get("message", "")
    return "", ""


def test_a_suspended_job_waits(kubectl: Kubectl, cluster: Cluster) -> None:
    """It has no pod until it is resumed."""
    _apply(kubectl, _job("", suspend=True))
    cluster.wait(lambda: _conditions(cluster) == {"Suspended": "JobSuspended"})
    assert cluster.pods("work-") == []
    kubectl.ok("patch", "job/work", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    kubectl.ok("wait", "--for=condition=complete", "job/work", "--timeout=60s")


def test_the_template_of_a_job_stays(kubectl: Kubectl, cluster: Cluster) -> None:
    """Another one is refused; the same one changes nothing."""
    _apply(kubectl, _job("print(1)"))
    kubectl.ok("wait", "--for=condition=complete", "job/work", "--timeout=60s")
    before = cluster.get("Job", "work")["metadata"]["resourceVersion"]
    _apply(kubectl, _job("print(1)"))
    assert cluster.get("Job", "work")["metadata"]["resourceVersion"] == before
    changed = json.dumps(_job("print(2)")).encode()
    done = kubectl("apply", "--server-side", "--field-manager=test", "-f", "-", stdin=changed)
    assert done.returncode == 1
    assert b"spec.template: Invalid value: field is immutable" in done.stderr


def test_a_followed_log_comes_as_it_is_written(kubectl: Kubectl, cluster: Cluster) -> None:
    """And ends with the container."""
    code = (
        "import time, pathlib\nprint('begun', flush=True)\n"
        "while not pathlib.Path('/shared/go').exists(): time.sleep(0.01)\nprint('done')"
    )
    job = _job(code, pod={"volumes": [{"name": "shared", "emptyDir": {}}]})
    job["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "shared", "mountPath": "/shared"}]
    _apply(kubectl, job)
    kubectl.ok("wait", "--for=jsonpath={.status.ready}=1", "job/work", "--timeout=60s")
    with kubectl.popen("logs", "-f", "job/work") as following:
        assert following.stdout is not None
        assert following.stdout.readline() == b"begun\n"
        (cluster.folder_of(cluster.pods("work-")[0]) / "volumes" / "shared" / "go").touch()
        assert following.stdout.read() == b"done\n"
        assert following.wait(60) == 0


def test_volumes_hold_what_their_objects_hold(kubectl: Kubectl, cluster: Cluster) -> None:
    """A program carried in a ConfigMap's binaryData runs; a variable that names the mount is led there too."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("__main__.py", "import os; print(open(os.environ['LOGIN']).read(), os.environ['TMPDIR'])")
    binary = {"tool.pyz": base64.b64encode(packed.getvalue()).decode()}
    meta = {"name": "carried", "namespace": "default"}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "binaryData": binary})
    cluster.secret("login", {"password": "sesame"})
    job = _job("", pod={"volumes": [
        {"name": "tool", "configMap": {"name": "carried"}},
        {"name": "login", "secret": {"secretName": "login", "items": [{"key": "password", "path": "deep/word"}]}},
        {"name": "tmp", "emptyDir": {}},
    ]})  # fmt: skip
    job["spec"]["template"]["spec"]["containers"][0] |= {
        "command": ["python", "/opt/tool/tool.pyz"],
        "env": [{"name": "LOGIN", "value": "/run/login/deep/word"}],
        "volumeMounts": [
            {"name": "tool", "mountPath": "/opt/tool", "readOnly": True},
            {"name": "login", "mountPath": "/run/login"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path in the container
        ],
    }
    _apply(kubectl, job)
    kubectl.ok("wait", "--for=condition=complete", "job/work", "--timeout=60s")
    folder = cluster.folder_of(cluster.pods("work-")[0])
    assert kubectl.ok("logs", "job/work") == f"sesame {folder / 'volumes' / 'tmp'}\n"


def test_the_restricted_level_is_enforced(kubectl: Kubectl, cluster: Cluster) -> None:
    """Where the namespace says so: no pod is made of a Job that violates it, and the event says why."""
    cluster.namespace("strict")
    kubectl.ok("label", "namespace", "strict", "pod-security.kubernetes.io/enforce=restricted")
    _apply(kubectl, _job("") | {"metadata": {"name": "loose", "namespace": "strict"}})
    words = (
        "get",
        "events",
        "-n",
        "strict",
        "--field-selector",
        "reason=FailedCreate",
        "-o",
        "jsonpath={.items[*].message}",
    )
    cluster.wait(lambda: cluster.count("jobs", "patch") == 1 and bool(cluster.all("Event", "strict")))
    told = kubectl.ok(*words)
    assert 'is forbidden: violates PodSecurity "restricted:latest"' in told
    assert "allowPrivilegeEscalation != false" in told
    tight = _job("print('fine')") | {"metadata": {"name": "tight", "namespace": "strict"}}
    pod = tight["spec"]["template"]["spec"]
    pod["securityContext"] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    pod["containers"][0]["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    _apply(kubectl, tight)
    kubectl.ok("wait", "-n", "strict", "--for=condition=complete", "job/tight", "--timeout=60s")


def test_a_job_waits_for_its_service_account(kubectl: Kubectl, cluster: Cluster) -> None:
    """Without it no pod is made; with it, one is."""
    _apply(kubectl, _job("", pod={"serviceAccountName": "migrator"}))
    cluster.wait(lambda: any(each["reason"] == "FailedCreate" for each in cluster.all("Event")))
    assert cluster.pods("work-") == []
    _apply(kubectl, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "migrator"}})
    kubectl.ok("wait", "--for=condition=complete", "job/work", "--timeout=60s")


def test_a_deleted_pod_of_a_job_is_replaced(kubectl: Kubectl, cluster: Cluster) -> None:
    """It counts as failed; SIGTERM reaches the program, and a deleted Job takes its pods along."""
    code = "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(9))\nprint('up', flush=True)\nsignal.pause()"
    _apply(kubectl, _job(code, backoffLimit=3))
    kubectl.ok("wait", "--for=jsonpath={.status.ready}=1", "job/work", "--timeout=60s")
    first = cluster.pods("work-")[0]["metadata"]["name"]
    cluster.wait(lambda: kubectl.ok("logs", first) == "up\n")
    kubectl.ok("delete", "pod", first)
    cluster.wait(lambda: [each["metadata"]["name"] for each in cluster.pods("work-")] not in ([], [first]))
    assert cluster.get("Job", "work")["status"]["failed"] == 1
    kubectl.ok("delete", "job", "work")
    cluster.wait(lambda: not cluster.all("Pod"))
