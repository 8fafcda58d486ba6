"""What there is in a namespace: its workloads and their pods, asked for once and shared by the services in it."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom.targets.kubernetes.kubectl import Kubectl, KubectlFailed

__all__ = ["Views"]

_ALWAYS = "deployments.apps,replicasets.apps,pods"
_SAME_SECONDS = 5.0
_OTHERS = ("statefulsets.apps", "daemonsets.apps")
_NOT_SHOWN = ("forbidden", "not-found", "kubectl-failed")

Objects = Sequence[Mapping[str, Any]]


class Views:
    """The objects of each namespace."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self._known: dict[str | None, concurrent.futures.Future[Objects]] = {}
        self._lock = threading.Lock()

    def begin(self, namespace: str | None) -> None:
        """Asks for a namespace's objects, in the background, unless that has been done."""
        with self._lock:
            if namespace in self._known:
                return
            future = self._known[namespace] = concurrent.futures.Future()
        threading.Thread(target=self._fill, args=(namespace, future), daemon=True).start()

    def objects(self, namespace: str | None, *, fresh: bool = False) -> Objects:
        """The Deployments, ReplicaSets and pods of a namespace.

        Args:
            namespace: None: the one of kubectl's context.
            fresh: ask again: what was seen is no longer so.

        Raises:
            KubectlFailed: they could not be had.
        """
        if fresh:
            self.forget(namespace)
        self.begin(namespace)
        with self._lock:
            future = self._known[namespace]
        try:
            return future.result()
        except KubectlFailed:
            # Not at once: many services ask, and each would wait for a cluster that is not there.
            later = threading.Timer(_SAME_SECONDS, self.forget, [namespace])
            later.daemon = True
            later.start()
            raise

    def others(self, namespace: str | None) -> Objects:
        """Its workloads of other kinds, as far as the cluster shows them.

        Raises:
            KubectlFailed: the cluster did not answer.
        """
        found: list[Mapping[str, Any]] = []
        for kind in _OTHERS:
            try:
                found += self._kubectl.json("get", kind, namespace=namespace).get("items", [])
            except KubectlFailed as failed:
                if failed.code not in _NOT_SHOWN:
                    raise
        return found

    def forget(self, namespace: str | None) -> None:
        """From now on the namespace is looked at anew."""
        with self._lock:
            known = self._known.get(namespace)
            if known is not None and known.done():
                del self._known[namespace]

    def _fill(self, namespace: str | None, future: concurrent.futures.Future[Objects]) -> None:
        try:
            future.set_result(self._kubectl.json("get", _ALWAYS, namespace=namespace).get("items", []))
        except BaseException as error:  # noqa: BLE001 - raised by whoever asks for the result
            future.set_exception(error)
