"""Brings a service's own database to a revision: once, however many try at the same time, and again after any failure.

look -> nothing pending: done, without a lock
     -> lock -> look again -> nothing pending: another one did it
                           -> ledger, bootstrap, revisions, re-read, rights, ledger -> lock released
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import facts, faults
from ..applying import situation, upgrade
from ..housekeeping import ending
from ..ledger import entries
from ..projects import bootstrap
from ..standing import state, versions
from . import (
    aftercare,
    ahead,
    exits,
    grants,
    lock,
    lock_holder,
    pooler,
    proving,
    record,
    repair,
    retrying,
    session,
    settings,
    termination,
)

if TYPE_CHECKING:
    from ..wire import telling

__all__ = ["Migration", "locked", "looked", "migrate", "noting"]

_TRIES_TO_CONNECT = 8


@dataclasses.dataclass(frozen=True)
class Migration:
    """What became of it.

    Attributes:
        outcome: `upgraded`, `nothing to do`.
        before, after: the service as it was found, and as it is.
        target: what was to be reached.
        lock_wait: seconds until the lock was had; None: none was needed.
        retries: how often a revision was tried again.
        repaired: names of indexes.
        granted: statements that gave the service's role its rights.
    """

    outcome: str
    before: situation.Situation
    after: situation.Situation
    target: upgrade.Aim
    lock_wait: float | None = None
    retries: int = 0
    repaired: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The answer of the operation `upgrade`."""
        return upgrade.answer(self.before, self.target, self.after, self.outcome)


def migrate(
    service: facts.ServiceFacts,
    wanted: settings.Settings,
    tell: telling.Tell,
    *,
    seen: Sequence[str] | None = None,
) -> Migration:
    """Upgrades a service's database; its folder has been entered.

    Args:
        service: which.
        wanted: where to, and limits.
        tell: for progress; `pending` is its step before revisions run.
        seen: the revisions that it was planned on; None: it was not planned.

    Raises:
        faults.Fault: refusals by name, before anything is touched (`newer-database`, …); `migration-locked`, `lock-lost`,
            `pooler-in-between`; `revision-failed`, `half-applied`, `nothing-applied`, `other-revision`,
            `service-role-lacks`.
        ending.Terminated: it was ended from outside; rolled back, and noted.
    """
    tell.step("look")
    found = looked(service)
    found.need_migrations()
    target = ahead.nothing_to_apply(found, wanted, tell) or _nothing_pending(found, wanted, tell)
    if target is not None:
        return Migration(upgrade.NOTHING, found, found, target)
    with locked(found, wanted, tell) as held:
        return _under_lock(found.again(), wanted, tell, held, seen)


def looked(service: facts.ServiceFacts) -> situation.Situation:
    """Where the service stands; many migrators that begin at once may use up the server's connections for a moment.

    Raises:
        faults.Fault: see `situation.look`.
    """
    for attempt in range(_TRIES_TO_CONNECT):
        try:
            return situation.look(service)
        except faults.DatabaseFault as fault:
            if fault.code != "too-many-connections" or attempt == _TRIES_TO_CONNECT - 1:
                raise
        termination.pause(attempt)
    raise AssertionError  # the last attempt returns or raises


def _nothing_pending(found: situation.Situation, wanted: settings.Settings, tell: telling.Tell) -> upgrade.Aim | None:
    """What was to be reached, where that is so already and nothing else has to be done; None where a lock is needed."""
    if wanted.repair or found.standing.state not in (state.AT_HEAD, state.BEHIND):
        return None
    target = upgrade.aim(found, wanted.to, tell)
    return target if not target.pending and not aftercare.owed(found, wanted) else None


@contextmanager
def locked(found: situation.Situation, wanted: settings.Settings, tell: telling.Tell) -> Iterator[lock.Lock]:
    """Holds the lock of the service's version table for as long as the block lasts; a signal to end cancels statements.

    Raises:
        faults.Fault: `pooler-in-between`, `migration-locked`, `lock-lost`; what connecting gives.
    """
    name = f"{lock_holder.APPLICATION} {found.service.name}"[:63]
    every = min(1.0, wanted.lock_timeout / 4) if wanted.lock_timeout else 1.0
    with pooler.told(found.url), _connected(session.Session(found.url, name, every)) as opened:
        pooler.refuse(opened, found.url)
        about = f"{found.service.name}, looking what is pending"
        with lock.held(opened, found.noted_in, wanted.lock_wait, tell, about) as held, termination.cancelling(held):
            yield held


@contextmanager
def _connected(made: session.Session) -> Iterator[session.Session]:
    with made as opened:
        yield opened


def _under_lock(
    found: situation.Situation,
    wanted: settings.Settings,
    tell: telling.Tell,
    held: lock.Lock,
    seen: Sequence[str] | None,
) -> Migration:
    noted = record.Record(held, found, wanted, tell)
    with noting(noted, found, held):
        repaired = repair.repair(found, held, tell) if wanted.repair else ()
        target = upgrade.aim(found, wanted.to, tell)
        if target.pending:
            _as_planned(found, seen)
            noted.begin(target.rows)
            after, outcome = _run(found, wanted, tell, held, noted, target), upgrade.UPGRADED
        else:
            after, outcome = found, upgrade.NOTHING
            noted.proven = False
            if aftercare.to_note(held.session, found, wanted):
                noted.begin(target.rows)
                noted.proven = _proven(found, tell)
        repair.report(after, held, tell)
        granted = grants.settle(after, held, tell)
        noted.done(after.standing.applied, entries.DONE if target.pending else entries.NOTHING)
    return Migration(outcome, found, after, target, held.waited, noted.retries, tuple(repaired), tuple(granted))


@contextmanager
def noting(noted: record.Record, found: situation.Situation, held: lock.Lock) -> Iterator[None]:
    """What goes wrong inside of the block is noted in the ledger, and goes on its way.

    Raises:
        ending.Terminated: also where a signal has made a statement fail.
    """
    try:
        yield
    except KeyboardInterrupt:
        with ending.in_peace():
            noted.terminated(_last_seen(found, held))
        raise
    except faults.Fault as fault:
        if held.ended:
            noted.terminated(_last_seen(found, held))
            raise ending.Terminated from fault
        noted.failed(fault, _now(found), fatal=exits.is_fatal(fault))
        raise


def _run(
    found: situation.Situation,
    wanted: settings.Settings,
    tell: telling.Tell,
    held: lock.Lock,
    noted: record.Record,
    target: upgrade.Aim,
) -> situation.Situation:
    if found.to_bootstrap:
        bootstrap.run(found.service, found.url, tell)
    found.make_version_schema()
    tell.step("pending")
    return retrying.Runner(held, wanted, noted, tell).run(found, target)


def _proven(found: situation.Situation, tell: telling.Tell) -> bool:
    """Whether the schema is what its revisions make, so that its fingerprint may be recorded; told where it is not."""
    try:
        proof = proving.by_comparison(found, tell, found.standing.applied)
    except faults.Fault as fault:
        tell.warn(f"{found.service.name}: the schema could not be compared: {fault.message}", fault.mend)
        return False
    if not proof.holds:
        tell.warn(
            f"{found.service.name}: the schema of {found.database} differs from what its {proof.by} makes in "
            f"{len(proof.lines)}: {proof.lines[0]}",
            "its fingerprint is not recorded; bring it in line, or write a revision for it",
        )
    return proof.holds


def _as_planned(found: situation.Situation, seen: Sequence[str] | None) -> None:
    if seen is not None and set(seen) != set(found.standing.applied):
        raise faults.RefusedFault(
            "changed-since-plan",
            f"{found.service.name}: {found.database} was at {_at(seen)} when this was planned, and is now at "
            f"{_at(found.standing.applied)}: somebody else migrates",
            "look again, then run it again: invoke status",
        )


def _at(rows: Sequence[str]) -> str:
    return ", ".join(rows) or "no revision"


def _last_seen(found: situation.Situation, held: lock.Lock) -> Sequence[str]:
    """The same over the connection that is open: there is no time to make another."""
    try:
        return held.session.run(lambda conn: versions.applied(conn, found.table)) or ()
    except faults.Fault:
        return found.standing.applied


def _now(found: situation.Situation) -> Sequence[str]:
    """Where the database is; what was known last where it can't be asked."""
    try:
        return found.again().standing.applied
    except faults.Fault:
        return found.standing.applied
