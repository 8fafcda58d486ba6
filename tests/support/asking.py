"""Asks the runtime for one operation, next to a small service's code, the way the operator side does."""

from __future__ import annotations

import itertools
from typing import Any

from stillroom.runtime.wire import protocol
from stillroom.targets import channel, local
from tests.support import projects, targets

__all__ = ["Asker", "Heard"]

_NUMBER = itertools.count(1)


class Heard:
    """Keeps what a conversation said."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.text = ""

    @property
    def warnings(self) -> list[str]:
        """The warnings, in order."""
        return [each["message"] for each in self.events if each["event"] == "warning"]

    def event(self, event: dict[str, Any]) -> None:
        """See `channel.Listener`."""
        self.events.append(event)

    def output(self, data: bytes) -> None:
        """See `channel.Listener`."""
        self.text = (self.text + data.decode("utf-8", "replace"))[-20_000:]


class Asker:
    """This machine as a target, for one test module."""

    def __init__(self) -> None:
        self._target = local.Local()

    def __call__(
        self,
        service: projects.Made,
        url: str | None,
        operation: str,
        *,
        facts: dict[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """The result of an operation; raises what it raises. `facts` override what the registry would say."""
        return self.heard(service, url, operation, facts=facts, **options)[0]

    def heard(
        self,
        service: projects.Made,
        url: str | None,
        operation: str,
        *,
        facts: dict[str, Any] | None = None,
        **options: Any,
    ) -> tuple[dict[str, Any], Heard]:
        """The result, and what was heard on the way."""
        said = {key: value for key, value in service.settings.items() if key not in ("python", "time_limit", "env")}
        models = said.pop("models", None)
        request = protocol.Request(
            id=f"request-{next(_NUMBER)}",
            operation=operation,
            service={
                "name": service.name,
                "path": str(service.path),
                "config": str(service.config),
                "models": [models] if isinstance(models, str) else list(models or ()),
                **said,
                **(facts or {}),
            },
            options=options,
            environment={service.url_variable: url} if url else {},
            time_limit=60.0,
        )
        heard = Heard()
        return self.ask(request, heard), heard

    def ask(self, request: protocol.Request, heard: Heard | None = None) -> dict[str, Any]:
        """The result of a request as it is."""
        return channel.converse(self._target.start(request.id, targets.service()), request, heard or Heard())

    def close(self) -> None:
        """Ends the target."""
        self._target.close()
