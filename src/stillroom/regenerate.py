"""`regenerate`: each service's history is replaced by one fresh baseline, made and proven on a scratch database.

Observe (preflight's facts), decide (`plan`, pure), act (`run`): what `--dry-run` prints is the plan that a run carries
out.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stillroom import bring_home, cleanup, errors, fleet, protection, session, sharing
from stillroom.registry import model
from stillroom.runtime.reading import one_head

__all__ = ["Done", "Entry", "Options", "Plan", "apply", "make_plan", "run"]


@dataclasses.dataclass(frozen=True)
class Options:
    """What the person asked for; see the help of `invoke regenerate`."""

    message: str | None = None
    apply: bool = False
    skip_backup: bool = False
    skip_db_check: bool = False
    check_existing: bool = False
    ignore_preflight: bool = False
    fail_fast: bool = False
    carry_over: bool = False
    accept_loss: tuple[str, ...] = ()
    reset_in_place: bool = False
    allow_stale_image: bool = False
    permission: protection.Permission = dataclasses.field(default_factory=protection.Permission)


@dataclasses.dataclass(frozen=True)
class Entry:
    """What will be done for one service.

    Attributes:
        service: its name.
        address: `host:port/database` of its own database, or why that is not known.
        generates_on: in words.
        folder: where the file goes; None: not known before it is made, since preflight could not tell.
        replaces: the revision files that are there now.
        backup: whether they are backed up first.
        applies: whether its own database is upgraded afterwards.
        resets: whether its own database is emptied.
        refusal: why it will not be done; the others will.
    """

    service: str
    address: str
    generates_on: str
    folder: Path | None
    replaces: tuple[str, ...]
    backup: bool
    applies: bool
    resets: bool
    refusal: fleet.Failure | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run carries out, for all services, decided before any of them is touched."""

    entries: tuple[Entry, ...]

    @property
    def questions(self) -> list[str]:
        """What has to be confirmed; empty where nothing that exists is changed."""
        done = [each for each in self.entries if each.refusal is None]
        replaced = [each for each in done if each.replaces]
        applied = [each for each in done if each.applies]
        reset = [each for each in done if each.resets]
        asked = []
        if reset:
            asked.append(f"empty the databases of {_count(reset)} ({', '.join(each.address for each in reset)})")
        if replaced:
            files = sum(len(each.replaces) for each in replaced)
            asked.append(f"replace {files} revision file{'s' if files != 1 else ''} of {_count(replaced)}")
        if applied:
            asked.append(f"upgrade the databases of {_count(applied)}")
        return asked

    def outcomes(self, services: Sequence[model.Service]) -> list[fleet.Outcome[Entry]]:
        """What a run of nothing but the plan comes to: a failure for each service that will be refused."""
        entries = {each.service: each for each in self.entries}
        return [fleet.Outcome(each, 0.0, entries[each.name], entries[each.name].refusal) for each in services]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"services": [{"name": each.service, **_entry_dict(each)} for each in self.entries]}


def _count(entries: Sequence[Entry]) -> str:
    return f"{len(entries)} service{'s' if len(entries) != 1 else ''}"


def _entry_dict(entry: Entry) -> dict[str, Any]:
    found = dataclasses.asdict(entry)
    del found["service"], found["refusal"]
    found["folder"] = str(entry.folder) if entry.folder is not None else None
    if entry.refusal is not None:
        found["error"] = {name: getattr(entry.refusal, name) for name in ("code", "message", "mend")}
    return found


@dataclasses.dataclass(frozen=True)
class Done:
    """What became of one service.

    Attributes:
        copied: bytes written to the migrations folder; 0 where the file was there already.
        applied: what the upgrade of the service's database came to; None where it was not asked for.
        loss: what the old history had and the baseline lacks, and the schema difference; None without old history.
        backup: where the old files are kept; None where there were none, or none were wanted.
        dump: of the rows that a reset in place emptied; None where there were none, or it was not asked for.
    """

    tables: int
    operations: int
    revision: str
    file: str
    copied: int
    applied: str | None
    proof: Mapping[str, float]
    mended: Sequence[str]
    loss: Mapping[str, Any] | None
    replaced: Sequence[str]
    backup: str | None
    dump: Mapping[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return dataclasses.asdict(self)


def make_plan(
    environment: model.Environment,
    services: Sequence[model.Service],
    facts: Mapping[str, Mapping[str, Any]],
    options: Options,
) -> Plan:
    """Decides, from what preflight saw, what will be done. Pure.

    Args:
        environment: where the services run.
        services: which ones.
        facts: service -> preflight's facts.
        options: what was asked for.

    Raises:
        errors.Refused: where a database would be emptied that is protected.
    """
    return Plan(tuple(_entry(environment, service, facts.get(service.name, {}), options) for service in services))


def _entry(environment: model.Environment, service: model.Service, facts: Mapping[str, Any], options: Options) -> Entry:
    if options.reset_in_place:
        _check_protection(environment, service, facts, options)
        if not options.skip_backup:
            cleanup.check_dumps(service.name, environment)
    replaces = tuple(str(each["name"]) for each in facts.get("files", ()))
    folders = facts.get("folders") or ()
    refusal = one_head.refusal(service.name, service.heads, facts.get("heads") or ())
    return Entry(
        service=service.name,
        address=str(facts.get("address") or f"(not looked at: {service.url_source})"),
        generates_on=_where(environment, service, options),
        folder=Path(folders[0]) if folders else None,
        replaces=replaces,
        backup=bool(replaces) and not options.skip_backup,
        applies=options.apply,
        resets=options.reset_in_place,
        refusal=fleet.Failure.of(refusal) if refusal is not None else None,
    )


def _where(environment: model.Environment, service: model.Service, options: Options) -> str:
    if options.reset_in_place:
        return "its own database, emptied first"
    if service.scratch_url_variable:
        return f"the scratch database of ${service.scratch_url_variable}"
    if environment.database != "embedded" and service.scratch == "embedded":
        return "a scratch database on the embedded server"
    return "a scratch database beside its own"


def _check_protection(
    environment: model.Environment, service: model.Service, facts: Mapping[str, Any], options: Options
) -> None:
    if not facts.get("database"):
        raise errors.Refused(
            f"{service.name}: its database could not be looked at, so nobody knows whether it is protected",
            "leave out --skip-db-check, and mend what preflight says of the database",
        )
    protection.check(
        service.name,
        environment.name,
        environment.protected,
        facts.get("marker"),
        str(facts["database"]),
        options.permission,
    )


def run(
    opened: session.Session,
    services: Sequence[model.Service],
    options: Options,
    watcher: fleet.Watcher,
    *,
    facts: Mapping[str, Mapping[str, Any]],
) -> list[fleet.Outcome[Done]]:
    """Carries it out for all services at once; those with the most tables begin first.

    Each service is generated, proven and brought home on its own; one that fails leaves its old history as it was.
    """
    return fleet.run(
        services,
        lambda service, follower: _one(opened, service, options, follower),
        watcher,
        jobs=opened.jobs,
        fail_fast=options.fail_fast,
        sizes={name: len(each.get("metadata_tables") or ()) for name, each in facts.items()},
    )


def apply(
    opened: session.Session, generated: Sequence[fleet.Outcome[Done]], watcher: fleet.Watcher
) -> list[fleet.Outcome[Done]]:
    """Upgrades the databases of what was generated, each service after those that the registry puts before it.

    A service that was not generated fails as it did; those after it are generated, and not applied. Where a database was
    not upgraded, the outcome has both: what was generated, and why it went no further.
    """
    made = {each.service.name: each.value for each in generated if each.value is not None}
    unmade = [each for each in generated if each.value is None]

    def one(service: model.Service, follower: fleet.Follower) -> Done:
        answer = opened.call(service, "upgrade", {}, follower)
        return dataclasses.replace(made[service.name], applied="at head" if answer["unchanged"] else "upgraded")

    services = [each.service for each in generated if each.value is not None]
    applied = fleet.run(services, one, watcher, jobs=opened.jobs, ordered=True, earlier=unmade)
    after = {each.service.name: each for each in applied}
    return [_joined(each, after[each.service.name]) if each.value is not None else each for each in generated]


def _joined(generated: fleet.Outcome[Done], applied: fleet.Outcome[Done]) -> fleet.Outcome[Done]:
    """One outcome of two steps, with the time of both; what was generated stands, whatever became of the upgrade."""
    return dataclasses.replace(
        applied,
        value=applied.value or generated.value,
        seconds=generated.seconds + applied.seconds,
        warnings=generated.warnings + applied.warnings,
    )


def _one(opened: session.Session, service: model.Service, options: Options, follower: fleet.Follower) -> Done:
    if options.check_existing:
        follower.step("compare histories")
        bring_home.compare_with_target(opened, service, follower)
    seen = _seen_here(opened, service) if options.allow_stale_image and not opened.local else None
    made = opened.call(service, "generate", _asked(opened, service, options), follower)
    follower.step("copy back")
    where = opened.layout_of(service, made)
    if seen is not None:  # the image may have another history: what counts is that nobody has changed the one here
        made = {**made, "history": seen}
    home = bring_home.replace_history(opened.fleet.state, service.name, where, made, backup=not options.skip_backup)
    return Done(
        tables=made["tables"],
        operations=made["operations"],
        revision=made["revision"],
        file=home.file,
        copied=home.copied,
        applied=None,
        proof=made["proof"],
        mended=made["mended"],
        loss=made["loss"],
        replaced=home.removed,
        backup=home.backup,
        dump=made["dumped"],
    )


def _seen_here(opened: session.Session, service: model.Service) -> dict[str, str]:
    """The history of this folder, as a result of `generate` has it."""
    names = opened.layout_of(service, {}).names()
    return {name: hashlib.sha256(content).hexdigest() for name, content in names.items()}


def _asked(opened: session.Session, service: model.Service, options: Options) -> dict[str, Any]:
    dump = None
    if options.reset_in_place and not options.skip_backup:
        now = datetime.datetime.now(datetime.timezone.utc)
        dump = str(cleanup.dump_file(opened.fleet.state, service.name, now))
    return {
        "backup": dump,
        "programs": opened.client_programs(),
        "message": options.message or service.message,
        "accept_loss": list(options.accept_loss),
        "carry_over": options.carry_over,
        "reset_in_place": options.reset_in_place,
        **(sharing.asked(opened, service) if options.reset_in_place else {}),
        "allow_marked": options.permission.environment,
        "expect_database": options.permission.database,
    }
