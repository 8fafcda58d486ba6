"""`cleanup`: empties what each service owns in its database, in place, after showing what that is.

Observe (`look`), decide (`make_plan`), act (`run`).
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stillroom import errors, fleet, protection, session, sharing
from stillroom.registry import model
from stillroom.targets import base

__all__ = [
    "Dump",
    "Entry",
    "Plan",
    "check_dumps",
    "dump_file",
    "dumps",
    "look",
    "make_plan",
    "restore",
    "restore_command",
    "run",
]

_STAMP = "%Y%m%dT%H%M%S.%fZ"


@dataclasses.dataclass(frozen=True)
class Entry:
    """What will be emptied for one service, as `look` saw it.

    Attributes:
        tables: name -> rows, as people read them.
        others: kind -> number of other objects that go.
        kept: objects in the service's schemas that stay.
        dump: where its rows are written first; None where there are none, or none are wanted.
    """

    service: str
    address: str
    database: str
    tables: Mapping[str, str]
    others: Mapping[str, int]
    kept: Sequence[str]
    dump: Path | None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.tables and not self.others

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        found = dataclasses.asdict(self)
        return {"name": found.pop("service"), **found, "dump": str(self.dump) if self.dump else None}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a cleanup carries out."""

    entries: tuple[Entry, ...]

    @property
    def destroys(self) -> list[Entry]:
        """The entries that have anything to lose."""
        return [each for each in self.entries if not each.empty]


def look(
    opened: session.Session, services: Sequence[model.Service], watcher: fleet.Watcher
) -> list[fleet.Outcome[dict[str, Any]]]:
    """What each service owns; nothing is changed."""
    return fleet.run(
        services,
        lambda service, follower: opened.call(service, "look", sharing.asked(opened, service), follower),
        watcher,
        jobs=opened.jobs,
    )


def make_plan(
    opened_environment: model.Environment,
    found: Mapping[str, Mapping[str, Any]],
    permission: protection.Permission,
    state: Path,
    *,
    skip_backup: bool,
    now: datetime.datetime,
) -> Plan:
    """Decides what will be emptied. Pure.

    Args:
        opened_environment: where the services run.
        found: service -> what `look` saw.
        permission: what the person gave.
        state: Stillroom's own folder, for the dumps.
        skip_backup: whether rows are given up.
        now: names the dumps.

    Raises:
        errors.Refused: if one of the databases is protected.
    """
    entries = []
    for service, seen in found.items():
        protection.check(
            service,
            opened_environment.name,
            opened_environment.protected,
            seen.get("marker"),
            str(seen["database"]),
            permission,
        )
        dump = None if skip_backup or not seen["holds_data"] else dump_file(state, service, now)
        if dump is not None:
            check_dumps(service, opened_environment)
        entries.append(
            Entry(
                service,
                str(seen["address"]),
                str(seen["database"]),
                {each["name"]: _rows(each) for each in seen["tables"]},
                dict(seen["others"]),
                tuple(seen["kept"]),
                dump,
            )
        )
    return Plan(tuple(entries))


def check_dumps(service: str, environment: model.Environment) -> None:
    """Stops where rows would have to be dumped, and the process that could do so runs elsewhere.

    Raises:
        errors.Refused: naming the service.
    """
    if environment.target != "local":
        raise errors.Refused(
            f"{service}: its rows can't be dumped from environment {environment.name}: its process runs elsewhere "
            f"(target {environment.target})",
            "make a dump of your own (pg_dump), then give --skip-backup",
        )


def _rows(table: Mapping[str, Any]) -> str:
    if table["rows"] is None:
        return "?"
    return f"> {table['rows']:,}" if table["more"] else f"{table['rows']:,}"


def run(
    opened: session.Session,
    services: Sequence[model.Service],
    plan: Plan,
    permission: protection.Permission,
    lock_timeout: float,
    watcher: fleet.Watcher,
) -> list[fleet.Outcome[dict[str, Any]]]:
    """Carries the plan out. A service whose rows could not be dumped is not emptied."""
    entries = {each.service: each for each in plan.entries}

    def one(service: model.Service, follower: fleet.Follower) -> dict[str, Any]:
        entry = entries[service.name]
        asked = _asked(opened, entry.dump, entry.database, permission, lock_timeout)
        return opened.call(service, "clean", asked, follower)

    return fleet.run([each for each in services if each.name in entries], one, watcher, jobs=opened.jobs)


def _asked(
    opened: session.Session, dump: Path | None, database: str, permission: protection.Permission, lock_timeout: float
) -> dict[str, Any]:
    return {
        "backup": str(dump) if dump else None,
        "programs": opened.client_programs(),
        "lock_timeout": lock_timeout,
        "allow_marked": permission.environment,
        "expect_database": database,
    }


@dataclasses.dataclass(frozen=True)
class Dump:
    """A dump of what a service owned."""

    service: str
    file: Path
    made: str
    address: str
    rows: int
    sha256: str


def _folder(state: Path, service: str) -> Path:
    return state / "backups" / "databases" / service


def dump_file(state: Path, service: str, now: datetime.datetime) -> Path:
    """Where a dump that is made now goes: behind those that are there, also where the clock was set back."""
    folder = _folder(state, service)
    earlier = [when for each in folder.glob("*.*") if (when := _when(each.stem)) is not None]
    stamp = max(
        [now.astimezone(datetime.timezone.utc), *(each + datetime.timedelta(microseconds=1) for each in earlier)]
    )
    return folder / f"{stamp:{_STAMP}}.dump"


def _when(stamp: str) -> datetime.datetime | None:
    """The time that a dump's name tells; None where it is another file's."""
    try:
        return datetime.datetime.strptime(stamp, _STAMP).replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return None


def restore_command(service: str, stamp: str, environment: str = "") -> str:
    """What to type so that a dump comes back.

    Args:
        service: whose.
        stamp: of the dump: its file's name without its ending.
        environment: as it was given with `--environment`; empty: it was not.
    """
    where = f" --environment {environment}" if environment else ""
    return f"invoke restore --service {service}{where} --database --backup {stamp}"


def dumps(state: Path, service: str) -> list[Dump]:
    """The dumps of a service, oldest first."""
    found = []
    for note in sorted(_folder(state, service).glob("*.json")):
        facts = json.loads(note.read_text(encoding="utf-8"))
        found.append(
            Dump(service, note.with_suffix(".dump"), note.stem, facts["address"], int(facts["rows"]), facts["sha256"])
        )
    return found


def restore(
    opened: session.Session,
    service: model.Service,
    chosen: Dump,
    plan: Plan,
    permission: protection.Permission,
    follower: fleet.Follower,
) -> dict[str, Any]:
    """Puts a dump in the place of what is there in the service's database, after a dump of that.

    Raises:
        errors.StillroomError: if the dump is not there.
        base.TargetFailed: if the service's process was lost; naming both dumps, since it may have come to its end or not.
    """
    if not opened.local:
        raise errors.UsageError(
            f"{service.name}: a dump can't be restored in environment {opened.environment.name}: its process runs elsewhere",
            "restore it by hand (pg_restore), or from an environment with target: local",
        )
    if not chosen.file.is_file():
        raise errors.StillroomError(
            f"{service.name}: the dump {chosen.file} is gone", "choose another one: invoke restore --database --list"
        )
    entry = plan.entries[0]
    asked = _asked(opened, entry.dump, entry.database, permission, 5.0)
    source = {"source": str(chosen.file), "sha256": chosen.sha256}
    try:
        return opened.call(service, "restore_database", {**asked, **source}, follower)
    except base.TargetFailed as lost:
        if entry.dump is None or not entry.dump.with_suffix(".json").exists():
            raise
        again = f"invoke restore --service {service.name} --database --backup"
        raise base.TargetFailed(
            lost.code,
            f"{lost.message}; the database holds the dump or what was there before (also in {entry.dump}), either whole",
            f"{again} {chosen.made} puts the dump in its place, {again} {entry.dump.stem} what was there before",
            detail=lost.detail,
        ) from lost
