"""A migration Job: the documented log lines around one migration, and the quick way where there is nothing to do."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import facts, faults, log_lines
from . import described, quickly, settings

if TYPE_CHECKING:
    from ..verifying.verdict import Verdict
    from . import migrate

__all__ = ["Asked", "ask"]

LAST_ATTEMPT = "STILLROOM_LAST_ATTEMPT"
EXPECTED_HEADS = "STILLROOM_EXPECTED_HEADS"  # as `stale_image` has it, which need not be imported for this

_POLICIES = ("allow", "refuse")  # as `verifying.verdict` has them, which need not be imported for this


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a command line asks for.

    Attributes:
        service, wanted, recreates: of whom, how, and whether from nothing.
        log: where lines go.
        environ: the environment.
        told: the answer, where nothing is to be done.
    """

    service: facts.ServiceFacts
    wanted: settings.Settings
    recreates: bool
    log: log_lines.Log
    environ: Mapping[str, str]
    told: dict[str, Any] | None = None

    def go(self) -> dict[str, Any]:
        """Carries it out.

        Returns:
            `action` (`migrations_applied`, `already_at_head`, `recreated`), and the answer of the operation `upgrade`, with
            `lock_wait_seconds`, `retries`, `repaired` and `granted`.

        Raises:
            faults.Fault: see `migrate.migrate`, `recreate.recreate`.
        """
        from ..projects import project
        from . import migrate, recreate, told

        tell = told.Told(self.log, self.service.name)
        if self.recreates:
            recreate.recreate(self.service, self.wanted, tell, self.environ)
        project.enter(self.service)
        done = migrate.migrate(self.service, self.wanted, tell)
        self._say(done)
        self.log.info(_COMPLETED)
        return {
            **done.to_dict(),
            "action": "recreated" if self.recreates else _ACTIONS[done.outcome],
            "lock_wait_seconds": done.lock_wait,
            "retries": done.retries,
            "repaired": list(done.repaired),
            "granted": list(done.granted),
        }

    def _say(self, done: migrate.Migration) -> None:
        """The documented line, and which revisions that were."""
        now = ",".join(done.after.standing.applied)
        if done.outcome != "upgraded":
            self.log.info(_line(done), service=self.service.name, current_revision=now)
            return
        self.log.info(_APPLIED, service=self.service.name)
        self.log.info(
            "Revisions applied",
            service=self.service.name,
            previous_revision=",".join(done.before.standing.applied) or "base",
            current_revision=now,
            revisions=_shortened(done.target.pending),
        )


def ask(arguments: argparse.Namespace, log: log_lines.Log, environ: Mapping[str, str] | None = None) -> Asked:
    """What is asked for; with the answer, where one statement tells that nothing is to be done.

    Raises:
        faults.WrongRequest: what makes no sense.
        faults.RefusedFault: `image-lacks-revision`.
    """
    said = os.environ if environ is None else environ
    log.info("Migration job starting")
    given = {**vars(arguments), "prove": True, "last_attempt": _last_attempt(arguments, said), "ahead": _policy(said)}
    wanted = settings.from_environment(given, said)
    service = described.service(arguments, said)
    if said.get(EXPECTED_HEADS):
        from . import stale_image

        stale_image.refuse(service, said)
    asked = Asked(service, wanted, arguments.force_recreate or _recreates(said), log, said)
    log.info("Migration mode - running database migrations")
    found = None if asked.recreates else quickly.at_head(service, wanted, said)
    return asked if found is None else dataclasses.replace(asked, told=_nothing_to_do(found, log))


def _recreates(said: Mapping[str, str]) -> bool:
    if not said.get("DB_FORCE_RECREATE", "").strip():
        return False
    from . import recreate

    return recreate.asked(said)


_APPLIED = "Migrations applied successfully"
_AHEAD = "Database is ahead of this image - no pending migrations"
_AT_HEAD = "Database is at head already - no pending migrations"
_COMPLETED = "Migration job completed successfully"
_SHOWN = 20
_ACTIONS = {"upgraded": "migrations_applied", "nothing to do": "already_at_head"}


def _line(done: migrate.Migration) -> str:
    return _AHEAD if done.before.standing.state == "ahead" else _AT_HEAD


def _shortened(revisions: Sequence[str]) -> list[str]:
    more = len(revisions) - _SHOWN
    return [*revisions[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]


def _policy(said: Mapping[str, str]) -> str:
    """What `verify` reads as well: STILLROOM_AHEAD."""
    value = said.get("STILLROOM_AHEAD", "").strip().lower() or _POLICIES[0]
    if value not in _POLICIES:
        raise faults.WrongRequest(
            "choice-unknown", f"STILLROOM_AHEAD is {value!r}", f"set it to {' or '.join(_POLICIES)}, or leave it unset"
        )
    return value


def _nothing_to_do(found: Verdict, log: log_lines.Log) -> dict[str, Any]:
    if not found.ready:
        log.warning(found.message.removeprefix("DB not ready: "), mend=found.mend)
    log.info(_AT_HEAD, service=found.service, current_revision=found.current_revision)
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
