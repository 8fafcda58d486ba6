"""A Job's status: counts, conditions, and what its podFailurePolicy says of a failed pod."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tests.support.cluster.store import Object, now

if TYPE_CHECKING:
    from tests.support.cluster.kubelet import Runner

__all__ = ["active", "begun", "completed", "condition", "counted", "failed", "judged", "lives", "suspended"]


def condition(job: Object, kind: str, reason: str, message: str, *, true: bool = True) -> None:
    """Sets a condition; its time is that of the change."""
    conditions = job["status"].setdefault("conditions", [])
    said = {"type": kind, "status": "True" if true else "False", "reason": reason, "message": message}
    for each in conditions:
        if each["type"] == kind:
            changed = each["status"] != said["status"]
            each.update(said | ({"lastTransitionTime": now(), "lastProbeTime": now()} if changed else {}))
            return
    conditions.append(said | {"lastProbeTime": now(), "lastTransitionTime": now()})


def suspended(job: Object) -> None:
    """No pod runs, and none will."""
    condition(job, "Suspended", "JobSuspended", "Job suspended")
    job["status"].pop("startTime", None)
    _counts(job, 0, 0)


def begun(job: Object) -> None:
    """It may make pods."""
    status = job["status"]
    status.setdefault("startTime", now())
    if any(each["type"] == "Suspended" and each["status"] == "True" for each in status.get("conditions", [])):
        condition(job, "Suspended", "JobResumed", "Job resumed", true=False)


def _counts(job: Object, running: int, ready: int) -> None:
    job["status"] |= {"active": running, "ready": ready, "terminating": 0, "uncountedTerminatedPods": {}}
    if not running:
        del job["status"]["active"]


def active(job: Object) -> None:
    """A pod has been made."""
    _counts(job, 1, 0)


def lives(job: Object, runner: Runner) -> None:
    """The pod's state has changed."""
    conditions = runner.pod.get("status", {}).get("conditions", [])
    _counts(job, 1, int(any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)))


def counted(job: Object, number: int) -> None:
    """So many pods have failed; none runs."""
    job["status"]["failed"] = number
    _counts(job, 0, 0)


def completed(job: Object) -> None:
    """A pod has succeeded."""
    why = ("CompletionsReached", "Reached expected number of succeeded pods")
    condition(job, "SuccessCriteriaMet", *why)
    condition(job, "Complete", *why)
    job["status"] |= {"succeeded": 1, "completionTime": now()}
    _counts(job, 0, 0)


def failed(job: Object, number: int, reason: str, message: str) -> None:
    """It has failed for good."""
    condition(job, "Failed", reason, message)
    if number:
        job["status"]["failed"] = number
    _counts(job, 0, 0)


def judged(job: Object, pod: Object) -> tuple[str, str]:
    """Action and message of the first rule that a failed pod meets; ("Count", "") where none does."""
    for number, rule in enumerate(job["spec"].get("podFailurePolicy", {}).get("rules", [])):
        met = _by_exit_code(rule, pod) or _by_condition(rule, pod)
        if met:
            return rule["action"], f"{met} matching {rule['action']} rule at index {number}"
    return "Count", ""


def _by_exit_code(rule: Mapping[str, Any], pod: Object) -> str:
    wanted = rule.get("onExitCodes")
    if wanted is None:
        return ""
    for name, code in _exit_codes(pod):
        if wanted.get("containerName") in (None, "", name) and code != 0:
            listed = code in wanted["values"]
            if listed == (wanted["operator"] == "In"):
                where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
                return f"Container {name} for pod {where} failed with exit code {code}"
    return ""


def _exit_codes(pod: Object) -> Iterator[tuple[str, int]]:
    status = pod.get("status", {})
    for each in (*status.get("containerStatuses", []), *status.get("initContainerStatuses", [])):
        if "terminated" in each["state"]:
            yield each["name"], each["state"]["terminated"]["exitCode"]


def _by_condition(rule: Mapping[str, Any], pod: Object) -> str:
    there = {each["type"]: each["status"] for each in pod.get("status", {}).get("conditions", [])}
    for each in rule.get("onPodConditions", []):
        if there.get(each["type"]) == each.get("status", "True"):
            return f"Pod {pod['metadata']['namespace']}/{pod['metadata']['name']} has condition {each['type']}"
    return ""
