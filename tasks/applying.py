"""`invoke status`, `invoke apply`, `invoke adopt`: where databases stand, and how they get to head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stillroom.tasks.command import Call, command, seconds
from stillroom.tasks.rolling_out import JOB_OPTIONS, apply_by_jobs

from stillroom import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stillroom import adopt as adopting
    from stillroom import apply as applying
    from stillroom import status as standing
    from stillroom.fleet import Outcome
    from stillroom.session import Session

__all__ = ["adopt", "apply", "status"]

_COLOURS = {
    "at_head": "green",
    "behind": "yellow",
    "ahead": "yellow",
    "empty": "yellow",
    "no_migrations": "yellow",
    "unversioned": "red",
    "diverged": "red",
    "unreachable": "red",
}


@command("status", options={})
def status(call: Call) -> None:
    """Show where each service's database stands against the revisions of its code.

    Exits with 1 where a state can't be told; any state that can be told is no failure.

    Example: invoke status --service auth --json
    """
    from stillroom import status as job

    with call.session() as session, call.watching("status", brief=True, looks=True) as watcher:
        outcomes = job.run(session, call.services, watcher)
    if call.json:
        call.answer(job.document(outcomes))
    else:
        _show_status(call, outcomes)
    call.leave(outcomes)


def _show_status(call: Call, outcomes: Sequence[Outcome[standing.Status]]) -> None:
    from stillroom.people import tables

    rows: list[list[object]] = []
    for outcome in outcomes:
        found = outcome.value
        if found is None:
            rows.append([outcome.service.name, "-", "-", "[red]failed[/]", "-"])
            continue
        colour = _COLOURS.get(found.state, "white")
        rows.append(
            [
                found.name,
                found.revision or "-",
                found.head or "-",
                f"[{colour}]{found.state}[/]",
                "-" if found.tables is None else found.tables,
            ]
        )
    tables.show(["service", "database", "code", "state", "tables"], rows, numbers=("tables",))
    from stillroom import status as job

    known = [each.value for each in outcomes if each.value is not None]
    for message, mend in job.notes(known, environment=call.given_environment, everything=call.fleet.names):
        call.say("\n".join(filter(None, (message, f"{'  ' if message else ''}→ {mend}" if mend else ""))))


@command(
    "apply",
    options={
        "to": "REVISION: the revision to upgrade to (default: heads).",
        "dry-run": "Print the SQL, recorded on a scratch database, and change nothing.",
        "yes": "Do not ask.",
        "fail-fast": "Begin nothing new after the first failure.",
        "lock-wait": "SECONDS: how long to wait for another migrator of a database (default: 300, or STILLROOM_LOCK_WAIT).",
        **JOB_OPTIONS,
    },
)
def apply(
    call: Call,
    to: str = "heads",
    dry_run: bool = False,
    yes: bool = False,
    fail_fast: bool = False,
    lock_wait: str = "",
    rerun: bool = False,
    allow_stale_image: bool = False,
    force_conflicts: bool = False,
    tag: str = "",
) -> None:
    """Upgrade each service's database, and ask the database afterwards whether it got there.

    With --via job a cluster's migration Jobs do it: rendered, applied, watched until they have ended.

    Example: invoke apply --service auth --dry-run
    """
    from stillroom import apply as job

    given = {
        "rerun": rerun,
        "allow-stale-image": allow_stale_image,
        "force-conflicts": force_conflicts,
        "tag": bool(tag),
    }
    if call.via == "job":
        if to != "heads":
            raise errors.UsageError(f"--to {to}: a migration Job leads to the heads of its image", "leave --to out")
        if lock_wait:
            raise errors.UsageError(
                f"--lock-wait {lock_wait}: a migration Job waits as long as its manifest says", "leave --lock-wait out"
            )
        from stillroom.rollout import migrating

        options = migrating.Options(rerun, allow_stale_image, force_conflicts, fail_fast, tag or None)
        apply_by_jobs(call, options, yes=yes, dry_run=dry_run)
        return
    wrong = [f"--{name}" for name, value in given.items() if value]
    if wrong:
        raise errors.UsageError(
            f"{', '.join(wrong)} has a meaning only with --via job", "add --via job, or leave it out"
        )
    patience = seconds("--lock-wait", lock_wait, 300.0) if lock_wait else None
    chosen = job.Options(to=to, fail_fast=fail_fast, lock_wait=patience)
    _apply_from_here(call, chosen, yes=yes, dry_run=dry_run)


def _apply_from_here(call: Call, options: applying.Options, *, yes: bool, dry_run: bool) -> None:
    """`apply` in the service's own process, be it here or in a pod."""
    from stillroom import apply as job

    with call.session() as session:
        if dry_run:
            _record(call, session, options)
            return
        with call.watching("look", brief=True, looks=True) as watcher:
            plan = job.look(session, call.services, options, watcher)
        outcomes = list(plan.entries)
        if plan.question:
            if not call.json:
                _show_pending(call, plan)
            call.confirm(plan.question, yes=yes)
            with call.watching("apply") as watcher:
                outcomes = job.run(session, plan, watcher)
    if not call.json:
        _show_applied(outcomes)
    call.finish(outcomes, lambda done: done.to_dict())


def _record(call: Call, session: Session, options: applying.Options) -> None:
    from stillroom import apply as job

    with call.watching("record SQL", brief=True, looks=True) as watcher:
        outcomes = job.record(session, call.services, options, watcher)
    if not call.json:
        for outcome in outcomes:
            recorded = outcome.value
            if recorded is None:
                continue
            if not recorded.revisions:
                print(f"-- {outcome.service.name}: {recorded.address}: nothing to do")
                continue
            before = ", ".join(recorded.before) or "base"
            print(f"-- {outcome.service.name}: {recorded.address}: {before} -> {', '.join(recorded.after)}")
            print(recorded.script)
    call.finish(outcomes, lambda recorded: recorded.to_dict(), dry_run=True)


def _show_pending(call: Call, plan: applying.Plan) -> None:
    for each in plan.pending:
        if each.value is None:
            continue
        before = ", ".join(each.value.before) or each.value.state
        call.say(f"{each.service.name}: {each.value.address} ({before})")
        for revision in each.value.applied:
            call.say(f"    {revision.id}  {revision.message}")


def _show_applied(outcomes: Sequence[Outcome[applying.Done]]) -> None:
    from stillroom.people import summary, tables

    rows: list[list[object]] = []
    for outcome in outcomes:
        done = outcome.value
        if done is None:
            rows.append([outcome.service.name, "", "", "", summary.mark(outcome), f"{outcome.seconds:.1f}"])
            continue
        rows.append(
            [
                outcome.service.name,
                ", ".join(done.before) or "-",
                ", ".join(done.after) or "-",
                len(done.applied),
                f"[green]✓[/] {done.outcome}",
                f"{outcome.seconds:.1f}",
            ]
        )
    headers = ["service", "before", "after", "revisions", "result", "seconds"]
    tables.show(headers, rows, numbers=("revisions", "seconds"))


@command(
    "adopt",
    options={"yes": "Do not ask.", "dry-run": "Compare only, and stamp nothing."},
)
def adopt(call: Call, yes: bool = False, dry_run: bool = False) -> None:
    """Stamp databases that are exactly what their history makes, after comparing them.

    For databases made by create_all, or stamped with a history that was replaced. One that differs is refused, with
    its difference.

    Example: invoke adopt --service auth
    """
    from stillroom import adopt as job

    with call.session() as session:
        with call.watching("compare", brief=True, looks=True) as watcher:
            outcomes = job.run(session, call.services, watcher, dry_run=True)
        waiting = [each for each in outcomes if each.value is not None and each.value.outcome == "would stamp"]
        if waiting and not dry_run and all(each.ok for each in outcomes):
            names = ", ".join(each.service.name for each in waiting)
            call.confirm(f"Stamp the databases of {names}?", yes=yes)
            with call.watching("adopt", brief=True) as watcher:
                outcomes = job.run(session, call.services, watcher)
    if not call.json:
        _show_adopted(outcomes)
    call.finish(outcomes, lambda done: done.to_dict())


def _show_adopted(outcomes: Sequence[Outcome[adopting.Done]]) -> None:
    from stillroom.people import tables

    rows: list[list[object]] = [
        [
            each.service.name,
            each.value.address,
            ", ".join(each.value.before) or "-",
            ", ".join(each.value.after) or "-",
            each.value.outcome,
        ]
        for each in outcomes
        if each.value is not None
    ]
    if rows:
        tables.show(["service", "database", "before", "after", "result"], rows)
