"""Pods, as the one node of the cluster runs them: init containers in order, sidecars, restarts, the end of it all."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from typing import Any

from tests.support.cluster import environment, events, files, making, pod_status, resources
from tests.support.cluster.images import Image, NoProgram
from tests.support.cluster.state import State
from tests.support.cluster.store import Event, Object
from tests.support.cluster.units import Unit

__all__ = ["Kubelet", "Runner"]

PODS = resources.of_kind("Pod")
_BACK_OFF_SECONDS = 10.0
_LONGEST_BACK_OFF_SECONDS = 300.0


class Kubelet:
    """All pods that run."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._runners: dict[str, Runner] = {}
        state.store.listeners.append(self._saw)

    def of(self, pod: Mapping[str, Any]) -> Runner | None:
        """Who runs that pod; kept until the pod object is gone."""
        return self._runners.get(pod["metadata"]["uid"])

    async def close(self) -> None:
        """Ends all pods at once."""
        tasks = [each.end_now() for each in self._runners.values()]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _saw(self, event: Event) -> None:
        if event.resource is not PODS:
            return
        uid = event.object["metadata"]["uid"]
        if event.type == "ADDED":
            self._runners[uid] = Runner(self._state, event.object)
        elif event.type == "DELETED":
            gone = self._runners.pop(uid, None)
            if gone is not None:
                gone.forget()


class Runner:
    """One pod."""

    def __init__(self, state: State, pod: Object) -> None:
        self.state = state
        self.pod = pod
        self.namespace: str = pod["metadata"]["namespace"]
        self.name: str = pod["metadata"]["name"]
        self.folder = state.folder / pod["metadata"]["uid"]
        spec = pod["spec"]
        self.units = [
            Unit(each, "sidecar" if each.get("restartPolicy") == "Always" else "init")
            for each in spec.get("initContainers", [])
        ] + [Unit(each, "main") for each in spec["containers"]]
        self.phase = "Pending"
        self.reason = ""
        self.scheduled = False
        self.ended = asyncio.Event()
        self._stopping = False
        self._sidecars: list[asyncio.Task[int]] = []
        self._task = state.begin(self._run())

    def unit(self, name: str) -> Unit | None:
        """The container of that name."""
        return next((each for each in self.units if each.name == name), None)

    def of_kind(self, *kinds: str) -> list[Unit]:
        """Its containers of these kinds, in order."""
        return [each for each in self.units if each.kind in kinds]

    async def stop(self, grace: float, reason: str = "") -> None:
        """As a deletion or a deadline ends a pod: main containers first, then sidecars, last one first."""
        self._stopping = True
        self.reason = self.reason or reason
        mains = self.of_kind("main", "init")
        if not any(each.running for each in mains):
            self._task.cancel()  # it waits for an image, a Secret, its turn, or the end of a back-off
        await asyncio.gather(*(each.stop(grace) for each in mains))
        await self.ended.wait()

    async def deleted(self) -> None:
        """Deletes the pod without grace, as `--force --grace-period=0` and a lost node do."""
        await self.stop(0)
        self.state.store.remove(PODS, self.namespace, self.name)

    async def end_now(self) -> None:
        """Kills everything."""
        self._stopping = True
        for each in self.units:
            each.kill()
        self._task.cancel()
        await asyncio.wait([self._task, *self._sidecars])
        self.forget()

    def forget(self) -> None:
        """Removes what it has on disk."""
        self._stopping = True
        self._task.cancel()
        for each in self._sidecars:
            each.cancel()
        for each in self.units:
            each.kill()
            if each.log is not None:
                each.log.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _run(self) -> None:
        self.folder.mkdir(parents=True)
        self.write()
        try:
            async with self.state.slots:
                self.scheduled = True
                self.write()
                await self._mounted()
                self.phase = await self._lived()
        except asyncio.CancelledError:
            self.phase = "Failed"
        finally:
            await self._sidecars_end()
            for each in self.units:
                if each.running:
                    each.kill()
                    each.ends(137)
            self.ended.set()
            self.write()

    async def _lived(self) -> str:
        """The pod's life: its last phase."""
        for each in self.of_kind("init", "sidecar"):
            if each.kind == "sidecar":
                await self._begun(each)
            elif await self._kept(each) != 0 or self._stopping:
                return "Failed"
        mains = self.of_kind("main")
        for each in mains:
            each.waits("ContainerCreating")
        codes = await asyncio.gather(*(self._kept(each) for each in mains))
        return "Succeeded" if not any(codes) and not self.reason else "Failed"

    async def _begun(self, unit: Unit) -> None:
        """A sidecar is started, and runs beside what follows."""
        self._sidecars.append(asyncio.get_running_loop().create_task(self._kept(unit)))
        while not unit.running and not self._stopping:
            await self.state.store.changed()

    async def _sidecars_end(self) -> None:
        self._stopping = True
        for each in reversed(self.of_kind("sidecar")):
            await each.stop(self.pod["spec"].get("terminationGracePeriodSeconds", 30))
        for task in self._sidecars:
            task.cancel()
        if self._sidecars:
            await asyncio.wait(self._sidecars)

    async def _kept(self, unit: Unit) -> int:
        """Runs a container as often as the restart policy wants it: the last exit status."""
        policy = "Always" if unit.kind == "sidecar" else self.pod["spec"].get("restartPolicy", "Always")
        while True:
            code = await self._once(unit)
            again = policy == "Always" and not (unit.kind == "init" and code == 0)
            again = again or (policy == "OnFailure" and code != 0)
            if self._stopping or not again:
                return code
            pause = min(_BACK_OFF_SECONDS * 2**unit.restarts, _LONGEST_BACK_OFF_SECONDS)
            unit.last, unit.restarts = unit.state, unit.restarts + 1
            unit.waits(
                "CrashLoopBackOff",
                f"back-off {pause:.0f}s restarting failed container={unit.name} pod={self.name}_{self.namespace}",
            )
            self.tell("Warning", "BackOff", f"Back-off restarting failed container {unit.name} in pod {self.name}")
            self.write()
            await asyncio.sleep(pause)

    async def _once(self, unit: Unit) -> int:
        """One run of a container, from pulling its image to its end."""
        image = await self._pulled(unit)
        try:
            unit.begins(await self._made(unit, image))
            await unit.starts()
        except (NoProgram, OSError) as error:
            unit.ends(128, "StartError", f"failed to create containerd task: failed to create shim task: {error}")
            self.write()
            return 128
        self.phase = "Running" if unit.kind == "main" else self.phase
        self.tell("Normal", "Started", f"Started container {unit.name}")
        self.write()
        code = await unit.runs()
        unit.ends(code)
        self.write()
        return code

    async def _pulled(self, unit: Unit) -> Image:
        """The image, as soon as it can be had."""
        reference = unit.spec["image"]
        reason = "ErrImagePull"
        while True:
            found = self.state.images.get(reference)
            if found is not None and not found.problem:
                return found
            why = found.problem if found else f"{reference}: not found"
            message = f'failed to pull and unpack image "{reference}": {why}'
            if reason == "ImagePullBackOff":
                message = f'Back-off pulling image "{reference}": ErrImagePull: {message}'
            else:
                self.tell("Warning", "Failed", f'Failed to pull image "{reference}": {message}')
            unit.waits(reason, message)
            self.write()
            if reason == "ErrImagePull":
                reason = "ImagePullBackOff"
                continue
            await self.state.store.changed()

    async def _made(self, unit: Unit, image: Image) -> making.Made:
        while True:
            try:
                return making.made(self.pod, unit.spec, image, self.folder, self._copy_of, self.state.address)
            except environment.Misconfigured as error:
                if unit.state.get("waiting", {}).get("message") != str(error):
                    self.tell("Warning", "Failed", f"Error: {error}")
                unit.waits("CreateContainerConfigError", str(error))
                self.write()
                await self.state.store.changed()

    async def _mounted(self) -> None:
        for volume in self.pod["spec"].get("volumes", []):
            told = ""
            while True:
                try:
                    files.fill(volume, self.folder / "volumes" / volume["name"], self._copy_of, self.namespace)
                    break
                except files.Unmountable as error:
                    said = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}'
                    if said != told:
                        told = said
                        self.tell("Warning", "FailedMount", said)
                    await self.state.store.changed()

    def _copy_of(self, kind: str, name: str) -> Mapping[str, Any] | None:
        return self.state.named(kind, self.namespace, name)

    def write(self) -> None:
        """Writes the status, if it is another than before."""

        def how(pod: Object) -> None:
            pod["status"] = pod_status.of(self, pod)
            if self.scheduled:
                pod["spec"]["nodeName"] = "loopback"

        changed = self.state.store.change(PODS, self.namespace, self.name, how)
        self.pod = changed or self.pod

    def tell(self, kind: str, reason: str, message: str) -> None:
        """An event about the pod."""
        events.record(self.state.store, self.pod, kind, reason, message, "kubelet")
