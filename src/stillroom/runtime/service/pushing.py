"""A Job is gone before anyone scrapes it: it pushes its metrics, where `PROMETHEUS_PUSHGATEWAY_URL` names a gateway.

What fails here is told and never ends a run: the database is migrated, or not, whatever a gateway says.
"""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from . import extras, logs, metrics

__all__ = ["JOB", "VARIABLE", "outcome", "push_migration"]

VARIABLE = "PROMETHEUS_PUSHGATEWAY_URL"
JOB = "stillroom_migration"

_SECONDS = 5.0
_ENDED = {22: "refused", 143: "terminated"}


def outcome(code: int, action: str | None) -> str:
    """How a run ended, in the ledger's words.

    Args:
        code: its exit code.
        action: `already_at_head` or another; None where it failed.
    """
    if code != 0:
        return _ENDED.get(code, "failed")
    return "nothing" if action == "already_at_head" else "done"


def push_migration(
    service: str,
    outcome: str,
    seconds: float,
    *,
    revision: str = "",
    lock_wait: float = 0.0,
    retries: int = 0,
    log: logs.Lines | None = None,
    environ: Mapping[str, str] | None = None,
) -> bool:
    """Pushes the metrics of one run of migrations, under the job `stillroom_migration` and the service's name.

    Args:
        service: its name.
        outcome: as the ledger has it: `done`, `nothing`, `failed`, `refused`, `terminated`.
        seconds: of the run.
        revision: where the database stands now (several joined by commas); empty: not known.
        lock_wait: seconds.
        retries: of revisions that met a lock.
        log: where it is told that nothing was pushed.
        environ: in the place of the process's environment.

    Returns:
        Whether something was pushed; False where no gateway is named, or it did not take it.
    """
    address = (os.environ if environ is None else environ).get(VARIABLE, "").strip()
    if not address:
        return False
    lines = log or logs.logger()
    prometheus = extras.found("prometheus_client")
    if prometheus is None:
        lines.warning("Metrics not pushed", reason="prometheus-client is missing: pip install 'stillroom[metrics]'")
        return False
    registry = prometheus.CollectorRegistry()
    made = metrics.instruments(registry)
    assert made is not None  # noqa: S101 - prometheus-client was found above
    made.migrated(service, outcome, seconds, lock_wait, retries)
    if revision:
        made.at(service, revision)
    try:
        _push(prometheus, address, registry, service)
    except Exception as error:  # noqa: BLE001 - whatever it is: see above; its text may hold the address
        lines.warning("Metrics not pushed", reason=_reason(error))
        return False
    return True


def _push(prometheus: Any, address: str, registry: Any, service: str) -> None:
    parts = urllib.parse.urlsplit(address if "://" in address else f"http://{address}")
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    options: dict[str, Any] = {}
    if parts.username is not None:
        options["handler"] = _with_password(
            prometheus, urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
        )
    prometheus.push_to_gateway(place, JOB, registry, {"service": service}, timeout=_SECONDS, **options)


def _with_password(prometheus: Any, user: str, password: str) -> Callable[..., Any]:
    basic = prometheus.exposition.basic_auth_handler

    def handler(url: str, method: str, timeout: float, headers: list[Any], data: bytes) -> Any:
        return basic(url, method, timeout, headers, data, user, password)

    return handler


def _reason(error: Exception) -> str:
    """Why, without the address: the kind of the error, and the status or the system's number for it."""
    code = getattr(error, "code", None)
    if code is not None:
        return f"the gateway answered {code}"
    cause = getattr(error, "reason", None)
    named = cause if isinstance(cause, Exception) else error
    text = os.strerror(named.errno) if isinstance(named, OSError) and named.errno else ""
    return f"{type(named).__name__}: {text}" if text else type(named).__name__
