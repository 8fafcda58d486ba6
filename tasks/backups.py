"""`invoke restore`: puts back what was backed up, files or rows."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from stillroom.tasks.cleaning import PERMISSION, looked_at, show_plan
from stillroom.tasks.command import Call, command

from stillroom import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["restore"]


@command(
    "restore",
    options={
        "backup": "Which backup: its time stamp, as --list shows it (default: the newest that differs from what is there).",
        "list": "List the backups, and do nothing.",
        "database": "A dump of the database instead of the migrations folder.",
        "yes": "Do not ask.",
        **PERMISSION,
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
            looked_at(call, session),
            permission,
            call.fleet.state,
            skip_backup=False,
            now=datetime.datetime.now(datetime.timezone.utc),
        )
        if not call.json:
            show_plan(call, plan, dry_run=False)
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
