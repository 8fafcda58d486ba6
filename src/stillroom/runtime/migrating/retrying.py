"""The revisions, run: each in a transaction of its own, again where it got no lock, until nothing is pending.

A revision that waits for a lock makes everybody wait who comes after it. So it gives up early, says who was in its way,
and comes again later; not in step with others, and not for ever.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from .. import faults
from ..applying import half_applied, situation, upgrade
from ..connections import blocking
from ..projects import environment
from ..replay import walk
from . import limits, lock, progress, record, settings

if TYPE_CHECKING:
    from ..wire import telling

__all__ = ["Runner"]

_NO_LOCK = ("55P03", "40P01")
_STATEMENT_TIMEOUT = "57014"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0


class Runner:
    """Runs what is pending, under a lock that is held.

    Args:
        held: the lock.
        wanted: limits, and how often a revision is tried again.
        noted: the entry in the ledger.
        tell: for progress, and who blocks.
        back: whether revisions are undone.
    """

    def __init__(
        self,
        held: lock.Lock,
        wanted: settings.Settings,
        noted: record.Record,
        tell: telling.Tell,
        *,
        back: bool = False,
    ) -> None:
        self._lock = held
        self._wanted = wanted
        self._record = noted
        self._tell = tell
        self._back = back
        self._limits = limits.Limits(wanted)
        self._concurrent: list[str] = []

    def run(self, found: situation.Situation, target: upgrade.Aim) -> situation.Situation:
        """Upgrades; gives the service as it is afterwards, asked on a connection of its own.

        Raises:
            faults.Fault: `revision-failed`, `half-applied`, what `env.py` raised; `nothing-applied`, `other-revision`,
                `invalid-index`.
        """
        now, tries = found, 0
        while True:
            went = walk.Walk(companion=self._progress(found), concurrent=self._concurrent)
            try:
                after = self._walk(found, target, went)
            except faults.RefusedFault:
                raise
            except faults.Fault as fault:
                self._explain(fault)
                if not _may_go_again(fault, went) or tries >= self._wanted.lock_retries:
                    raise self._failure(found, fault, went) from fault
                tries += 1
                self._pause(found, fault, went, tries)
                now = found.again()
                continue
            if went.held and _moved(now, after) and not _there(after, target):
                now, tries = after, 0  # env.py holds the transaction: a revision each time that it runs
                continue
            upgrade.judge(found, target, after, went)
            return after

    def _failure(self, found: situation.Situation, fault: faults.Fault, went: walk.Walk) -> faults.Fault:
        if not self._back:
            return half_applied.failure(found, fault, went, self._tell)
        fault.message += f"; {found.database} is at {', '.join(found.again().standing.applied) or 'no revision'}"
        return fault

    def _progress(self, found: situation.Situation) -> progress.Progress:
        return progress.Progress(found.service.name, self._lock, self._limits, None if self._back else self._record)

    def _walk(self, found: situation.Situation, target: upgrade.Aim, went: walk.Walk) -> situation.Situation:
        companion = went.companion
        try:
            with environment.working_on(found.service, found.url), self._limits.sparing_concurrent():
                walk.upgrade(found.of, target.name, went, self._tell, back=self._back)
        finally:
            if isinstance(companion, progress.Progress):
                companion.ended()
        self._tell.step("look again")
        after = found.again()
        if isinstance(companion, progress.Progress) and set(after.standing.applied) != set(found.standing.applied):
            companion.committed()
        return after

    def _pause(self, found: situation.Situation, fault: faults.Fault, went: walk.Walk, tries: int) -> None:
        """Says who was in the way, and waits a while that nobody can foretell."""
        self._record.retries += 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (tries - 1)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        what = f"revision {went.current.revision}" if went.current is not None else "the upgrade"
        self._tell.warn(
            f"{found.service.name}: {what} got no lock within {self._wanted.lock_timeout:g} s and was rolled back; "
            f"in its way: {blocking.sentence(self._lock.blockers)}; trying again in {pause:.1f} s "
            f"({tries} of {self._wanted.lock_retries})",
            blocking.mend(self._lock.blockers),
        )
        time.sleep(pause)

    def _explain(self, fault: faults.Fault) -> None:
        """What a person needs to know beside what the server said."""
        state = fault.data.get("sqlstate")
        if state in _NO_LOCK:
            fault.message += f"; in its way: {blocking.sentence(self._lock.blockers)}"
            fault.mend = blocking.mend(self._lock.blockers)
            fault.data["blockers"] = [each.to_dict() for each in self._lock.blockers]
        elif state == _STATEMENT_TIMEOUT and "statement timeout" in fault.message:
            fault.mend = (
                f'if it may take so long: {limits.STATEMENT_TIMEOUT} = "2h" in its file, or --statement-timeout'
            )


def _may_go_again(fault: faults.Fault, went: walk.Walk) -> bool:
    """Whether a lock was all that was missing, and nothing of the revision stays."""
    return fault.data.get("sqlstate") in _NO_LOCK and not (went.current is not None and went.current.committed)


def _moved(before: situation.Situation, after: situation.Situation) -> bool:
    return after.standing.applied != before.standing.applied


def _there(after: situation.Situation, target: upgrade.Aim) -> bool:
    graph = after.code.graph
    return graph.ancestors(after.standing.applied) == graph.ancestors(target.rows)
