"""The target that is a cluster: one exec a service, which carries the runtime in and all of its requests.

A pod is chosen when the service is first asked for something; the exec into it stays open until the session ends.
"""

from __future__ import annotations

import dataclasses
import socket
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterable

from stillroom.registry import model
from stillroom.targets import base, carrier, relayed
from stillroom.targets.kubernetes import endings, hired, pods, view
from stillroom.targets.kubernetes.kubectl import Kubectl

__all__ = ["PYTHON", "Kubernetes", "Options"]

PYTHON = "python3"
"""The interpreter in a container, unless the registry names another: every image that has Python has it."""

_START_SECONDS = 60.0
_END_SECONDS = 70.0
_IDLE_END_SECONDS = 5.0
_TRIES = 3
_PAUSE_SECONDS = 1.0
# Each is a kubectl of its own, which takes some memory here.
_MOST_OPEN = 24


@dataclasses.dataclass(frozen=True)
class Options:
    """What the person asked for.

    Attributes:
        via: "exec": into a pod that runs; "job": a Job of its own; "auto": a Job where no pod can be used; None: as the
            registry says of each service.
    """

    via: str | None = None


@dataclasses.dataclass
class _Open:
    """A way into a container."""

    chosen: pods.Chosen
    relay: relayed.Relayed


class Kubernetes:
    """A cluster.

    Args:
        kubectl: the door to it.
        options: what the person asked for.
    """

    def __init__(self, kubectl: Kubectl, options: Options | None = None) -> None:
        self.kubectl = kubectl
        self.views = view.Views(kubectl)
        self._options = options or Options()
        self._hired = hired.Hired(kubectl)
        self._open: dict[str, _Open] = {}
        self._opening: set[relayed.Relayed] = set()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()
        self._interrupted = False
        self._closed = False

    def prepare(self, services: Iterable[model.Service]) -> None:
        """See `base.Target`."""
        for namespace in dict.fromkeys(each.namespace for each in services):
            self.views.begin(namespace)

    def start(self, request_id: str, service: model.Service) -> base.Process:
        """See `base.Target`. A container that went away since it was chosen is replaced by another one."""
        with self._lock:
            lock = self._locks[service.name]
        with lock:
            while True:
                way = self._way(service)
                self._refuse_late(service)
                begun = way.relay.start()
                if begun is not None:
                    return begun

    def healthy(self, service: model.Service) -> pods.Chosen:
        """The pod and container of the service that could be worked in.

        Raises:
            pods.NoPod: there is none now.
            base.TargetFailed: nobody can tell which, or what there is.
        """
        return pods.choose(service.name, service.workload, service.container, self._objects(service))

    def where(self, service: model.Service) -> pods.Chosen | None:
        """The container that the service is worked on in; None where that has not begun."""
        found = self._open.get(service.name)
        return found.chosen if found is not None else None

    def interrupt(self) -> bool:
        """See `base.Target`."""
        self._interrupted = True  # without the lock: this runs in a signal handler, maybe of the thread that holds it
        self.kubectl.interrupt()
        ways = [*(each.relay for each in list(self._open.values())), *list(self._opening)]
        running = [each.interrupt() for each in ways]
        return any(running) or bool(self._opening)

    def close(self) -> None:
        """See `base.Target`."""
        with self._lock:
            self._closed = True
            left = list(self._open.values())
            self._open.clear()
        for each in left:
            each.relay.interrupt()
        for each in left:
            each.relay.close(_END_SECONDS if each.relay.busy else _IDLE_END_SECONDS)
        self._hired.dismiss()

    def _way(self, service: model.Service) -> _Open:
        """The open way into the service's container; made, if there is none (any more)."""
        found = self._open.get(service.name)
        if found is not None and found.relay.alive:
            return found
        if found is not None:
            self.views.forget(service.namespace)
        for left in reversed(range(_TRIES)):
            self._refuse_late(service)
            try:
                return self._made(service)
            except base.TargetFailed as failed:
                if failed.code != base.LOST or not left:
                    raise
                self.views.forget(service.namespace)
                self.kubectl.pause(_PAUSE_SECONDS)
        raise AssertionError("the last try returns or raises")

    def _refuse_late(self, service: model.Service) -> None:
        if self._interrupted or self._closed:
            raise base.TargetFailed(
                "interrupted", f"{service.name}: not begun: the command was interrupted", "run it again"
            )

    def _made(self, service: model.Service) -> _Open:
        self._make_room()
        chosen = self._chosen(service)
        made = _Open(chosen, self._relay(service, chosen))
        with self._lock:
            self._open[service.name] = made
        return made

    def _make_room(self) -> None:
        """Closes the ways that have been open longest, where there are too many; they can be made again."""
        with self._lock:
            count = max(0, len(self._open) - _MOST_OPEN + 1)
            idle = [name for name, each in self._open.items() if not each.relay.busy][:count]
            surplus = [self._open.pop(name) for name in idle if self._open[name].relay.retire()]
        for each in surplus:
            each.relay.close(_IDLE_END_SECONDS)

    def _chosen(self, service: model.Service) -> pods.Chosen:
        """The container to work in; a Job is started for it where that is wanted, or the only way.

        Raises:
            base.TargetFailed: there is none, and why.
        """
        via = self._options.via or service.via
        if via == "job" or (via == "auto" and service.scratch == "sidecar"):
            return self._hired.container(service, self._workload(service))
        try:
            return self.healthy(service)
        except pods.NoPod as none:
            if via == "exec" or none.workload is None:
                raise
            return self._hired.container(service, none.workload, because=none.message)

    def _workload(self, service: model.Service) -> pods.Workload:
        return pods.workload_of(service.name, service.workload, self._objects(service))

    def _objects(self, service: model.Service) -> view.Objects:
        """What is in the service's namespace; other kinds of workloads are looked for where no Deployment has its name."""
        found = self.views.objects(service.namespace)
        if any(each.get("kind") == "Deployment" and each["metadata"]["name"] == service.workload for each in found):
            return found
        return [*found, *self.views.others(service.namespace)]

    def _relay(self, service: model.Service, chosen: pods.Chosen) -> relayed.Relayed:
        """An exec that is understood.

        Raises:
            base.TargetFailed: it is not.
        """
        python = service.python or PYTHON
        made: list[relayed.Relayed] = []

        def explain(noticed: str, status: int | None, said: str) -> base.TargetFailed:
            begun = bool(made and made[0].hello)
            return endings.explain(service.name, chosen, python, begun=begun, noticed=noticed, status=status, said=said)

        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = self.kubectl.popen(
                    "exec",
                    "-i",
                    chosen.pod,
                    "-c",
                    chosen.container,
                    "--",
                    python,
                    "-B",  # no bytecode beside the service's modules: nothing is written there
                    "-c",
                    carrier.LAUNCHER,
                    "relay",
                    namespace=chosen.namespace or service.namespace,
                    stdin=theirs.fileno(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            except BaseException:
                ours.close()
                raise
        made.append(relayed.Relayed(process, ours, explain))
        self._opening.add(made[0])
        try:
            made[0].open(carrier.luggage(), _START_SECONDS)
        finally:
            self._opening.discard(made[0])
        return made[0]
