"""The cluster of an environment as Jobs need it: its door, the namespace that is meant, and what the Jobs there are."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from stillroom import errors
from stillroom.registry import model
from stillroom.rollout import judging, watching
from stillroom.targets.kubernetes import kubectl

__all__ = ["COMPONENT", "MIGRATION", "SERVICE", "Cluster"]

COMPONENT = "app.kubernetes.io/component"
MIGRATION = "migration"
SERVICE = "stillroom.dev/service"
_MANAGED = "app.kubernetes.io/managed-by=stillroom"
_ENVIRONMENT = "stillroom.dev/environment"


class Cluster:
    """The cluster of an environment. Safe to share between threads.

    Args:
        environment: of the registry.
        namespace: instead of the registry's, for all; None: as the registry says.
        door: kubectl; None: one for the environment.

    Raises:
        errors.UsageError: the environment has another target.
    """

    def __init__(
        self, environment: model.Environment, namespace: str | None = None, door: kubectl.Kubectl | None = None
    ) -> None:
        if environment.target != "kubernetes":
            raise errors.UsageError(
                f"environment {environment.name} has target {environment.target}, which has no Jobs",
                "name a kubernetes environment with --environment; apply without --via job needs none",
            )
        self.environment = environment
        self.namespace = namespace
        self.door = door or kubectl.Kubectl(environment.context, environment.kubeconfig, namespace)
        self._default: str | None = None
        self._lock = threading.Lock()

    @property
    def selector(self) -> str:
        """The labels that all Jobs of this environment have that Stillroom made, and their pods."""
        return f"{_MANAGED},{_ENVIRONMENT}={self.environment.name}"

    def namespace_of(self, service: model.Service) -> str:
        """The namespace of a service.

        Raises:
            kubectl.KubectlFailed: it has to be asked of kubectl, which fails.
        """
        return self.namespace or service.namespace or self._context_namespace()

    def jobs(self, service: model.Service, component: str = MIGRATION) -> list[judging.Job]:
        """The Jobs of a service, the newest first.

        Raises:
            kubectl.KubectlFailed: they can't be listed.
        """
        chosen = f"{self.selector},{COMPONENT}={component},{SERVICE}={service.name}"
        found = watching.listed(self.door, watching.JOBS, self.namespace_of(service), chosen)
        jobs = [judging.Job.from_object(each) for each in found]
        return sorted(jobs, key=lambda job: (job.created, job.name), reverse=True)

    def pods(self, service: model.Service, job: str) -> list[judging.Pod]:
        """The pods of a Job, in the order in which they were made.

        Raises:
            kubectl.KubectlFailed: they can't be listed.
        """
        chosen = f"batch.kubernetes.io/job-name={job}"
        found = watching.listed(self.door, watching.PODS, self.namespace_of(service), chosen)
        return sorted((judging.Pod.from_object(each) for each in found), key=lambda pod: (pod.created, pod.name))

    def known(self, services: Sequence[model.Service]) -> dict[tuple[str, str], judging.Job]:
        """(namespace, name) to migration Job of this environment: one list a namespace, and little is kept of each.

        Raises:
            kubectl.KubectlFailed: they can't be listed.
        """
        chosen = f"{self.selector},{COMPONENT}={MIGRATION}"
        names = {each.name for each in services}
        return {
            (namespace, job.name): job
            for namespace in dict.fromkeys(self.namespace_of(each) for each in services)
            for job in self._migrations(namespace, chosen, names)
        }

    def _migrations(self, namespace: str, chosen: str, services: set[str]) -> Iterator[judging.Job]:
        for each in watching.listed(self.door, watching.JOBS, namespace, chosen):
            if (each["metadata"].get("labels") or {}).get(SERVICE) in services:
                yield judging.Job.from_object(each)

    def _context_namespace(self) -> str:
        """The namespace of kubectl's context, which addresses of the API have to name."""
        with self._lock:
            if self._default is None:
                said = self.door.run("config", "view", "--minify", "-o", "jsonpath={..namespace}")
                self._default = said.decode("utf-8", "replace").strip() or "default"
            return self._default
