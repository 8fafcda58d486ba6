"""A pod's status and conditions, from what its runner knows."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tests.support.cluster.store import Object, now

if TYPE_CHECKING:
    from tests.support.cluster.kubelet import Runner

__all__ = ["NOT_READY", "of"]

NOT_READY = "loopback.test/not-ready"
"""The annotation of pods that run without getting ready: there are no probes here."""


def of(runner: Runner, pod: Object) -> dict[str, Any]:
    """The whole status; times of what has not changed stay."""
    before = pod.get("status", {})
    wanted = NOT_READY not in (pod["metadata"].get("annotations") or {})
    inits = runner.of_kind("init", "sidecar")
    mains = runner.of_kind("main")
    initialized = all(
        each.exit_code == 0 if each.kind == "init" else each.running or runner.ended.is_set() for each in inits
    )
    ready = wanted and all(each.running for each in mains) and initialized
    over = runner.ended.is_set()
    status: dict[str, Any] = {
        "phase": runner.phase,
        "qosClass": "BestEffort",
        "conditions": _conditions(runner, before, initialized, ready),
    }
    if runner.scheduled:
        status |= {"hostIP": "127.0.0.1", "podIP": "127.0.0.1", "startTime": before.get("startTime", now())}
        status["containerStatuses"] = [copy.deepcopy(each.status(wanted)) for each in mains]
        if inits:
            status["initContainerStatuses"] = [copy.deepcopy(each.status(wanted)) for each in inits]
    if runner.reason and over:
        status["reason"] = runner.reason
    return status


def _conditions(runner: Runner, before: dict[str, Any], initialized: bool, ready: bool) -> list[dict[str, Any]]:
    why = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(runner.phase, "ContainersNotReady")
    facts: list[tuple[str, bool, str]] = [("PodScheduled", runner.scheduled, "Unschedulable")]
    if runner.scheduled:
        facts += [
            ("PodReadyToStartContainers", not runner.ended.is_set(), ""),
            ("Initialized", initialized, "ContainersNotInitialized"),
            ("ContainersReady", ready, why),
            ("Ready", ready, why),
        ]
    old = {each["type"]: each for each in before.get("conditions", [])}
    found = []
    for kind, true, reason in facts:
        said: dict[str, Any] = {"type": kind, "status": "True" if true else "False", "lastProbeTime": None}
        if not true and reason:
            said["reason"] = reason
        same = kind in old and old[kind]["status"] == said["status"]
        found.append(said | {"lastTransitionTime": old[kind]["lastTransitionTime"] if same else now()})
    kept = [each for each in before.get("conditions", []) if each["type"] == "DisruptionTarget"]
    return found + kept
