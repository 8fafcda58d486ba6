"""Other commands of the runtime, each in a Job of its own, made from the service's migration Job: asked, told, removed."""

from __future__ import annotations

import contextlib
import secrets as tokens
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import errors, fleet, journal
from stillroom.registry import model
from stillroom.rollout import bodies, cluster, results, running
from stillroom.targets.kubernetes import kubectl

__all__ = ["Commands"]


class Commands:
    """Runs commands of the runtime where a service's migrations run.

    Args:
        found: the cluster.
        runner: runs the Jobs.
        written: the journal of this run.
        actor: who asks; noted in the ledger.
    """

    def __init__(self, found: cluster.Cluster, runner: running.Runner, written: journal.Journal, actor: str) -> None:
        self._cluster = found
        self._runner = runner
        self._journal = written
        self._actor = actor

    def ask(
        self,
        service: model.Service,
        migration: Mapping[str, Any],
        purpose: str,
        arguments: Sequence[str],
        follower: fleet.Follower,
        *,
        image: str | None = None,
    ) -> dict[str, Any]:
        """Runs a command with `--json`, and gives the document that it prints, whatever its exit code is.

        Args:
            service: whose.
            migration: its migration Job.
            purpose: what for, a word.
            arguments: the command and its options.
            follower: is told of steps and log lines.
            image: instead of the migration's.

        Raises:
            errors.StillroomError: it did not come so far as to print one.
        """
        namespace = self._cluster.namespace_of(service)
        token = tokens.token_hex(3)
        asked = [arguments[0], "--json", *arguments[1:]]
        body = bodies.other_command(migration, purpose, token, asked, image=image, actor=self._actor)
        name = str(body["metadata"]["name"])
        failed: errors.StillroomError | None = None
        try:
            pod = self._runner.run(service.name, namespace, body, follower, self._journal).pod
        except (results.JobFailed, results.JobRefused) as error:
            failed, pod = error, str(error.data.get("pod") or "")
        document = self._document(namespace, pod) if pod else None
        self._remove(namespace, name)
        if document is None:
            raise failed or errors.StillroomError(
                f"{service.name}: Job {name} ended well, and its log has no answer",
                "see its log (invoke logs); operator side and runtime may be of different versions",
            )
        return document

    def _document(self, namespace: str, pod: str) -> dict[str, Any] | None:
        """What it printed; its log, with all that stands around it, is stored already."""
        try:
            printed = self._cluster.door.run("logs", pod, "--container", bodies.MAIN, namespace=namespace, retry=True)
        except kubectl.KubectlFailed:
            return None
        return results.document(printed.decode("utf-8", "replace").splitlines())

    def _remove(self, namespace: str, name: str) -> None:
        """Removes the Job; where that fails, its time to live does."""
        with contextlib.suppress(kubectl.KubectlFailed):
            asked = ("delete", "job", name, "--cascade=background", "--wait=false", "--ignore-not-found")
            self._cluster.door.run(*asked, namespace=namespace)
