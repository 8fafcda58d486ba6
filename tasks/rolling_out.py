"""`invoke apply --via job`, `invoke logs`, `invoke rollback`, `invoke doctor`: migrations as Jobs on a cluster."""

from __future__ import annotations

import dataclasses
import getpass
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillroom.tasks.cleaning import PERMISSION
from stillroom.tasks.command import Call, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stillroom import fleet, journal
    from stillroom.fleet import Outcome
    from stillroom.registry import model
    from stillroom.rollout import diagnosis, finding, migrating, rolling_back
    from stillroom.session import Session

__all__ = ["JOB_OPTIONS", "apply_by_jobs", "doctor", "logs", "rollback"]

JOB_OPTIONS = {
    "rerun": "With --via job: run Jobs again that are complete.",
    "allow-stale-image": "With --via job: run images that lack the newest revisions of this checkout.",
    "force-conflicts": "With --via job: take fields over that another tool set.",
    "tag": "TAG: with --via job: instead of the tags of all images.",
}
"""The options of `apply` that only Jobs have, with their help."""

_LEVELS = {"ok": "green", "warning": "yellow", "error": "red"}


def apply_by_jobs(call: Call, options: migrating.Options, *, yes: bool, dry_run: bool) -> None:
    """`apply --via job`: looks at all services, asks, applies their Jobs, and watches until they have ended."""
    from stillroom import journal
    from stillroom.rollout import cluster, migrating

    jobs = call.jobs
    with tempfile.TemporaryDirectory(prefix="stillroom-") as nowhere, call.session(either=True) as session:
        found = cluster.Cluster(call.environment, call.given_namespace or None)
        state = Path(nowhere) if dry_run else call.fleet.state
        asked = {"via": "job", "services": [each.name for each in call.services], "rerun": options.rerun, "jobs": jobs}
        with journal.recorded(state, call.name, call.environment.name, asked) as written:
            run = migrating.Run(found, written, _actor())
            session.also_interrupt(run.interrupt)
            with call.watching("look", brief=True, looks=True) as watcher:
                ask = _asking(session)
                plan = migrating.look(found, call.fleet, call.services, options, written, ask, watcher, jobs)
            outcomes = list(plan.entries)
            if plan.question and not dry_run:
                if not call.json:
                    _show_steps(call, outcomes)
                call.confirm(plan.question, yes=yes)
                with call.watching("apply", logs=True) as watcher:
                    outcomes = run.all(plan, watcher, jobs)
            _end(written, outcomes)
    if not call.json:
        _show_done(outcomes)
    extra = {"dry_run": True} if dry_run else {"run": written.id}
    call.finish(outcomes, lambda done: done.to_dict(), **extra)


def _asking(session: Session) -> migrating.Ask:
    def ask(service: model.Service, follower: fleet.Follower) -> dict[str, Any]:
        return session.call(service, "verify", {"deep": False, "ahead": "allow"}, follower)

    return ask


def _actor() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a user id without a name, as containers have
        return socket.gethostname()


def _end(written: journal.Journal, outcomes: Sequence[Outcome[Any]]) -> None:
    from stillroom.people import summary

    code = summary.exit_code(outcomes)
    written.end(ok=code == 0, exit_code=code)


def _show_steps(call: Call, outcomes: Sequence[Outcome[migrating.Done]]) -> None:
    for each in outcomes:
        if each.value is not None and each.value.step.action != "nothing":
            step = each.value.step
            call.say(f"{each.service.name}: {step.action} Job {step.job} ({step.image}): {step.why}")


def _show_done(outcomes: Sequence[Outcome[migrating.Done]]) -> None:
    from stillroom.people import summary, tables

    rows: list[list[object]] = []
    for outcome in outcomes:
        done = outcome.value
        seconds = f"{outcome.seconds:.1f}"
        if done is None:
            rows.append([outcome.service.name, "", "", "", summary.mark(outcome), seconds])
            continue
        step = done.step
        why = f" ({step.why})" if done.outcome in ("nothing to do", "would run") and not done.after else ""
        rows.append(
            [
                outcome.service.name,
                step.job,
                ", ".join(done.before) or "-",
                ", ".join(done.after) or "-",
                f"[green]✓[/] {done.outcome}{why}",
                seconds,
            ]
        )
    tables.show(["service", "job", "before", "after", "result", "seconds"], rows, numbers=("seconds",))


@command(
    "logs",
    options={"follow": "Go on until the Job has ended; its end is this command's."},
)
def logs(call: Call, follow: bool = False) -> None:
    """Print what each service's newest migration Job printed: from the cluster, or as a run stored it.

    Example: invoke logs --service external
    """
    from stillroom import fleet
    from stillroom.people import lines
    from stillroom.rollout import cluster, finding, running

    found = cluster.Cluster(call.environment, call.given_namespace or None)
    several = len(call.services) > 1
    kept: dict[str, list[str]] = {each.name: [] for each in call.services}

    def take(service: str, line: str) -> None:
        if call.json:
            kept[service].append(line)
        else:
            print(f"{service} | {line}" if several else line, flush=True)

    with running.Runner(found.door, found.selector) as runner, call.interruptible(runner.interrupt):

        def one(service: model.Service, follower: fleet.Follower) -> finding.Found:
            if follow:
                read = finding.follow(found, service, runner, follower)
            else:
                read = finding.read(found, call.fleet.state, service, lambda line: take(service.name, line))
            return dataclasses.replace(read, printed=tuple(kept[service.name]))

        jobs = call.jobs_or(len(call.services)) if follow else 1
        outcomes = fleet.run(call.services, one, lines.Lines(take), jobs=jobs)
    for each in outcomes:
        if each.value is not None and each.value.stored and not call.json:
            call.say(f"{each.service.name}: its Job is gone; this was stored: {each.value.stored}")
    call.finish(outcomes, lambda read: read.to_dict())


@command(
    "rollback",
    options={
        "to": "REVISION: where it goes back to; NAME=REVISION for each of several services; base holds for all.",
        "accept-loss": "NAME: rows that may go: table:name or column:table.name as printed, or a glob; repeatable.",
        "image": "IMAGE: whose way down is taken (default: that of the newest Job that completed).",
        "tag": "TAG: instead of the tags of all images of the registry.",
        "dry-run": "Print the plan, and go back nowhere.",
        "yes": "Do not ask.",
        **PERMISSION,
    },
    repeatable=("to", "accept_loss"),
)
def rollback(
    call: Call,
    to: list[str] = [],  # noqa: B006 - Invoke's way to say that a flag may be repeated
    accept_loss: list[str] = [],  # noqa: B006
    image: str = "",
    tag: str = "",
    dry_run: bool = False,
    yes: bool = False,
    allow_protected: str = "",
    expect_database: str = "",
) -> None:
    """Take databases back to an older revision, by Jobs of the newer image, which has the way down; then verify.

    The plan says what is undone and which rows go with it; it is refused where rows would be lost that nobody gave up.

    Example: invoke rollback --service external --to 0007
    """
    from stillroom import journal, protection
    from stillroom.rollout import cluster, rolling_back

    permission = protection.Permission(allow_protected or None, expect_database or None)
    targets = rolling_back.targets(call.services, to)
    options = rolling_back.Options(targets, tuple(accept_loss), image or None, permission, tag or None)
    found = cluster.Cluster(call.environment, call.given_namespace or None)
    services = rolling_back.reversed_order(call.services, call.fleet.services_in(call.environment))
    jobs = call.jobs
    asked = {"to": targets, "accept_loss": list(accept_loss), "dry_run": dry_run}
    with (
        journal.recorded(call.fleet.state, call.name, call.environment.name, asked) as written,
        rolling_back.Rollback(found, written, _actor(), options) as going,
        call.interruptible(going.interrupt),
    ):
        with call.watching("plan", brief=True, looks=True) as watcher:
            outcomes = going.look(call.fleet, services, watcher, jobs)
        if not call.json:
            _show_undone(call, outcomes)
        count = sum(len(each.value.undone) for each in outcomes if each.value is not None)
        if count and not dry_run and all(each.ok for each in outcomes):
            names = ", ".join(each.service.name for each in outcomes if each.value is not None and each.value.undone)
            call.confirm(f"Undo {count} revision{'s' if count != 1 else ''} of {names}?", yes=yes)
            with call.watching("rollback", logs=True) as watcher:
                outcomes = going.all(outcomes, watcher, jobs)
        _end(written, outcomes)
    if not call.json:
        _show_rolled_back(outcomes)
    call.finish(outcomes, lambda done: done.to_dict(), dry_run=dry_run, run=written.id)


def _show_undone(call: Call, outcomes: Sequence[Outcome[rolling_back.Planned]]) -> None:
    for each in outcomes:
        plan = each.value
        undone = plan.undone if plan is not None else ()
        if plan is not None and undone:
            call.say(f"{each.service.name}: from {', '.join(plan.current)} to {', '.join(plan.target) or 'base'}")
        for revision, losses in undone:
            call.say(f"    undo {revision}: {', '.join(map(str, losses)) or 'nothing is lost'}")


def _show_rolled_back(outcomes: Sequence[Outcome[rolling_back.Planned]]) -> None:
    from stillroom.people import summary, tables

    rows: list[list[object]] = []
    for outcome in outcomes:
        done = outcome.value
        if done is None:
            rows.append([outcome.service.name, "", "", "", summary.mark(outcome)])
            continue
        before, after = ", ".join(done.current) or "-", ", ".join(done.target) or "-"
        rows.append([outcome.service.name, before, after, len(done.undone), f"[green]✓[/] {done.outcome}"])
    tables.show(["service", "before", "after", "revisions", "result"], rows, numbers=("revisions",))


@command("doctor", options={})
def doctor(call: Call) -> None:
    """Show what Job, pods, ledger and database of each service say of its migrations, and what to do next.

    Exits with 1 where something is wrong.

    Example: invoke doctor --service external
    """
    from invoke.exceptions import Exit

    from stillroom.rollout import cluster
    from stillroom.rollout import doctor as job

    found = cluster.Cluster(call.environment, call.given_namespace or None)
    with call.session() as session, call.watching("doctor", brief=True, looks=True) as watcher:
        outcomes = job.run(session, found, call.services, watcher)
    if not call.json:
        for each in outcomes:
            if each.value is not None:
                _show_diagnosis(call, each.value)
    call.finish(outcomes, lambda one: one.to_dict())
    if any(each.value is not None and not each.value.ok for each in outcomes):
        raise Exit(code=1)


def _show_diagnosis(call: Call, found: diagnosis.Diagnosis) -> None:
    from stillroom.people import tables

    rows = [[each.what, f"[{_LEVELS[each.level]}]{each.level}[/]", tables.plain(each.text)] for each in found.rows]
    tables.show([found.service, "", ""], rows)
    if found.last_error:
        call.say(f"last error: {found.last_error}")
    for line in found.lines:
        call.say(f"    | {line}")
    call.say(f"→ {found.next_step}" if found.next_step else f"{found.service}: nothing is to be done")
    call.say()
