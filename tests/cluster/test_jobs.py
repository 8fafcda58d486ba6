"""Jobs as the API runs them: outcomes, policies, logs, what stands in the way of a pod."""

from __future__ import annotations

import pytest

from tests.cluster import objects
from tests.cluster.asking import Asking
from tests.cluster.places import Place

_POLICY = {
    "rules": [
        {"action": "FailJob", "onExitCodes": {"containerName": "main", "operator": "In", "values": [20, 22]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]
}


def test_a_job_that_ends_well_is_complete(place: Place, ask: Asking) -> None:
    """Its pod carries its name, its init container ran first, its log is kept."""
    waits = objects.container(place.image, "print('waited')", name="wait")
    ask.applied(
        objects.job(
            "migration", objects.pod_spec(objects.container(place.image, "print('done')"), initContainers=[waits])
        )
    )
    ask.until("condition=complete", "job/migration")
    found = ask.get("job", "migration")
    assert found["status"]["succeeded"] == 1
    assert "Complete" in objects.conditions(found)
    (pod,) = ask.pods_of("migration")
    assert pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"] == found["metadata"]["uid"]
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "Job"
    assert pod["status"]["phase"] == "Succeeded"
    assert ask.run("logs", pod["metadata"]["name"], "-c", "wait").out == "waited\n"
    assert ask.run("logs", "job/migration").out == "done\n"


@pytest.mark.parametrize(
    ("code", "pods", "reason"), [(20, 1, "PodFailurePolicy"), (21, 2, "BackoffLimitExceeded")], ids=["wrong", "retried"]
)
def test_the_exit_code_decides_whether_a_job_is_tried_again(
    place: Place, ask: Asking, code: int, pods: int, reason: str
) -> None:
    """20 fails the Job at once, 21 goes on to its limit."""
    spec = objects.pod_spec(objects.container(place.image, f"raise SystemExit({code})"))
    ask.applied(objects.job("migration", spec, backoffLimit=1, podFailurePolicy=_POLICY, podReplacementPolicy="Failed"))
    ask.until("condition=failed", "job/migration")
    found = ask.get("job", "migration")
    assert objects.conditions(found)["Failed"] == reason
    made = ask.pods_of("migration")
    assert len(made) == found["status"]["failed"] == pods
    assert {each["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] for each in made} == {code}


def test_a_failed_init_container_fails_the_job(place: Place, ask: Asking) -> None:
    """The main container is never started, and its state says so."""
    spec = objects.pod_spec(
        objects.container(place.image, "print('never')"),
        initContainers=[objects.container(place.image, "raise SystemExit(15)", name="wait")],
    )
    ask.applied(objects.job("migration", spec))
    ask.until("condition=failed", "job/migration")
    (pod,) = ask.pods_of("migration")
    assert pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 15
    assert pod["status"]["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert pod["status"]["phase"] == "Failed"


def test_a_job_past_its_deadline_fails(place: Place, ask: Asking) -> None:
    """However many tries are left, and its pod is ended."""
    spec = objects.pod_spec(objects.container(place.image, "import time; time.sleep(600)"))
    ask.applied(objects.job("migration", spec, activeDeadlineSeconds=3, backoffLimit=5))
    ask.until("condition=failed", "job/migration")
    assert objects.conditions(ask.get("job", "migration"))["Failed"] == "DeadlineExceeded"


def test_the_message_of_an_end_is_kept(place: Place, ask: Asking) -> None:
    """What a container writes to its termination log stands in its status."""
    code = "open('/dev/termination-log', 'w').write('Migration failed: column price'); raise SystemExit(20)"
    ask.applied(objects.job("migration", objects.pod_spec(objects.container(place.image, code))))
    ask.until("condition=failed", "job/migration")
    (pod,) = ask.pods_of("migration")
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (20, "Error")
    assert ended["message"] == "Migration failed: column price"


def test_values_of_secrets_and_config_maps_are_in_the_environment(place: Place, ask: Asking) -> None:
    """One by one, and all of a ConfigMap at once."""
    ask.applied(objects.config_map("settings", {"ENVIRONMENT": "staging"}))
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "shop-database"},
        "stringData": {"url": "postgresql://x"},
    }
    ask.applied(secret)
    code = "import os; print(os.environ['ENVIRONMENT'], os.environ['SHOP_DATABASE_URL'], os.environ['PLAIN'])"
    spec = objects.pod_spec(
        objects.container(
            place.image,
            code,
            envFrom=[{"configMapRef": {"name": "settings"}}],
            env=[
                {"name": "SHOP_DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "shop-database", "key": "url"}}},
                {"name": "PLAIN", "value": "1"},
            ],
        )
    )
    ask.applied(objects.job("migration", spec))
    ask.until("condition=complete", "job/migration")
    assert ask.run("logs", "job/migration").out == "staging postgresql://x 1\n"


def test_a_secret_that_is_missing_keeps_the_pod_from_starting(place: Place, ask: Asking) -> None:
    """With a reason that can be acted on: the Job itself would wait for ever."""
    missing = {"name": "URL", "valueFrom": {"secretKeyRef": {"name": "shop-database", "key": "url"}}}
    ask.applied(objects.job("migration", objects.pod_spec(objects.container(place.image, "pass", env=[missing]))))
    reason = "jsonpath={.status.containerStatuses[0].state.waiting.reason}=CreateContainerConfigError"
    ask.until("jsonpath={.status.active}=1", "job/migration")
    (pod,) = ask.pods_of("migration")
    ask.until(reason, f"pod/{pod['metadata']['name']}")
    (pod,) = ask.pods_of("migration")
    assert objects.waiting_reasons(pod) == {"CreateContainerConfigError"}
    assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"] == 'secret "shop-database" not found'


def test_an_image_that_is_not_there_keeps_the_pod_from_starting(place: Place, ask: Asking) -> None:
    """Where it may not be pulled, it is told at once."""
    if place.cluster is not None:
        pytest.xfail("loopback: no ErrImageNeverPull")
    absent = objects.container("localhost/stillroom/nothing:1", "pass") | {"imagePullPolicy": "Never"}
    ask.applied(objects.job("migration", objects.pod_spec(absent)))
    ask.until("jsonpath={.status.active}=1", "job/migration")
    (pod,) = ask.pods_of("migration")
    ask.until(
        "jsonpath={.status.containerStatuses[0].state.waiting.reason}=ErrImageNeverPull",
        f"pod/{pod['metadata']['name']}",
    )


def test_a_pod_that_is_not_restricted_is_never_made(place: Place, ask: Asking) -> None:
    """The Job is taken, with a warning; its pods are not, which only an event tells."""
    if place.cluster is not None:
        pytest.xfail("loopback: another warning, or no event of FailedCreate")
    spec = objects.pod_spec(objects.container(place.image, "pass"))
    del spec["securityContext"]
    applied = ask.apply(objects.job("migration", spec))
    assert applied.code == 0
    assert 'Warning: would violate PodSecurity "restricted:latest"' in applied.err
    events = ask.run(
        "wait", "--for=jsonpath={.reason}=FailedCreate", "event", "--field-selector=involvedObject.name=migration",
        "--timeout=60s",
    )  # fmt: skip
    assert events.code == 0, events.err
    assert ask.pods_of("migration") == []


def test_a_deleted_job_takes_its_pods_with_it(place: Place, ask: Asking) -> None:
    """At once where the deletion waits for them."""
    ask.applied(
        objects.job("migration", objects.pod_spec(objects.container(place.image, "import time; time.sleep(600)")))
    )
    ask.until("jsonpath={.status.ready}=1", "job/migration")
    gone = ask.run("delete", "job", "migration", "--cascade=foreground", "--timeout=60s")
    assert (gone.code, gone.out) == (0, 'job.batch "migration" deleted\n')
    assert ask.pods_of("migration") == []
    assert "NotFound" in ask.run("get", "job", "migration").err


def test_the_same_job_again_is_the_same_job(place: Place, ask: Asking) -> None:
    """Applied anew with nothing changed, a finished Job runs nothing."""
    body = objects.job("migration", objects.pod_spec(objects.container(place.image, "print('once')")))
    first = ask.applied(body)
    ask.until("condition=complete", "job/migration")
    again = ask.applied(body)
    assert again["metadata"]["uid"] == first["metadata"]["uid"]
    assert len(ask.pods_of("migration")) == 1


def test_a_native_sidecar_does_not_keep_the_job_alive(place: Place, ask: Asking) -> None:
    """An init container that restarts always runs beside, and ends with the others."""
    beside = objects.container(
        place.image,
        "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); time.sleep(600)",
        name="proxy",
    ) | {"restartPolicy": "Always"}
    spec = objects.pod_spec(objects.container(place.image, "print('done')"), initContainers=[beside])
    ask.applied(objects.job("migration", spec))
    ask.until("condition=complete", "job/migration")
