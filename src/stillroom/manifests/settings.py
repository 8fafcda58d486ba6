"""What a service's Job, Secret, patch and sidecars are to be like: what the registry says, over what holds otherwise.

The limits of a migration are the runtime's own (`runtime.migrating.settings`): what the registry does not say, the Job
does not either, and the arithmetic here takes the runtime's defaults.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from stillroom.manifests.problems import Problem
from stillroom.registry import manifest_shape, model
from stillroom.runtime import faults
from stillroom.runtime.migrating import settings as runtime_settings

__all__ = ["GRACE", "JobSettings", "StartupSettings", "job", "resources", "said", "secret", "startup"]

GRACE = 60
"""Seconds that a pod has after SIGTERM: it cancels the running statement, rolls back and writes the ledger."""

_LONGEST_PAUSE = 15.0  # between the tries of a revision that got no lock: `runtime.migrating.retrying`
_FIRST_BACKOFF, _LONGEST_BACKOFF = 10.0, 360.0  # of Kubernetes' Job controller
_LONGEST_DEADLINE = 7 * 86_400


@dataclasses.dataclass(frozen=True)
class JobSettings:
    """A migration Job's limits.

    Attributes:
        backoff_limit, user: as `manifest_shape.JobShape` has them.
        deadline: seconds for the whole Job.
        budget: seconds that all waits and retries together may take.
        ttl: seconds for which it stays when it is finished.
        wait: as the runtime's option has it.
        variables: what tells the runtime its limits.
        arithmetic: where the budget comes from, in words.
    """

    backoff_limit: int
    deadline: int
    budget: int
    ttl: int
    wait: str
    user: int
    variables: Mapping[str, str] = dataclasses.field(hash=False)
    arithmetic: str


@dataclasses.dataclass(frozen=True)
class StartupSettings:
    """A service's start.

    Attributes:
        wait: as the runtime's option has it.
        seconds: the same as a number.
        path, period: of the startupProbe.
        failures: how many tries may fail.
        config_maps, secrets: what else is in the container's `envFrom`.
    """

    wait: str
    seconds: float
    path: str
    period: int
    failures: int
    config_maps: tuple[str, ...]
    secrets: tuple[str, ...]


def said(part: type[manifest_shape.Part], value: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a part of the registry says, with what holds otherwise."""
    return {**{name: field.get_default() for name, field in part.model_fields.items()}, **(value or {})}


def resources(service: model.Service, value: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Requests and limits of a container: those of `value`, or the service's."""
    found = said(manifest_shape.ResourcesShape, value or service.resources)
    return {"requests": _pairs(found["requests"]), "limits": _pairs(found["limits"])}


def secret(service: model.Service) -> dict[str, str]:
    """The Secret: `name` and `key` of the service's URL, `migration_name` and `migration_key` of the other one."""
    found = said(manifest_shape.SecretShape, service.secret)
    name = found["name"].replace("{name}", service.name)  # the default's
    return {
        "name": name,
        "key": found["key"],
        "migration_name": found["migration_name"] or name,
        "migration_key": found["migration_key"] or found["key"],
    }


def job(service: model.Service) -> tuple[JobSettings, list[Problem]]:
    """The Job's limits, and what is wrong with them: `deadline-too-short`, `deadline-unknown`, `limit-wrong`."""
    found = said(manifest_shape.JobShape, service.job)
    where = f"{service.name}: job"
    variables = {
        variable: str(found[field])
        for field, variable in runtime_settings.VARIABLES.items()
        if found[field] is not None
    }
    try:
        limits = runtime_settings.from_environment({}, {**service.env, **variables})
        wait, ttl = _seconds(found["wait"], "wait"), _seconds(found["ttl"], "ttl")
        deadline = None if found["deadline"] is None else _seconds(found["deadline"], "deadline")
    except faults.WrongRequest as fault:
        limits, wait, ttl, deadline = runtime_settings.Settings(), 120.0, 86_400.0, None
        problems = [Problem("limit-wrong", where, fault.message, fault.mend)]
    else:
        problems = _endless(limits, deadline, where)
    budget, arithmetic = _budget(limits, wait, found["backoff_limit"])
    if deadline is None:
        deadline = 60.0 * math.ceil(2 * budget / 60)
    if deadline <= budget:
        problems.append(
            Problem(
                "deadline-too-short",
                where,
                f"deadline is {deadline:g} s, and waits and retries alone may take {budget:g} s: {arithmetic}",
                "leave `deadline` out, make it longer, or lower lock_wait, lock_retries, statement_timeout or backoff_limit",
            )
        )
    if not 0 < deadline <= _LONGEST_DEADLINE:
        mend = (
            f"at most {_LONGEST_DEADLINE} s (a week): lower lock_wait, lock_retries, statement_timeout or backoff_limit"
        )
        problems.append(Problem("limit-wrong", where, f"deadline comes to {deadline:g} s", mend))
    return (
        JobSettings(
            backoff_limit=found["backoff_limit"],
            deadline=math.ceil(deadline),
            budget=math.ceil(budget),
            ttl=math.ceil(ttl),
            wait=_short(found["wait"]),
            user=found["user"],
            variables=variables,
            arithmetic=arithmetic,
        ),
        problems,
    )


def startup(service: model.Service) -> tuple[StartupSettings, list[Problem]]:
    """The start's limits, and what is wrong with them: `startup-too-short`."""
    found = said(manifest_shape.StartupShape, service.startup)
    wait = _seconds(found["wait"], "wait")
    failures = found["failures"] or math.ceil(1.5 * wait / found["period"]) + 1
    budget = failures * found["period"]
    problems = []
    if budget <= wait:
        problems.append(
            Problem(
                "startup-too-short",
                f"{service.name}: startup",
                f"the startupProbe gives up after {budget} s ({failures} times {found['period']} s), and verifying may take "
                f"{wait:g} s",
                "leave `failures` out, raise it or `period`, or lower `wait`",
            )
        )
    return (
        StartupSettings(
            wait=_short(found["wait"]),
            seconds=wait,
            path=found["path"],
            period=found["period"],
            failures=failures,
            config_maps=tuple(found["config_maps"]),
            secrets=tuple(found["secrets"]),
        ),
        problems,
    )


def _budget(limits: runtime_settings.Settings, wait: float, backoff_limit: int) -> tuple[float, str]:
    """Seconds that a Job may spend on waiting and trying again, and how they come together."""
    retries = limits.lock_retries * (limits.lock_timeout + _LONGEST_PAUSE)
    one = wait + limits.lock_wait + retries + limits.statement_timeout
    pods = backoff_limit + 1
    pauses = sum(min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2**number) for number in range(backoff_limit))
    arithmetic = (
        f"{pods} x (wait {wait:g} + lock_wait {limits.lock_wait:g} + {limits.lock_retries} lock_retries x "
        f"{limits.lock_timeout + _LONGEST_PAUSE:g} + statement_timeout {limits.statement_timeout:g} + {GRACE} to end) + "
        f"{pauses:g} between"
    )
    return pods * (one + GRACE) + pauses, arithmetic


def _endless(limits: runtime_settings.Settings, deadline: float | None, where: str) -> list[Problem]:
    endless = [name for name in ("statement_timeout", "lock_timeout") if getattr(limits, name) == 0]
    if not endless or deadline is not None:
        return []
    text = f"{' and '.join(endless)} without a limit, so nobody can tell how long the Job may take"
    return [Problem("deadline-unknown", where, text, "say how long: `job: {deadline: 6h}`")]


def _seconds(text: str, what: str) -> float:
    return runtime_settings.seconds(text, what)


def _short(text: str) -> str:
    """Without a blank: an option's value."""
    return "".join(text.split())


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": values[key]} for key in sorted(values)]
