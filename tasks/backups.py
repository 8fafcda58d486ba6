"""`invoke restore`: puts back what was backed up, files or rows."""

from __future__ import annotations

import datetime
import sys
from typing import TYPE_CHECKING, Any

from stillroom.tasks.cleaning import PERMISSION, looked_at, show_plan
from stillroom.tasks.command import Call, command

from stillroom import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["restore"]


@command(
    "restore",
    options={
        "backup": "STAMP: which backup, as --list shows it (default: the newest that differs from what is there).",
        "list": "List the backups, each with the command that brings it back, and do nothing.",
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
    matching = [(name, each) for name, each in found if name.startswith(stamp)]
    if len(matching) == 1:
        return matching[0][1]
    raise errors.UsageError(
        f"{service}: {'several backups begin with' if matching else 'there is no backup'} {stamp}",
        f"there are: {', '.join(name for name, _ in matching or found)}",
    )


def _list_backups(call: Call, *, database: bool) -> None:
    from stillroom.people import fitting

    found = [each for service in call.services for each in _backups(call, service.name, database=database)]
    if call.json:
        call.answer({"command": "restore", "backups": found})
        return
    for each in found:
        print(fitting.fit(f"{each['service']}: {each['kind']}: {each['what']}", sys.stdout))
        print(f"    {each['command']}")
    if not found:
        print("there are no backups")


def _backups(call: Call, service: str, *, database: bool) -> Iterator[dict[str, str]]:
    """The backups of a service with what brings each back: files (unless `database`), then rows; newest first."""
    from stillroom import cleanup as job
    from stillroom.history import backup as backups
    from stillroom.people import tables

    for each in [] if database else backups.list_backups(call.fleet.state, service):
        yield {
            "service": service,
            "kind": "files",
            "backup": each.stamp,
            "what": f"{tables.counted(each.revisions, 'revision')}, before {each.reason.removeprefix('before ')}",
            "command": f"invoke restore --service {service} --backup {each.stamp}",
        }
    for dump in reversed(job.dumps(call.fleet.state, service)):
        yield {
            "service": service,
            "kind": "rows",
            "backup": dump.made,
            "what": f"{tables.counted(dump.rows, 'row')} of {dump.address}",
            "command": job.restore_command(service, dump.made, call.given_environment),
        }
