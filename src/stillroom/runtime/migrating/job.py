"""A migration Job: the documented log lines around one migration."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import facts, log_lines
from ..wire import telling
from . import described, quickly, settings

if TYPE_CHECKING:
    from ..verifying.verdict import Verdict
    from . import migrate

__all__ = ["Told", "run"]

LAST_ATTEMPT = "STILLROOM_LAST_ATTEMPT"


class Told(telling.Tell):
    """What an operation tells, as log lines."""

    def __init__(self, log: log_lines.Log, service: str) -> None:
        self._log = log
        self._service = service

    def step(self, name: str) -> None:
        """A step begins; only those that the documents name are told."""
        if name == "pending":
            self._log.info("Running pending migrations", service=self._service)

    def warn(self, message: str, mend: str = "") -> None:
        """What a person should know."""
        self._log.warning(message, **({"mend": mend} if mend else {}))


def run(arguments: argparse.Namespace, log: log_lines.Log, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Carries it out.

    Returns:
        `action` (`migrations_applied`, `already_at_head`, `recreated`), and the answer of the operation `upgrade`, with
        `lock_wait_seconds`, `retries`, `repaired` and `granted`.

    Raises:
        faults.Fault: see `migrate.migrate`, `recreate.recreate`.
    """
    said = os.environ if environ is None else environ
    log.info("Migration job starting")
    wanted = settings.from_environment(
        {**vars(arguments), "prove": True, "last_attempt": _last_attempt(arguments, said)}, said
    )
    service = described.service(arguments, said)
    log.info("Migration mode - running database migrations")
    recreated = _recreated(arguments, service, wanted, log, said)
    quick = None if recreated else quickly.at_head(service, wanted, said)
    if quick is not None:
        return _nothing_to_do(quick, log)
    done = _migrated(service, wanted, log)
    told = {
        **done.to_dict(),
        "action": "recreated" if recreated else _ACTIONS[done.outcome],
        "lock_wait_seconds": done.lock_wait,
        "retries": done.retries,
        "repaired": list(done.repaired),
        "granted": list(done.granted),
    }
    if done.outcome == "upgraded":
        log.info("Migrations applied successfully", service=service.name)
    else:
        log.info(_AT_HEAD, service=service.name)
    log.info(_COMPLETED)
    return told


_AT_HEAD = "Database is at head already - no pending migrations"
_COMPLETED = "Migration job completed successfully"
_ACTIONS = {"upgraded": "migrations_applied", "nothing to do": "already_at_head"}


def _nothing_to_do(found: Verdict, log: log_lines.Log) -> dict[str, Any]:
    if not found.ready:
        log.warning(found.message.removeprefix("DB not ready: "), mend=found.mend)
    log.info(_AT_HEAD, service=found.service)
    log.info(_COMPLETED)
    return {
        "outcome": "nothing to do",
        "unchanged": True,
        "state": "at_head",
        "before": list(found.current),
        "after": list(found.current),
        "applied": [],
        "tables": found.tables,
        "action": "already_at_head",
        "lock_wait_seconds": None,
        "retries": 0,
        "repaired": [],
        "granted": [],
    }


def _last_attempt(arguments: argparse.Namespace, said: Mapping[str, str]) -> bool:
    return bool(arguments.last_attempt) or said.get(LAST_ATTEMPT, "").lower() in ("true", "1", "yes")


def _recreated(
    arguments: argparse.Namespace,
    service: facts.ServiceFacts,
    wanted: settings.Settings,
    log: log_lines.Log,
    said: Mapping[str, str],
) -> bool:
    if not arguments.force_recreate and not said.get("DB_FORCE_RECREATE", "").strip():
        return False
    from . import recreate

    if not (arguments.force_recreate or recreate.asked(said)):
        return False
    recreate.recreate(service, wanted, Told(log, service.name), said)
    return True


def _migrated(service: facts.ServiceFacts, wanted: settings.Settings, log: log_lines.Log) -> migrate.Migration:
    from ..projects import project
    from . import migrate

    project.enter(service)
    return migrate.migrate(service, wanted, Told(log, service.name))
