"""`invoke protect`: marks databases as belonging to an environment, in the databases themselves."""

from __future__ import annotations

from stillroom.tasks.cleaning import PERMISSION, looked_at
from stillroom.tasks.command import Call, command

__all__ = ["protect"]


@command(
    "protect",
    options={
        "yes": "Do not ask.",
        "erase": "Take the mark off again; where there is one, --allow-protected and --expect-database have to be given.",
        **PERMISSION,
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
            for service, seen in looked_at(call, session).items():
                marker = seen.get("marker")
                name = str(seen["database"])
                protection.check(service, environment.name, environment.protected, marker, name, permission)
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
