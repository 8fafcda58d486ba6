"""`doctor`: the parts side by side, and the one thing to do next."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from stillroom.rollout import diagnosis, judging
from tests.unit import rollout_objects as kube

_NAME = "auth-migration-0a1b2c3d"
_READY = {
    "metadata": {"name": "auth-service-1"},
    "status": {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [kube.running("app")]},
}
_DEPLOYMENT: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "auth-service"},
    "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "app", "image": "bakery/auth:2"}]}}},
    "status": {"readyReplicas": 1},
}
_BEHIND = {
    "state": "behind",
    "ready": False,
    "message": "DB not ready: it is at 0001",
    "mend": "run the Job",
    "current": ["0001"],
    "heads": ["0002"],
}
_WELL = diagnosis.Facts(
    service="auth",
    workload=_DEPLOYMENT,
    pods=[_READY],
    wanted=_NAME,
    job=judging.Job.from_object(kube.job("Complete")),
    job_pods=[],
    lines=["one", "two"],
    verified={"state": "at_head", "ready": True, "current": ["0002"], "heads": ["0002"]},
    run={"started": "2026-11-22T20:00:00+00:00", "outcome": "done", "from_revisions": [], "to_revisions": ["0002"]},
)
_APPLY = "invoke apply --via job --service auth"


def diagnosed(**changes: Any) -> diagnosis.Diagnosis:
    """The diagnosis of a service where all is well but for this."""
    return diagnosis.diagnose(dataclasses.replace(_WELL, **changes))


def _failed(*pods: dict[str, Any]) -> dict[str, Any]:
    found = [judging.Pod.from_object(each) for each in pods]
    return {"job": judging.Job.from_object(kube.job("Failed:PodFailurePolicy")), "job_pods": found}


def test_where_all_is_well_nothing_is_to_be_done() -> None:
    """Each part says so."""
    found = diagnosed()
    assert found.ok
    assert (found.next_step, found.last_error, found.lines) == ("", "", ())
    assert [each.level for each in found.rows] == ["ok"] * 5
    assert [each.what for each in found.rows] == ["database", "job", "workload", "pods", "ledger"]


def test_a_failed_job_is_told_in_its_own_words() -> None:
    """With what the runtime says to do, and then to run it again."""
    message = 'Migration failed: auth: revision 0002 failed: column "x" exists [revision-failed]\nmend 0002, build\n'
    found = diagnosed(**_failed(kube.pod(kube.ended("migration", 20, message=message))), verified=_BEHIND)
    assert not found.ok
    assert found.last_error == message.strip()
    assert found.next_step == f"mend 0002, build; then {_APPLY}"
    assert found.lines == ("one", "two")


def test_no_job_and_a_database_behind() -> None:
    """It is run."""
    found = diagnosed(job=None, verified=_BEHIND)
    assert found.next_step == _APPLY
    assert [each.level for each in found.rows][:2] == ["error", "warning"]


def test_a_restored_backup_is_found_beside_a_complete_job() -> None:
    """The Job says what was once."""
    found = diagnosed(verified=_BEHIND)
    assert found.next_step == _APPLY
    assert not found.ok


@pytest.mark.parametrize("state", ["diverged", "unversioned", "unreachable"])
def test_a_state_that_no_job_mends_is_told_with_its_own_mend(state: str) -> None:
    """As `verify` says it."""
    assert diagnosed(verified={**_BEHIND, "state": state, "mend": "look closely"}).next_step == "look closely"


def test_a_job_that_runs_is_followed() -> None:
    """Whatever else is not right yet."""
    found = diagnosed(job=judging.Job.from_object(kube.job(active=1)), verified=_BEHIND)
    assert found.next_step == "invoke logs --service auth --follow"


def test_a_job_of_other_content_is_told() -> None:
    """services.yaml was changed since."""
    found = diagnosed(wanted="auth-migration-ffffffff")
    assert found.ok
    assert found.next_step == _APPLY


def test_a_pod_that_crashes_is_told_with_its_last_words() -> None:
    """The service is at fault, not its database."""
    status = {
        "name": "app",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 10, "message": "DB not ready: behind"}},
    }
    crashing = {"metadata": {"name": "auth-service-2"}, "status": {"containerStatuses": [status]}}
    found = diagnosed(pods=[crashing], workload={**_DEPLOYMENT, "status": {}})
    pods = next(each for each in found.rows if each.what == "pods")
    assert pods.text == "auth-service-2: container app CrashLoopBackOff, exit code 10: DB not ready: behind"
    assert found.next_step == "kubectl logs auth-service-2 --all-containers --prefix"


def test_a_service_that_is_scaled_to_zero() -> None:
    """Is no error, and says how to scale it up."""
    zero = {**_DEPLOYMENT, "spec": {**_DEPLOYMENT["spec"], "replicas": 0}, "status": {}}
    found = diagnosed(workload=zero, pods=[])
    assert found.ok
    assert found.next_step == "kubectl scale deployment/auth-service --replicas=1"


def test_a_cluster_that_does_not_answer_comes_first() -> None:
    """Nothing else can be known."""
    gone = diagnosis.Trouble("cluster-unreachable", "kubectl get: refused", "kubectl cluster-info")
    found = diagnosed(workload=gone, pods=gone, job=gone, verified=gone, run=gone)
    assert found.next_step == "kubectl cluster-info"
    assert not found.ok


def test_the_last_error_of_the_ledger_is_told() -> None:
    """Where the Job is gone."""
    run = {"started": "2026-11-22T20:00:00", "outcome": "failed", "error": "revision 0002 failed"}
    found = diagnosed(job=None, run=run, verified=_BEHIND)
    assert found.last_error == "revision 0002 failed"
