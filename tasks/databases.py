"""`invoke cleanup`, `invoke restore`, `invoke protect`: what happens to databases and to what was backed up."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from stillroom.tasks.command import Call, command, seconds

from stillroom import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stillroom import cleanup as job
    from stillroom.fleet import Outcome
    from stillroom.session import Session

__all__ = ["cleanup", "protect", "restore"]

_PERMISSION = {
    "allow-protected": "Name of the protected environment in which destroying is meant.",
    "expect-database": "Name of the database that is meant; needed with --allow-protected.",
}


@command(
    "cleanup",
    options={
        "yes": "Do not ask.",
        "dry-run": "Show what would be emptied, and do nothing.",
        "skip-backup": "Do not dump the rows first.",
        "lock-timeout": "Seconds to wait for a lock before giving up (default 5).",
        **_PERMISSION,
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
        found = _looked_at(call, session)
        plan = job.make_plan(
            call.environment,
            found,
            permission,
            call.fleet.state,
            skip_backup=skip_backup,
            now=datetime.datetime.now(datetime.timezone.utc),
        )
        if not call.json or dry_run:
            _show_plan(call, plan, dry_run=dry_run)
        if dry_run:
            return
        if plan.destroys:
            what = ", ".join(sorted({each.address for each in plan.destroys}))
            call.confirm(f"Empty {what}?", yes=yes)
        with call.watching("cleanup") as watcher:
            outcomes = job.run(session, call.services, plan, permission, patience, watcher)
    if not call.json:
        _show_outcomes(outcomes)
    call.finish(outcomes, _described)


def _looked_at(call: Call, session: Session) -> dict[str, Mapping[str, Any]]:
    """What each service owns; any that could not be looked at ends the command before anything is touched."""
    from stillroom import cleanup as job

    with call.watching("look", brief=True) as watcher:
        outcomes = job.look(session, call.services, watcher)
    if any(not each.ok for each in outcomes):
        call.finish(outcomes, lambda seen: {"address": seen["address"]})
    return {each.service.name: each.value for each in outcomes if each.value is not None}


def _show_plan(call: Call, plan: job.Plan, *, dry_run: bool) -> None:
    if call.json:
        services = [{"name": each.service, **each.to_dict()} for each in plan.entries]
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
        width = max((len(name) for name in each.tables), default=0)
        shown = list(each.tables.items()) if call.verbose else list(each.tables.items())[:12]
        for name, rows in shown:
            print(f"    {name:<{width}}  {rows:>12} {'row' if rows == '1' else 'rows'}")
        if len(shown) < len(each.tables):
            print(f"    … {len(each.tables) - len(shown)} more tables with --verbose")
        for kept in each.kept:
            print(f"    kept: {kept}")
        if each.dump is not None:
            print(f"    rows are dumped to {each.dump}")
    if dry_run:
        print("nothing was done")


def _show_outcomes(outcomes: Sequence[Outcome[dict[str, Any]]]) -> None:
    from stillroom.people import tables

    rows: list[list[object]] = []
    for outcome in outcomes:
        done = outcome.value
        if done is None:
            rows.append([outcome.service.name, "", "", "", "[red]✗ failed[/]", f"{outcome.seconds:.1f}"])
            continue
        report = done["report"]
        dump = f"{done['dump']['size']:,} bytes" if done["dump"] else "-"
        rows.append(
            [
                outcome.service.name,
                report["before"].get("tables", 0),
                report["after"].get("tables", 0),
                dump,
                "[green]✓ empty[/]",
                f"{outcome.seconds:.1f}",
            ]
        )
    headers = ["service", "tables before", "tables after", "dump", "verified", "seconds"]
    tables.show(headers, rows, numbers=("tables before", "tables after", "seconds"))
    failed = sum(not each.ok for each in outcomes)
    print(f"{len(outcomes) - failed} of {len(outcomes)} services emptied" + (f", {failed} failed" if failed else ""))


def _described(done: Mapping[str, Any]) -> dict[str, Any]:
    report = done["report"]
    return {
        "address": done["address"],
        "database": report["database"],
        "before": report["before"],
        "after": report["after"],
        "dropped": list(report["dropped"]),
        "kept": list(report["kept"]),
        "dump": done["dump"],
    }


@command(
    "restore",
    options={
        "backup": "Which backup: its time stamp, as --list shows it (default: the newest).",
        "list": "List the backups, and do nothing.",
        "database": "A dump of the database instead of the migrations folder.",
        "yes": "Do not ask.",
        **_PERMISSION,
    },
)
def restore(
    call: Call,
    backup: str = "",
    list: bool = False,
    database: bool = False,
    yes: bool = False,
    allow_protected: str = "",
    expect_database: str = "",
) -> None:
    """Put a backup of the migrations folder back; with --database, the rows of the database.

    Example: invoke restore --service auth
    """
    if list:
        _list_backups(call, database=database)
        return
    if len(call.services) != 1:
        raise errors.UsageError(
            f"restore is for one service at a time, and {len(call.services)} are selected", "name it with --service"
        )
    if database:
        from stillroom import protection

        _restore_database(call, backup, yes, protection.Permission(allow_protected or None, expect_database or None))
    else:
        _restore_migrations(call, backup, yes)


def _restore_migrations(call: Call, stamp: str, yes: bool) -> None:
    from stillroom.history import backup as backups
    from stillroom.people import tables

    service = call.services[0]
    call.recover()
    chosen = backups.choose(call.fleet.state, service.name, stamp or None)
    call.confirm(
        f"Put {tables.counted(chosen.revisions, 'revision file')} of {service.name} from {chosen.stamp} back "
        f"(what is there now is backed up first)?",
        yes=yes,
    )
    backups.restore(call.fleet.state, service.name, chosen.stamp)
    if call.json:
        call.answer({"command": "restore", "service": service.name, "backup": chosen.stamp, "ok": True})
    else:
        print(f"{service.name}: {tables.counted(chosen.revisions, 'revision file')} of {chosen.stamp} restored")


def _restore_database(call: Call, stamp: str, yes: bool, permission: Any) -> None:
    from stillroom import cleanup as job
    from stillroom import fleet
    from stillroom.people import tables

    service = call.services[0]
    found = job.dumps(call.fleet.state, service.name)
    if not found:
        raise errors.UsageError(
            f"{service.name}: there is no dump of its database",
            "invoke cleanup makes one before it empties tables that hold rows",
        )
    chosen = _chosen([(each.made, each) for each in found], stamp, service.name)
    with call.session() as session:
        plan = job.make_plan(
            call.environment,
            _looked_at(call, session),
            permission,
            call.fleet.state,
            skip_backup=False,
            now=datetime.datetime.now(datetime.timezone.utc),
        )
        if not call.json:
            _show_plan(call, plan, dry_run=False)
        rows = tables.counted(chosen.rows, "row")
        call.confirm(f"Replace this by the dump of {chosen.made} ({rows} of {chosen.address})?", yes=yes)
        with call.watching("restore") as watcher:
            outcomes = fleet.run(
                call.services,
                lambda each, follower: job.restore(session, each, chosen, plan, permission, follower),
                watcher,
                jobs=1,
            )
    for outcome in outcomes:
        if outcome.value is not None and not call.json:
            of = tables.counted(len(outcome.value["tables"]), "table")
            print(f"{service.name}: {tables.counted(outcome.value['rows'], 'row')} in {of} restored")
    call.finish(outcomes, lambda done: {"rows": done["rows"], "tables": len(done["tables"])})


def _chosen(found: Sequence[tuple[str, Any]], stamp: str, service: str) -> Any:
    if not stamp:
        return found[-1][1]
    for name, each in found:
        if name == stamp:
            return each
    raise errors.UsageError(
        f"{service}: there is no backup {stamp}", f"there are: {', '.join(name for name, _ in found)}"
    )


def _list_backups(call: Call, *, database: bool) -> None:
    from stillroom import cleanup as job
    from stillroom.history import backup as backups
    from stillroom.people import tables

    state = call.fleet.state
    rows: list[list[object]] = []
    for service in call.services:
        if database:
            rows += [
                [service.name, each.made, f"{tables.counted(each.rows, 'row')} of {each.address}"]
                for each in reversed(job.dumps(state, service.name))
            ]
        else:
            rows += [
                [
                    service.name,
                    each.stamp,
                    f"{tables.counted(each.revisions, 'revision')}, before {each.reason.removeprefix('before ')}",
                ]
                for each in backups.list_backups(state, service.name)
            ]
    if call.json:
        call.answer(
            {"command": "restore", "backups": [{"service": row[0], "backup": row[1], "what": row[2]} for row in rows]}
        )
    elif rows:
        tables.show(["service", "backup", "what"], rows)
    else:
        print("there are no backups")


@command(
    "protect",
    options={
        "yes": "Do not ask.",
        "erase": "Take the mark off again; needs --allow-protected and --expect-database.",
        **_PERMISSION,
    },
)
def protect(
    call: Call, yes: bool = False, erase: bool = False, allow_protected: str = "", expect_database: str = ""
) -> None:
    """Mark the databases of an environment as such, in the databases themselves.

    A marked database refuses cleanup, reset and recreate, whatever the registry or the URL says, unless both
    --allow-protected and --expect-database are given and right.

    Example: invoke protect --environment production
    """
    from stillroom import fleet, protection
    from stillroom.people import tables

    environment = call.environment
    with call.session() as session:
        if erase:
            permission = protection.Permission(allow_protected or None, expect_database or None)
            for service, seen in _looked_at(call, session).items():
                marker = seen.get("marker")
                protection.check(service, environment.name, True, marker, str(seen["database"]), permission)
        names = ", ".join(each.name for each in call.services)
        what = "Take the mark off" if erase else f"Mark as {environment.name}"
        call.confirm(f"{what}: the databases of {names}?", yes=yes)
        with call.watching("protect", brief=True) as watcher:
            outcomes = fleet.run(
                call.services,
                lambda each, follower: session.call(
                    each, "protect", {"environment": environment.name, "erase": erase}, follower
                ),
                watcher,
                jobs=session.jobs,
            )
    if not call.json:
        rows: list[list[object]] = [
            [each.service.name, each.value["address"], each.value["marker"] or "-", each.value["how"] or "-"]
            for each in outcomes
            if each.value is not None
        ]
        tables.show(["service", "database", "marked as", "kept in"], rows)
    call.finish(outcomes, dict)
