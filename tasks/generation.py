"""`invoke regenerate`, `invoke revision`: from models to proven revision files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stillroom.tasks import checks, cleaning
from stillroom.tasks.command import Call, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stillroom import regenerate as job
    from stillroom import revision as revising
    from stillroom.fleet import Outcome

__all__ = ["regenerate", "revision"]

_SHOWN = 10
"""How many lines of a difference are shown unasked."""


@command(
    "regenerate",
    options={
        "message": "TEXT: message of the baseline (default: the registry's).",
        "apply": "Then upgrade each service's database.",
        "dry-run": "Print the plan (databases, files, hosts) and do none of it.",
        "yes": "Do not ask.",
        "skip-backup": "Do not back up the migrations (and, with --reset-in-place, the rows).",
        "skip-db-check": "Leave the database out of preflight.",
        "check-existing": "Stop if the target has other migrations than this folder.",
        "ignore-preflight": "Go on although preflight found errors.",
        "fail-fast": "Begin nothing new after the first failure.",
        "carry-over": "Put what models do not show (triggers, views, grants, rows, ...) into the baseline.",
        "accept-loss": "NAME: give up what the baseline lacks: kind:name as printed, or a glob; repeatable.",
        "reset-in-place": "Empty the service's own database and generate on it: where no scratch database can be had.",
        "allow-protected": "ENVIRONMENT: the protected environment in which destroying is meant.",
        "expect-database": "NAME: the database that is meant; needed with --allow-protected.",
    },
    repeatable=["accept_loss"],
)
def regenerate(
    call: Call,
    message: str = "",
    apply: bool = False,
    dry_run: bool = False,
    yes: bool = False,
    skip_backup: bool = False,
    skip_db_check: bool = False,
    check_existing: bool = False,
    ignore_preflight: bool = False,
    fail_fast: bool = False,
    carry_over: bool = False,
    accept_loss: list[str] = [],  # noqa: B006 - Invoke's way to say that a flag may be repeated
    reset_in_place: bool = False,
    allow_protected: str = "",
    expect_database: str = "",
) -> None:
    """Replace each service's history by one fresh, proven baseline.

    Makes an empty scratch database, autogenerates there, proves the file (upgrade, nothing left to change, downgrade
    without a trace, upgrade again), compares it with the old history, and brings it home verified.

    Example: invoke regenerate --service auth --apply
    """
    with call.session() as session:
        from stillroom import protection
        from stillroom import regenerate as job

        options = job.Options(
            message=message or None,
            apply=apply,
            skip_backup=skip_backup,
            skip_db_check=skip_db_check,
            check_existing=check_existing,
            ignore_preflight=ignore_preflight,
            fail_fast=fail_fast,
            carry_over=carry_over,
            accept_loss=tuple(accept_loss),
            reset_in_place=reset_in_place,
            permission=protection.Permission(allow_protected or None, expect_database or None),
        )
        facts = checks.before(
            call, session, skip_db_check=skip_db_check, ignore=ignore_preflight, reset_in_place=reset_in_place
        )
        plan = job.make_plan(call.environment, call.services, facts, options)
        if dry_run:
            _show_plan(call, plan)
            call.leave(plan.outcomes(call.services))
            return
        if plan.questions:
            call.confirm(f"This will {' and '.join(plan.questions)}. Go on?", yes=yes)
        with call.watching("regenerate") as watcher:
            outcomes = job.run(session, call.services, options, watcher, facts=facts)
        if apply and not (fail_fast and any(not each.ok for each in outcomes)):
            with call.watching("apply", brief=True) as watcher:
                outcomes = job.apply(session, outcomes, watcher)
    if not call.json:
        _show(call, outcomes)
    call.finish(outcomes, lambda done: _described(call, done))


def _described(call: Call, done: job.Done) -> dict[str, Any]:
    return {**done.to_dict(), "dump": cleaning.kept_rows(call, done.dump)[0] if done.dump else None}


@command(
    "revision",
    options={
        "message": "TEXT: message of the revision; needed.",
        "head": "REVISION: which head it follows, where a history has several by design.",
        "fail-fast": "Begin nothing new after the first failure.",
        "skip-db-check": "Leave the database out of preflight.",
        "ignore-preflight": "Go on although preflight found errors.",
    },
)
def revision(
    call: Call,
    message: str = "",
    head: str = "",
    fail_fast: bool = False,
    skip_db_check: bool = False,
    ignore_preflight: bool = False,
) -> None:
    """Add one proven revision for each service whose models have changed.

    A scratch database is upgraded to head, compared with the models, and the difference becomes one new revision; where
    there is none, nothing is written.

    Example: invoke revision --service auth --message "add phone number"
    """
    from stillroom import errors
    from stillroom import revision as job

    if not message:
        raise errors.UsageError("a revision needs a message", 'give --message "what changes"')
    options = job.Options(message=message, head=head or None, fail_fast=fail_fast)
    with call.session() as session:
        checks.before(call, session, skip_db_check=skip_db_check, ignore=ignore_preflight)
        with call.watching("revision") as watcher:
            outcomes = job.run(session, call.services, options, watcher)
    if not call.json:
        _show_revisions(call, outcomes)
    call.finish(outcomes, lambda done: done.to_dict())


def _show_revisions(call: Call, outcomes: Sequence[Outcome[revising.Done]]) -> None:
    from stillroom.people import summary, tables

    rows: list[list[object]] = []
    for outcome in outcomes:
        done = outcome.value
        if done is None:
            rows.append([outcome.service.name, "", "", "", summary.mark(outcome), "", f"{outcome.seconds:.1f}"])
        elif done.unchanged:
            rows.append([outcome.service.name, done.follows, "-", "", "no changes", "", f"{outcome.seconds:.1f}"])
        else:
            copied = f"{done.copied:,}" if done.copied else "unchanged"
            rows.append(
                [
                    outcome.service.name,
                    done.follows,
                    done.revision,
                    done.operations,
                    "[green]✓ proven[/]",
                    copied,
                    f"{outcome.seconds:.1f}",
                ]
            )
    headers = ["service", "follows", "revision", "operations", "proof", "copied bytes", "seconds"]
    tables.show(headers, rows, numbers=("operations", "copied bytes", "seconds"))
    for outcome in outcomes:
        done = outcome.value
        if done is None or done.unchanged:
            continue
        shown = done.difference if call.verbose else done.difference[:_SHOWN]
        for line in shown:
            call.say(f"{outcome.service.name}: {line}")
        if len(shown) < len(done.difference):
            call.say(f"{outcome.service.name}: and {len(done.difference) - len(shown)} more (--verbose shows them)")
        for line in (*[f"it drops {each}" for each in done.drops], *done.renames):
            call.say(f"{outcome.service.name}: look at this: {line}")


def _show_plan(call: Call, plan: job.Plan) -> None:
    if call.json:
        call.answer({"command": "regenerate", "environment": call.environment.name, "dry_run": True, **plan.to_dict()})
        return
    from stillroom.people import tables

    rows = [
        [
            each.service,
            each.address,
            each.generates_on if each.refusal is None else "refused",
            _relative(each.folder, call) if each.folder is not None else "(not known)",
            _replaced(each),
            "" if each.refusal else "upgraded" if each.applies else "not touched" if not each.resets else "left empty",
        ]
        for each in plan.entries
    ]
    headers = ["service", "database", "generates on", "writes to", "replaces", "database then"]
    tables.show(headers, rows, title="regenerate would do this (nothing was done)")


def _replaced(entry: job.Entry) -> str:
    from stillroom.people import tables

    if not entry.replaces:
        return "nothing"
    return tables.counted(len(entry.replaces), "file") + (", backed up" if entry.backup else "")


def _show(call: Call, outcomes: Sequence[Outcome[job.Done]]) -> None:
    from stillroom.people import summary, tables

    rows: list[list[object]] = []
    for outcome in outcomes:
        done = outcome.value
        if done is None:
            rows.append([outcome.service.name, "", "", "", summary.mark(outcome), "", "", f"{outcome.seconds:.1f}"])
            continue
        rows.append(
            [
                outcome.service.name,
                done.tables,
                done.operations,
                done.revision,
                "[green]✓ proven[/]",
                f"{done.copied:,}" if done.copied else "unchanged",
                summary.mark(outcome).removeprefix("- ") or done.applied or "-",
                f"{outcome.seconds:.1f}",
            ]
        )
    headers = ["service", "tables", "operations", "revision", "proof", "copied bytes", "applied", "seconds"]
    tables.show(headers, rows, numbers=("tables", "operations", "copied bytes", "seconds"))
    _show_changes(call, outcomes)


def _show_changes(call: Call, outcomes: Sequence[Outcome[job.Done]]) -> None:
    """How each new baseline differs from the history it replaced, and where that is kept."""
    from stillroom.people import tables

    for outcome in outcomes:
        done = outcome.value
        if done is None or not done.copied or done.loss is None:
            continue
        lines = list(done.loss["difference"])
        count = tables.counted(len(lines), "difference") if lines else "no difference"
        call.say(f"{outcome.service.name}: schema from old to new, {count}")
        shown = lines if call.verbose else lines[:10]
        for line in shown:
            call.say(f"    {line}")
        if len(lines) > len(shown):
            call.say(f"    … {len(lines) - len(shown)} more with --verbose")
    for outcome in outcomes:
        if outcome.value is not None and outcome.value.dump:
            call.say(cleaning.kept_rows(call, outcome.value.dump)[1])
    kept = [each.service.name for each in outcomes if each.value is not None and each.value.backup]
    if kept:
        call.say(
            f"The replaced files are kept: invoke restore --service {kept[0] if len(kept) == 1 else 'NAME'} puts them back"
        )
    arrived = [outcome.value for outcome in outcomes if outcome.value is not None and outcome.value.copied]
    if arrived:
        call.say("\n".join(_next(arrived)))


def _next(arrived: Sequence[job.Done]) -> list[str]:
    """What is to be done after a generation, in this environment and in the others."""
    lines = ["Next: look at the new files (git status), and commit them; invoke status shows where all stands"]
    if any(each.replaced for each in arrived):
        return [
            *lines,
            "Databases at a replaced revision are `ahead` of the code now. In each environment (--environment NAME):",
            "    invoke adopt, where the schema is what the baseline makes: it compares, and stamps",
            "    invoke apply, where the database is empty",
            "    invoke cleanup, then invoke apply, where the schema differs and the data can go",
        ]
    if not all(each.applied for each in arrived):
        lines.append("Databases, in each environment (--environment NAME):")
        lines.append("    invoke apply, where the database is empty")
        lines.append("    invoke adopt, where tables are there already (`unversioned`): it compares, and stamps")
    return lines


def _relative(path: object, call: Call) -> str:
    import os

    return os.path.relpath(str(path), str(call.fleet.root))
