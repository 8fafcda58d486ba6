"""Asking the runtime what it finds; a process that can't be started, or ends on the way, is a finding, too."""

from __future__ import annotations

import dataclasses
from typing import Any

from stillroom import fleet, session
from stillroom.registry import model
from stillroom.runtime import faults
from stillroom.targets import base

__all__ = ["Answer", "Options", "ask"]

_CODE_OF_THE_SERVICE = "models"
_PROCESS_ENDED = frozenset({"answer-lost", "time-limit", "terminated"})

Answer = tuple[list[dict[str, Any]], dict[str, Any]]
"""Findings and facts, as they crossed the wire."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What the person asked for.

    Attributes:
        skip_db_check: the database is left out.
        reset_in_place: no scratch database is going to be needed.
        alone: no generation follows. A history that is written by hand, without models, is sound then.
        allow_stale_image: other code in an image than here is no error.
    """

    skip_db_check: bool = False
    reset_in_place: bool = False
    alone: bool = False
    allow_stale_image: bool = False


class _Listening:
    """Passes everything on, and remembers the step under way."""

    def __init__(self, follower: fleet.Follower) -> None:
        self._follower = follower
        self.step = ""

    def event(self, event: dict[str, Any]) -> None:
        """See `channel.Listener`."""
        if event.get("event") == "step":
            self.step = str(event.get("step", ""))
        self._follower.event(event)

    def output(self, data: bytes) -> None:
        """See `channel.Listener`."""
        self._follower.output(data)


def ask(opened: session.Session, service: model.Service, options: Options, follower: fleet.Follower) -> Answer:
    """The runtime's findings and facts; a process that can't be started, or ends on the way, is a finding, too."""
    listening = _Listening(follower)
    asked = {**dataclasses.asdict(options), "sources": not opened.local}
    try:
        answer = opened.call(service, "preflight", asked, listening)
    except (faults.Fault, base.TargetFailed) as failed:
        if failed.code not in _PROCESS_ENDED or listening.step != _CODE_OF_THE_SERVICE:
            return [_failure(failed)], {}
        failure = _failure_of_models(service, failed)
    else:
        return answer["findings"], answer["facts"]
    # The service's code took the process with it; the other checks are made without it.
    follower.step("again without the models")
    try:
        answer = opened.call(service, "preflight", {**asked, "skip_models": "the models end the process"}, follower)
    except (faults.Fault, base.TargetFailed) as failed:
        return [failure, _failure(failed)], {}
    others = [each for each in answer["findings"] if each["check"] != _CODE_OF_THE_SERVICE]
    return [failure, *others], answer["facts"]


def _failure(failed: faults.Fault | base.TargetFailed) -> dict[str, Any]:
    return _error("target", failed.message, failed.mend, failed)


def _failure_of_models(service: model.Service, failed: faults.Fault | base.TargetFailed) -> dict[str, Any]:
    """What is to be said where importing the models ended the process, or never ended."""
    named = ", ".join(service.models) or service.metadata or "those that env.py imports"
    if failed.code == "answer-lost":
        _, _, how = failed.message.partition(": ")
        return _error(
            "models",
            f"importing its models ({named}) took the service's process down: {how}",
            "look for what ends the process in what they import (os._exit, a crashing extension, memory); "
            "--verbose shows what it printed",
            failed,
        )
    return _error(
        "models",
        f"importing its models ({named}) did not end within the time limit of {service.time_limit:g} s",
        "nothing may wait or connect while models are imported; if they only need longer, raise time_limit: in "
        "services.yaml",
        failed,
    )


def _error(check: str, message: str, mend: str, failed: faults.Fault | base.TargetFailed) -> dict[str, Any]:
    data = {"code": failed.code, **({"detail": failed.detail} if failed.detail else {})}
    return {"check": check, "level": "error", "message": message, "mend": mend, "data": data}
