"""`apply`: upgrades each service's own database, after all have been looked at and what would be refused is known.

Observe and decide (`look`: the runtime refuses or says what is pending), act (`run`). `record` gives the SQL instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import fleet, session, sharing
from stillroom.registry import model
from stillroom.runtime import faults

__all__ = ["Done", "Options", "Plan", "Recorded", "Revision", "look", "record", "run"]


@dataclasses.dataclass(frozen=True)
class Options:
    """What the person asked for.

    Attributes:
        to: a revision, the beginning of one, a branch label, `head`, or `heads`.
        fail_fast: after the first failure no further service is begun.
        lock_wait: seconds to wait for another migrator of the same database; None: as the service's environment says.
    """

    to: str = "heads"
    fail_fast: bool = False
    lock_wait: float | None = None


@dataclasses.dataclass(frozen=True)
class Revision:
    """A revision that an upgrade runs: its id, message, file name.

    Where its SQL was recorded: `statements`, and how it is `noted` in the version table.
    """

    id: str
    message: str
    file: str
    statements: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Revision:
        """The revision that the runtime described."""
        return cls(
            value["revision"],
            value["message"],
            value["file"],
            tuple(value.get("statements", ())),
            tuple(value.get("noted", ())),
        )


@dataclasses.dataclass(frozen=True)
class Done:
    """What an upgrade is to do, or did.

    Attributes:
        outcome: `upgraded`, `nothing to do`, `would upgrade`.
        state: of the database before.
        before, after: the revisions that the database is at.
        applied: the revisions run, or to run, in order.
        tables: of the service, afterwards.
        address: `host:port/database`.
    """

    outcome: str
    unchanged: bool
    state: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    applied: tuple[Revision, ...]
    tables: int
    address: str

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Done:
        """What the operation `upgrade` answered."""
        return cls(
            answer["outcome"],
            bool(answer["unchanged"]),
            answer["state"],
            tuple(answer["before"]),
            tuple(answer["after"]),
            tuple(Revision.from_dict(each) for each in answer["applied"]),
            int(answer["tables"]),
            answer["address"],
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        applied = [{"revision": each.id, "message": each.message, "file": each.file} for each in self.applied]
        return {**dataclasses.asdict(self), "applied": applied}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run carries out: for each service what is to be done, or why not.

    Attributes:
        options: what was asked for.
        entries: one outcome a service, as `look` saw it.
    """

    options: Options
    entries: tuple[fleet.Outcome[Done], ...]

    @property
    def pending(self) -> list[fleet.Outcome[Done]]:
        """The entries that have something to run."""
        return [each for each in self.entries if each.value is not None and not each.value.unchanged]

    @property
    def refused(self) -> list[fleet.Outcome[Done]]:
        """The entries that can't be done."""
        return [each for each in self.entries if not each.ok]

    @property
    def question(self) -> str:
        """What has to be confirmed; empty where nothing is to be run."""
        entries = [(each.service.name, each.value) for each in self.pending if each.value is not None]
        if not entries:
            return ""
        count = sum(len(done.applied) for _, done in entries)
        where = ", ".join(sorted({done.address for _, done in entries}))
        services = f"{len(entries)} service{'s' if len(entries) != 1 else ''}"
        return f"Apply {count} revision{'s' if count != 1 else ''} of {services} to {where}?"


def look(opened: session.Session, services: Sequence[model.Service], options: Options, watcher: fleet.Watcher) -> Plan:
    """Looks at all services at once and decides; changes no database of theirs.

    A service that can't be upgraded is an entry with its failure (`adopt-first`, `unknown-revision`, …).
    """

    answers: dict[str, dict[str, Any]] = {}

    def one(service: model.Service, follower: fleet.Follower) -> Done:
        answer = answers[service.name] = opened.call(service, "upgrade", {"to": options.to, "plan": True}, follower)
        return Done.from_answer(answer)

    entries = fleet.run(services, one, watcher, jobs=opened.jobs)
    beside = sharing.made_beside(opened, services, answers)
    others = sharing.version_tables_beside(opened, services)
    found = sharing.clashes(
        services, {name: each["creates"] for name, each in answers.items()}, beside, sharing.order(opened)
    )
    by_name = {each.other: each for each in found if each.ordered}  # it would come first, since the one is refused
    by_name.update({each.service: each for each in found})
    planned = [_unless_clash(each, by_name.get(each.service.name)) for each in entries]
    tables = {name: str(each["version_table"]) for name, each in answers.items()}
    planned = [_unless_mixed(each, tables, others) for each in planned]
    return Plan(options, tuple(_unless_anothers(opened, each) for each in planned))


def _unless_mixed(
    entry: fleet.Outcome[Done], tables: Mapping[str, str], beside: Mapping[str, str]
) -> fleet.Outcome[Done]:
    """The entry, or a refusal where its revisions are to be noted among those of another service."""
    if entry.value is None:
        return entry
    table = tables[entry.service.name]
    for other in entry.service.shares_with:
        if table == (tables.get(other) or beside.get(other)):
            return _mixed(entry, other, entry.value.address, table)
    return entry


def _unless_anothers(opened: session.Session, entry: fleet.Outcome[Done]) -> fleet.Outcome[Done]:
    """The entry; where a revision that it does not know is a neighbour's, that is what is wrong."""
    if entry.failure is None or entry.failure.code != "unknown-revision":
        return entry
    data = entry.failure.data
    owner = sharing.owner_of(opened, entry.service, data["unknown"])
    return entry if owner is None else _mixed(entry, owner, str(data["database"]), str(data["version_table"]))


def _mixed(entry: fleet.Outcome[Done], other: str, address: str, table: str) -> fleet.Outcome[Done]:
    message, mend = sharing.one_version_table(entry.service.name, other, address, table)
    data = {"with": other, "table": table}
    failure = fleet.Failure("version-table-shared", message, mend, data=data, refused=True)
    return dataclasses.replace(entry, value=None, failure=failure)


def _unless_clash(entry: fleet.Outcome[Done], clash: sharing.Clash | None) -> fleet.Outcome[Done]:
    """The entry, or a refusal where its revisions make what another service's make as well."""
    if clash is None or entry.value is None:
        return entry
    other = clash.other if entry.service.name == clash.service else clash.service
    data = {"with": other, "tables": list(clash.tables)}
    failure = fleet.Failure("table-shared", clash.message, clash.mend, data=data, refused=True)
    return dataclasses.replace(entry, value=None, failure=failure)


def run(opened: session.Session, plan: Plan, watcher: fleet.Watcher) -> list[fleet.Outcome[Done]]:
    """Carries the plan out, each service after those that the registry puts before it.

    A service that could not be planned fails as it did then. A database that has moved since it was looked at is refused,
    unless there is nothing left to do.
    """
    entries = {each.service.name: each for each in plan.entries}

    def one(service: model.Service, follower: fleet.Follower) -> Done:
        planned = entries[service.name]
        if planned.value is None:
            raise _again(planned)
        if planned.value.unchanged:
            return planned.value
        asked = {"to": plan.options.to, "seen": list(planned.value.before), "lock_wait": plan.options.lock_wait}
        return Done.from_answer(opened.call(service, "upgrade", asked, follower))

    services = [each.service for each in plan.entries]
    return fleet.run(services, one, watcher, jobs=opened.jobs, fail_fast=plan.options.fail_fast, ordered=True)


def _again(planned: fleet.Outcome[Done]) -> faults.Fault:
    """The failure of the plan as the failure of the run."""
    failure = planned.failure
    if failure is None:
        return faults.Fault("not-planned", f"{planned.service.name} was not looked at: {planned.skipped}", "")
    kind = faults.RefusedFault if failure.refused else faults.Fault
    return kind(failure.code, failure.message, failure.mend, detail=failure.detail, data=dict(failure.data))


@dataclasses.dataclass(frozen=True)
class Recorded:
    """The SQL that an upgrade would run.

    Attributes:
        prepare: statements ahead of them: the version table, where there is none.
        revisions: those that are pending, in order, with their statements.
        before, after: the revisions that the database is at, and would be at.
        address: `host:port/database`.
    """

    prepare: tuple[str, ...]
    revisions: tuple[Revision, ...]
    state: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    address: str

    @property
    def script(self) -> str:
        """The SQL as a script for psql that does all of it, the version table included.

        A comment before each revision, a semicolon after each statement.
        """
        lines = [*self.prepare]
        for revision in self.revisions:
            title = " ".join(part for part in (revision.id, revision.message) if part)
            lines += [f"-- {title} ({revision.file})", *revision.statements, *revision.noted]
        return "\n".join(each if each.startswith("--") else f"{each.rstrip().rstrip(';')};" for each in lines)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        revisions = [
            {
                "revision": each.id,
                "message": each.message,
                "file": each.file,
                "statements": list(each.statements),
                "noted": list(each.noted),
            }
            for each in self.revisions
        ]
        return {**dataclasses.asdict(self), "revisions": revisions}


def record(
    opened: session.Session, services: Sequence[model.Service], options: Options, watcher: fleet.Watcher
) -> list[fleet.Outcome[Recorded]]:
    """Records what `run` would run, on scratch databases. What a run would refuse, this refuses, too."""

    def one(service: model.Service, follower: fleet.Follower) -> Recorded:
        answer = opened.call(service, "record_sql", {"to": options.to}, follower)
        return Recorded(
            tuple(answer["prepare"]),
            tuple(Revision.from_dict(each) for each in answer["revisions"]),
            answer["state"],
            tuple(answer["before"]),
            tuple(answer["after"]),
            answer["address"],
        )

    return fleet.run(services, one, watcher, jobs=opened.jobs, fail_fast=options.fail_fast)
