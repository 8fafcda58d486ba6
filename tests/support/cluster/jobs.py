"""Jobs: one pod after another until one succeeds, or the Job has failed for good."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import secrets
import time
from typing import Any

from tests.support.cluster import admission, deleting, events, job_status, resources, statuses
from tests.support.cluster.kubelet import Kubelet, Runner
from tests.support.cluster.state import State
from tests.support.cluster.store import Event, Object

__all__ = ["Jobs"]

JOBS = resources.of_kind("Job")
PODS = resources.of_kind("Pod")
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_BACK_OFF_SECONDS = 10.0
_LONGEST_BACK_OFF_SECONDS = 600.0


class Jobs:
    """The controller: a task a Job."""

    def __init__(self, state: State, kubelet: Kubelet) -> None:
        self._state = state
        self._kubelet = kubelet
        self._runs: dict[str, _Run] = {}
        state.store.listeners.append(self._saw)

    def _saw(self, event: Event) -> None:
        meta = event.object["metadata"]
        if event.resource is PODS:
            for owner in meta.get("ownerReferences") or []:
                if owner["uid"] in self._runs:
                    self._runs[owner["uid"]].signal.set()
        elif event.resource is JOBS:
            if event.type == "ADDED":
                self._runs[meta["uid"]] = _Run(self._state, self._kubelet, event.object)
            elif event.type == "DELETED":
                self._runs.pop(meta["uid"]).task.cancel()
            else:
                self._runs[meta["uid"]].signal.set()


class _Run:
    """One Job."""

    def __init__(self, state: State, kubelet: Kubelet, job: Object) -> None:
        self._state = state
        self._kubelet = kubelet
        self._namespace: str = job["metadata"]["namespace"]
        self._name: str = job["metadata"]["name"]
        self._failed = 0
        self._counted = 0
        self._began: float | None = None
        self._refused = ""
        self.signal = asyncio.Event()
        self.task = state.begin(self._run())

    @property
    def _job(self) -> Object:
        return self._state.store.get(JOBS, self._namespace, self._name)

    @property
    def _late(self) -> float | None:
        """Seconds left until the deadline; None: there is none."""
        limit = self._job["spec"].get("activeDeadlineSeconds")
        return None if limit is None or self._began is None else self._began + limit - time.monotonic()

    async def _run(self) -> None:
        while True:
            if self._job["spec"]["suspend"]:
                self._began = None
                self._change(job_status.suspended)
                await self._woken(None)
                continue
            if self._began is None:
                self._began = time.monotonic()
            self._change(job_status.begun)
            if await self._attempted():
                break
        if (left := self._job["spec"].get("ttlSecondsAfterFinished")) is not None:
            await asyncio.sleep(left)
            asyncio.get_running_loop().call_soon(deleting.let_go, self._state, self._kubelet, JOBS, self._job, None)

    async def _attempted(self) -> bool:
        """One pod to its end; whether the Job has ended with it."""
        runner = self._make_pod()
        if runner is None:
            await self._state.store.changed()
            return False
        self._change(job_status.active)
        why = await self._lived(runner)
        if why == "deadline":
            await self._fail("DeadlineExceeded", "Job was active longer than specified deadline", runner)
            return True
        if why == "suspended":
            deleting.let_go(self._state, self._kubelet, PODS, runner.pod, None)
            await self._gone(runner)
            return False
        if why == "ended" and runner.phase == "Succeeded":
            self._change(job_status.completed)
            self._tell("Normal", "Completed", "Job completed")
            return True
        return await self._after_failure(runner)

    async def _after_failure(self, runner: Runner) -> bool:
        """Counts a failed pod, by the policy; waits before the next. Whether the Job has failed with it."""
        self._failed += 1
        action, message = job_status.judged(self._job, runner.pod)
        if action == "FailJob":
            await self._fail("PodFailurePolicy", message, runner)
            return True
        if action != "Ignore":
            self._counted += 1
        failed = self._failed
        self._change(lambda job: job_status.counted(job, failed))
        if self._counted > self._job["spec"]["backoffLimit"]:
            await self._fail("BackoffLimitExceeded", "Job has reached the specified backoff limit", runner)
            return True
        pause = min(_BACK_OFF_SECONDS * 2 ** max(0, self._counted - 1), _LONGEST_BACK_OFF_SECONDS)
        late = self._late
        await asyncio.sleep(min(pause / self._state.hurry, late if late is not None else pause))
        if (late := self._late) is not None and late <= 0:
            await self._fail("DeadlineExceeded", "Job was active longer than specified deadline", runner)
            return True
        return False

    async def _lived(self, runner: Runner) -> str:
        """Until the pod has ended, or the Job does not want it any more: why."""
        spec = self._job["spec"]
        while not runner.ended.is_set():
            left = self._late
            if left is not None and left <= 0:
                return "deadline"
            if self._job["spec"]["suspend"]:
                return "suspended"
            if sum(each.restarts for each in runner.units if each.kind != "sidecar") > spec["backoffLimit"]:
                self._counted = spec["backoffLimit"]
                return "restarts"
            leaving = "deletionTimestamp" in runner.pod["metadata"]
            if leaving and spec["podReplacementPolicy"] == "TerminatingOrFailed":
                return "leaving"
            self._change(lambda job: job_status.lives(job, runner))
            await self._woken(left)
        return "ended"

    async def _woken(self, seconds: float | None) -> None:
        """Waits for a change of the Job or its pods, at most so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.signal.wait(), seconds)
        self.signal.clear()

    async def _gone(self, runner: Runner) -> None:
        while self._state.store.find(PODS, self._namespace, runner.name) is not None:
            await self._woken(None)

    async def _fail(self, reason: str, message: str, runner: Runner) -> None:
        """The Job has failed: its last pod, if it still runs, is deleted before that is final."""
        self._change(lambda job: job_status.condition(job, "FailureTarget", reason, message))
        if not runner.ended.is_set():
            deleting.let_go(self._state, self._kubelet, PODS, runner.pod, None)
            await self._gone(runner)
            self._failed += reason == "DeadlineExceeded"
        failed = self._failed
        self._tell("Warning", reason, message)
        self._change(lambda job: job_status.failed(job, failed, reason, message))

    def _make_pod(self) -> Runner | None:
        """A pod, or None where it is refused."""
        job = self._job
        template = copy.deepcopy(job["spec"]["template"])
        name = f"{job['metadata']['name']}-" + "".join(secrets.choice(_SUFFIX) for _ in range(5))
        owner = {"apiVersion": "batch/v1", "kind": "Job", "controller": True, "blockOwnerDeletion": True}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **template.get("metadata", {}),
                "name": name,
                "generateName": f"{job['metadata']['name']}-",
                "namespace": self._namespace,
                "ownerReferences": [owner | {"name": self._name, "uid": job["metadata"]["uid"]}],
            },
            "spec": template["spec"],
        }
        try:
            made = self._state.store.add(PODS, admission.admitted(self._state, PODS, pod, None))
        except statuses.Refused as refused:
            self._tell_refusal(refused.message.replace(name, f"{self._name}-"))
            return None
        self._tell("Normal", "SuccessfulCreate", f"Created pod: {name}")
        return self._kubelet.of(made)

    def _tell_refusal(self, message: str) -> None:
        if message != self._refused:
            self._refused = message
            self._tell("Warning", "FailedCreate", f"Error creating: {message}")

    def _change(self, how: Any) -> None:
        self._state.store.change(JOBS, self._namespace, self._name, how)

    def _tell(self, kind: str, reason: str, message: str) -> None:
        events.record(self._state.store, self._job, kind, reason, message, "job-controller")
