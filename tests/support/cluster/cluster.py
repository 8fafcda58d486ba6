"""The cluster as tests use it: a kubeconfig for kubectl, and what a test sets up or looks at without kubectl."""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.cluster import pod_status, resources, workloads
from tests.support.cluster.access import USER, Access
from tests.support.cluster.faults import Faults
from tests.support.cluster.images import Image
from tests.support.cluster.server import Server
from tests.support.cluster.serving import Request
from tests.support.cluster.store import Object

__all__ = ["Cluster"]

_PATIENCE_SECONDS = 60.0  # against hanging tests only
_LOOK_SECONDS = 0.01


class Cluster:
    """A running cluster; all of it ends with `close`.

    Args:
        folder: for the kubeconfig and the pods' files; has to exist.
        slots: how many pods run at a time; others wait.
        hurry: by what Kubernetes' own pauses between a Job's pods (10 s, 20 s, …) are divided.
    """

    def __init__(self, folder: Path, *, slots: int = 110, hurry: float = 100.0) -> None:
        self._server = Server(folder / "pods", slots, hurry)
        self.kubeconfig = folder / "kubeconfig"
        self.context = "loopback"
        self.kubeconfig.write_text(json.dumps(self._config(), indent=2), encoding="utf-8")
        self.kubeconfig.chmod(0o600)
        for name in ("default", "kube-system"):
            self.namespace(name)
        self._server.call(lambda: self._server.state.store.add(resources.of_kind("Node"), workloads.node()))

    def _config(self) -> dict[str, Any]:
        context = {"cluster": self.context, "user": USER, "namespace": "default"}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.context, "cluster": {"server": self.address}}],
            "users": [{"name": USER, "user": {}}],
            "contexts": [{"name": self.context, "context": context}],
            "current-context": self.context,
        }

    @property
    def address(self) -> str:
        """Of the API server."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def faults(self) -> Faults:
        """Misbehaviour to order."""
        return self._server.faults

    @property
    def access(self) -> Access:
        """What the user may not do."""
        return self._server.access

    @property
    def requests(self) -> list[Request]:
        """All requests up to now."""
        return self._server.answering.requests

    def count(self, resource: str, verb: str = "") -> int:
        """How many requests were for `pods/exec` (or any other resource), with that verb or any."""
        return sum(each.resource == resource and verb in ("", each.verb) for each in self.requests)

    @property
    def problems(self) -> list[str]:
        """What went wrong in the cluster itself: tracebacks. A test with any of them fails."""
        return self._server.state.problems

    def tells_version(self, number: str) -> None:
        """Lets the server name another release (`1.29.3`) than the one that it follows."""
        self._server.state.server_version = number

    def namespace(self, name: str) -> str:
        """Makes a namespace, if it is not there; its name."""
        kind = resources.of_kind("Namespace")
        body = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }

        def make() -> None:
            store = self._server.state.store
            if store.find(kind, "", name) is None:
                store.add(kind, body)

        self._server.call(make)
        return name

    def image(self, reference: str, folder: Path | None = None, **facts: Any) -> Image:
        """Lets the cluster pull an image (see `Image`); an image of that name is replaced."""
        found = Image(reference, folder, **facts)

        def put() -> None:
            self._server.state.images[reference] = found
            self._server.state.store.wake()

        self._server.call(put)
        return found

    def deploy(
        self,
        name: str,
        *,
        folder: Path | None = None,
        python: str = "",
        env: Mapping[str, Any] | None = None,
        container: str = "app",
        namespace: str = "default",
        replicas: int = 1,
        sidecars: Sequence[str] = (),
        image: str = "",
        ready: bool = True,
        crashing: bool = False,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        template: Mapping[str, Any] | None = None,
        wait: bool = True,
        **facts: Any,
    ) -> Object:
        """Makes a Deployment, or changes it; its containers idle, so that programs can be run in them.

        Args:
            folder: of the service: the image is a copy of it as it is now.
            python: what `python` is in the container; "": the tests' own.
            env: of the container; a value that is a mapping is a `valueFrom`.
            container: name of the service's container.
            sidecars: names of containers that come before it, as injected ones do.
            image: its reference; "": one named after the service. An image that is known already and comes without a
                folder is taken as it is.
            ready: whether its pods get ready.
            crashing: whether its container ends at once, so that its pods are in CrashLoopBackOff.
            template: merged into the pod template's spec.
            wait: until all pods are as told.
            facts: further ones of the image (see `Image`).
        """
        reference = image or f"registry.test/{name}:1"
        state = self._server.state
        if folder is not None or reference not in state.images:
            self.image(reference, folder, **({"python": python} if python else {}), **facts)
        for each in sidecars:
            self.image(f"registry.test/{each}:1")
        notes = {**(annotations or {}), **({} if ready else {pod_status.NOT_READY: "true"})}
        body = workloads.deployment(
            name,
            self.namespace(namespace),
            reference,
            container,
            sidecars=sidecars,
            env=env or {},
            replicas=replicas,
            labels=labels or {},
            annotations=notes,
            crashing=crashing,
            template=template or {},
        )
        self.apply(body)
        if wait:
            self.wait(lambda: workloads.settled(self, namespace, name, ready, crashing), f"pods of {name}")
        return self.get("Deployment", name, namespace)

    def secret(self, name: str, data: Mapping[str, str], namespace: str = "default") -> None:
        """Makes a Secret, or replaces its data."""
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": _meta(name, namespace), "data": encoded})

    def config_map(self, name: str, data: Mapping[str, str], namespace: str = "default") -> None:
        """Makes a ConfigMap, or replaces its data."""
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta(name, namespace), "data": dict(data)})

    def apply(self, body: Object) -> Object:
        """Makes an object, or replaces all of it but its identity and status; held to the same rules as requests."""
        found = self._server.call(lambda: workloads.put(self._server.state, copy.deepcopy(body)))
        return copy.deepcopy(found)

    def get(self, kind: str, name: str, namespace: str = "default") -> Object:
        """An object as it is now. Raises `statuses.Refused`."""
        resource = resources.of_kind(kind)
        where = namespace if resource.namespaced else ""
        return copy.deepcopy(self._server.call(lambda: self._server.state.store.get(resource, where, name)))

    def all(self, kind: str, namespace: str = "") -> list[Object]:
        """All objects of a kind."""
        return copy.deepcopy(
            self._server.call(lambda: self._server.state.store.all(resources.of_kind(kind), namespace))
        )

    def pods(self, name: str = "", namespace: str = "default") -> list[Object]:
        """The pods whose name begins so, without those that are being deleted."""
        found = self.all("Pod", namespace)
        return [
            each
            for each in found
            if each["metadata"]["name"].startswith(name) and "deletionTimestamp" not in each["metadata"]
        ]

    def folder_of(self, pod: Object) -> Path:
        """Where all files of a pod lie."""
        return self._server.state.folder / pod["metadata"]["uid"]

    def wait(self, what: Callable[[], bool], name: str = "") -> None:
        """Waits until something is so. Raises TimeoutError."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while not what():
            if time.monotonic() > end:
                raise TimeoutError(f"not within {_PATIENCE_SECONDS:.0f} s: {name or what}")
            time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """Ends the server and all processes in pods."""
        self._server.close()


def _meta(name: str, namespace: str) -> dict[str, str]:
    return {"name": name, "namespace": namespace}
