"""`invoke cleanup`: shows what a service owns in its database, asks, and empties it."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from stillroom.tasks.command import Call, command, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stillroom import cleanup as job
    from stillroom.fleet import Outcome
    from stillroom.session import Session

__all__ = ["PERMISSION", "cleanup", "kept_rows", "looked_at", "show_plan"]

PERMISSION = {
    "allow-protected": "ENVIRONMENT: the protected environment in which destroying is meant.",
    "expect-database": "NAME: the database that is meant; needed with --allow-protected.",
}
"""The options that lift a protection, with their help."""

_NAMED = 3  # databases in a question
_SHOWN = 12  # tables of a service


@command(
    "cleanup",
    options={
        "yes": "Do not ask.",
        "dry-run": "Show what would be emptied, and do nothing.",
        "skip-backup": "Do not dump the rows first.",
        "lock-timeout": "SECONDS: how long to wait for a lock before giving up (default 5).",
        **PERMISSION,
    },
)
def cleanup(
    call: Call,
    yes: bool = False,
    dry_run: bool = False,
    skip_backup: bool = False,
    lock_timeout: str = "",
    allow_protected: str = "",
    expect_database: str = "",
) -> None:
    """Empty what a service owns in its database, and prove it empty.

    The schema stays, with its owner, grants, default privileges, comments, extensions and publications, and so does
    what belongs to others. Rows are dumped first (invoke restore --database puts them back).

    Example: invoke cleanup --service auth --yes
    """
    from stillroom import cleanup as job
    from stillroom import protection

    permission = protection.Permission(allow_protected or None, expect_database or None)
    patience = seconds("--lock-timeout", lock_timeout, 5.0)
    with call.session() as session:
        found = looked_at(call, session)
        plan = job.make_plan(
            call.environment,
            found,
            permission,
            call.fleet.state,
            skip_backup=skip_backup,
            now=datetime.datetime.now(datetime.timezone.utc),
        )
        if not call.json or dry_run:
            show_plan(call, plan, dry_run=dry_run)
        if dry_run:
            return
        if plan.destroys:
            call.confirm(f"Empty {_databases(plan)}?", yes=yes)
        with call.watching("cleanup") as watcher:
            outcomes = job.run(session, call.services, plan, permission, patience, watcher)
    if not call.json:
        _show_outcomes(call, outcomes)
    call.finish(outcomes, lambda done: _described(call, done))


def _databases(plan: job.Plan) -> str:
    """The databases in a question: by name if there are few of them, else what was listed above it."""
    found = sorted({each.address for each in plan.destroys})
    if len(found) <= _NAMED:
        return ", ".join(found)
    return f"what is listed above, of {len(plan.destroys)} services in {len(found)} databases"


def looked_at(call: Call, session: Session) -> dict[str, Mapping[str, Any]]:
    """What each service owns; any that could not be looked at ends the command before anything is touched."""
    from stillroom import cleanup as job

    with call.watching("look", brief=True, looks=True) as watcher:
        outcomes = job.look(session, call.services, watcher)
    if any(not each.ok for each in outcomes):
        call.finish(outcomes, lambda seen: {"address": seen["address"]})
    return {each.service.name: each.value for each in outcomes if each.value is not None}


def show_plan(call: Call, plan: job.Plan, *, dry_run: bool) -> None:
    """Prints what will be emptied: host, database, tables and rows."""
    if call.json:
        services = [each.to_dict() for each in plan.entries]
        call.answer({"command": "cleanup", "environment": call.environment.name, "dry_run": True, "services": services})
        return
    from stillroom.people import tables

    for each in plan.entries:
        if each.empty:
            print(f"{each.service}: {each.address} is empty")
            continue
        found = [tables.counted(len(each.tables), "table")]
        found += [tables.counted(count, kind) for kind, count in each.others.items()]
        print(f"{each.service}: {each.address}: {', '.join(found)}")
        _show_tables(each, None if call.verbose else _SHOWN)
        for kept in each.kept:
            print(f"    kept: {kept}")
        if each.dump is not None:
            print(f"    rows are dumped to {each.dump}")
    if dry_run:
        print("nothing was done")


def _show_tables(entry: job.Entry, limit: int | None) -> None:
    """Tables with their rows; those that hold any come first, so that none of them is what is left out."""
    from stillroom.people import tables

    found = sorted(entry.tables.items(), key=lambda item: item[1] == "0")
    shown = found[:limit]
    width = max((len(name) for name, _ in shown), default=0)
    digits = max((len(rows) for _, rows in shown), default=0)
    for name, rows in shown:
        print(f"    {name:<{width}}  {rows:>{digits}} {'row' if rows == '1' else 'rows'}")
    rest = found[len(shown) :]
    if rest:
        empty = "empty, " if all(rows == "0" for _, rows in rest) else ""
        print(f"    … {tables.counted(len(rest), 'more table')}, {empty}with --verbose")


def _show_outcomes(call: Call, outcomes: Sequence[Outcome[dict[str, Any]]]) -> None:
    from stillroom.people import summary, tables

    rows: list[list[object]] = []
    for outcome in outcomes:
        done = outcome.value
        if done is None:
            rows.append([outcome.service.name, "", "", "", summary.mark(outcome), f"{outcome.seconds:.1f}"])
            continue
        report = done["report"]
        dump = f"{done['dump']['size']:,} bytes" if done["dump"] else "-"
        rows.append(
            [
                outcome.service.name,
                report["before"].get("tables", 0),
                report["after"].get("tables", 0),
                dump,
                f"[green]✓ empty[/] but for {len(report['kept'])} kept" if report["kept"] else "[green]✓ empty[/]",
                f"{outcome.seconds:.1f}",
            ]
        )
    headers = ["service", "tables before", "tables after", "dump", "verified", "seconds"]
    tables.show(headers, rows, numbers=("tables before", "tables after", "seconds"))
    failed = sum(not each.ok for each in outcomes)
    for outcome in outcomes:
        if outcome.value is not None and outcome.value["dump"]:
            call.say(kept_rows(call, outcome.value["dump"])[1])
    for outcome in outcomes:
        statements = outcome.value["report"]["unpublished"] if outcome.value is not None else []
        for statement in statements:
            call.say(f"{outcome.service.name}: published before; once the tables are back: {statement}")
    print(f"{len(outcomes) - failed} of {len(outcomes)} services emptied" + (f", {failed} failed" if failed else ""))


def kept_rows(call: Call, dump: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """A dump with the command that brings it back: for `--json`, and as a line for people."""
    from pathlib import Path

    from stillroom import cleanup as job
    from stillroom.people import tables

    file = Path(dump["file"])
    service = file.parent.name
    command = job.restore_command(service, file.stem, call.given_environment)
    line = f"{service}: {tables.counted(int(dump['rows']), 'row')} kept; to bring back: {command}"
    return {**dump, "restore": command}, line


def _described(call: Call, done: Mapping[str, Any]) -> dict[str, Any]:
    report = done["report"]
    return {
        "address": done["address"],
        "database": report["database"],
        "before": report["before"],
        "after": report["after"],
        "dropped": list(report["dropped"]),
        "kept": list(report["kept"]),
        "unpublished": list(report["unpublished"]),
        "dump": kept_rows(call, done["dump"])[0] if done["dump"] else None,
    }
