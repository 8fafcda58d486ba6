"""How a Job stands, by what the API says of it and of its pods."""

from __future__ import annotations

from typing import Any

import pytest

from stillroom.rollout import judging
from tests.unit import rollout_objects as kube


def judged(job: dict[str, Any] | None, *pods: dict[str, Any]) -> judging.Verdict:
    """The verdict on objects of the API."""
    return judging.judge(
        None if job is None else judging.Job.from_object(job), [judging.Pod.from_object(each) for each in pods]
    )


def test_a_job_without_a_pod_waits_for_one() -> None:
    """Nothing is wrong yet."""
    assert judged(kube.job()) == judging.Verdict(judging.RUNNING, step="waiting for its pod")


def test_a_pod_that_runs_says_what_it_is_at() -> None:
    """The init container first, then the migration; a sidecar is not what it is at."""
    waiting = kube.pod(kube.waiting("migration", "PodInitializing"), init=(kube.running("wait-for-database"),))
    assert judged(kube.job(active=1), waiting).step == "wait-for-database"
    migrating = kube.pod(
        kube.running("migration"),
        init=(kube.running("cloud-sql-proxy"), kube.ended("wait-for-database", 0)),
        sidecar="cloud-sql-proxy",
    )
    assert judged(kube.job(active=1), migrating).step == "migration"
    proxied = kube.pod(
        kube.waiting("migration", "PodInitializing"), init=(kube.running("cloud-sql-proxy"),), sidecar="cloud-sql-proxy"
    )
    assert judged(kube.job(active=1), proxied).step == "starting"


def test_complete_is_done() -> None:
    """Whatever an earlier pod of it came to."""
    failed = kube.pod(kube.ended("migration", 21), phase="Failed")
    assert judged(kube.job("SuccessCriteriaMet:CompletionsReached", "Complete"), failed).state == judging.DONE


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("ImagePullBackOff", "image-pull"),
        ("ErrImagePull", "image-pull"),
        ("ErrImageNeverPull", "image-pull"),
        ("InvalidImageName", "image-pull"),
        ("CreateContainerConfigError", "container-config"),
        ("CreateContainerError", "container-start"),
        ("RunContainerError", "container-start"),
    ],
)
@pytest.mark.parametrize("init", [False, True])
def test_what_only_a_person_can_end_fails_at_once(reason: str, code: str, init: bool) -> None:
    """Kubernetes would wait until the deadline; its own words are told."""
    stuck = kube.waiting("wait-for-database" if init else "migration", reason, 'secret "auth-database" not found')
    pod = kube.pod(kube.waiting("migration", "PodInitializing"), init=(stuck,)) if init else kube.pod(stuck)
    found = judged(kube.job(active=1), pod)
    assert (found.state, found.code) == (judging.FAILED, code)
    assert 'secret "auth-database" not found' in found.message
    assert reason in found.message
    assert found.mend


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_what_passes_by_itself_is_waited_for(reason: str) -> None:
    """Pulling an image takes its time."""
    assert judged(kube.job(active=1), kube.pod(kube.waiting("migration", reason), phase="Pending")).step == "starting"


def test_a_pod_that_no_node_takes_is_told_and_waited_for() -> None:
    """A node may be on its way."""
    pod = kube.pod(phase="Pending", unschedulable="0/1 nodes are available: 1 Insufficient memory.")
    found = judged(kube.job(active=1), pod)
    assert found.state == judging.RUNNING
    assert "Insufficient memory" in found.trouble


@pytest.mark.parametrize(
    ("exit_code", "code"),
    [
        (20, "migration-failed"),
        (21, "migration-not-begun"),
        (22, "migration-refused"),
        (143, "migration-terminated"),
        (137, "container-killed"),
        (10, "database-not-ready"),
        (15, "database-not-ready"),
        (1, "container-failed"),
        (127, "container-failed"),
    ],
)
def test_a_failed_job_is_told_by_the_exit_code_of_its_last_pod(exit_code: int, code: str) -> None:
    """Not by that of the first try, nor by the Job's own word."""
    first = kube.pod(kube.ended("migration", 21), name="a", phase="Failed", created="2026-11-22T20:00:00Z")
    last = kube.pod(kube.ended("migration", exit_code), name="b", phase="Failed", created="2026-11-22T20:01:00Z")
    found = judged(kube.job("FailureTarget:PodFailurePolicy", "Failed:PodFailurePolicy"), last, first)
    assert (found.state, found.code, found.pod) == (judging.FAILED, code, "b")


def test_out_of_memory_is_told_as_such() -> None:
    """With the limit to raise."""
    found = judged(kube.job("Failed:BackoffLimitExceeded"), kube.pod(kube.ended("migration", 137, "OOMKilled")))
    assert "OOMKilled" in found.message
    assert "memory" in found.mend


def test_an_init_container_that_failed_is_told() -> None:
    """The migration itself never ran."""
    pod = kube.pod(kube.waiting("migration", "PodInitializing"), init=(kube.ended("wait-for-database", 15),))
    found = judged(kube.job("Failed:BackoffLimitExceeded"), pod)
    assert found.container is not None
    assert (found.container.name, found.code) == ("wait-for-database", "database-not-ready")


def test_the_deadline_is_told_although_its_pods_are_gone() -> None:
    """The Job controller deletes them then."""
    found = judged(kube.job("FailureTarget:DeadlineExceeded", "Failed:DeadlineExceeded"))
    assert (found.state, found.code) == (judging.FAILED, "job-deadline")


def test_a_job_that_is_about_to_fail_is_waited_for() -> None:
    """Its pod may be rolling back; what it says comes with its end."""
    found = judged(kube.job("FailureTarget:DeadlineExceeded", active=1), kube.pod(kube.running("migration")))
    assert (found.state, found.step) == (judging.RUNNING, "ending (DeadlineExceeded)")


def test_a_deleted_job_has_failed() -> None:
    """Also one that is being deleted: it will not end well."""
    assert judged(None).code == "job-deleted"
    deleting = kube.job(active=1)
    deleting["metadata"]["deletionTimestamp"] = "2026-11-22T20:00:05Z"
    assert judged(deleting, kube.pod(kube.running("migration"))).code == "job-deleted"


def test_an_evicted_pod_is_told_in_its_words() -> None:
    """There is no exit code to go by."""
    pod = kube.pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    found = judged(kube.job("Failed:BackoffLimitExceeded"), pod)
    assert "low on resource" in found.message


def test_a_suspended_job_says_so() -> None:
    """Somebody, or a queue, has to resume it."""
    assert judged(kube.job("Suspended:JobSuspended")).trouble == "the Job is suspended"


def test_what_has_ended_is_not_told_as_starting() -> None:
    """Between the end of its process and the word of the Job controller."""
    assert judged(kube.job(active=1), kube.pod(kube.ended("migration", 0))).step == "ending"
    assert judged(kube.job(), kube.pod(kube.ended("migration", 0), phase="Succeeded")).step == "ending"
    assert judged(kube.job(failed=1), kube.pod(kube.ended("migration", 21), phase="Failed")).step == "trying again"
