"""`preflight`: everything that would make a run fail, found before it begins, with what to do about it.

Most is looked at by the runtime, next to the service's code. What only this side can see is added: the folders that
files come home to, what is not committed in them, and services that get in each other's way.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stillroom import errors, fleet, git, session, sharing
from stillroom.registry import model
from stillroom.reports import Finding, Report
from stillroom.runtime import faults
from stillroom.runtime.readiness import preflight_findings, preflight_project
from stillroom.targets import base

__all__ = ["Here", "Options", "judge", "judge_neighbours", "refuse", "run", "unwritable"]

_CODE_OF_THE_SERVICE = "models"
_PROCESS_ENDED = frozenset({"answer-lost", "time-limit", "terminated"})
_SHOWN = 3
_NEW = "?? "
_STATES = {_NEW: " (new)", " D ": " (deleted)", "D  ": " (deleted)"}
_OF_NO_ACCOUNT = frozenset({".gitkeep", ".keep"})
_INSTALLED = ("site-packages", "dist-packages")

_Answer = tuple[list[dict[str, Any]], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Options:
    """What the person asked for.

    Attributes:
        skip_db_check: the database is left out.
        reset_in_place: no scratch database is going to be needed.
        alone: no generation follows. A history that is written by hand, without models, is sound then.
    """

    skip_db_check: bool = False
    reset_in_place: bool = False
    alone: bool = False


@dataclasses.dataclass(frozen=True)
class Here:
    """What was seen on this side.

    Attributes:
        local: whether the service runs on this machine, so that the runtime has looked at the same files.
        folder: with revision files; None if the configuration does not tell.
        problem: why not, as a fault of the runtime has it; None if all is well.
        unwritable: why no file can be made in the folder; empty if one can.
        changes: what is not committed in it.
        free: bytes left on its disk.
    """

    local: bool
    folder: Path | None = None
    problem: faults.Fault | None = None
    unwritable: str = ""
    changes: git.Changes = dataclasses.field(default_factory=git.Changes)
    free: int = preflight_project.ALMOST_FULL


def run(
    opened: session.Session, services: Sequence[model.Service], options: Options, watcher: fleet.Watcher
) -> list[fleet.Outcome[Report]]:
    """Looks at all services at once. Each outcome has a report, also of a service that could not be reached."""
    answers = fleet.run(
        services, lambda service, follower: _ask(opened, service, options, follower), watcher, jobs=opened.jobs
    )
    here = _look_here(opened, {each.service: each.value[1] for each in answers if each.value is not None})
    embedded = opened.environment.database == "embedded"
    outcomes = [_judged(each, here.get(each.service.name, []), embedded=embedded) for each in answers]
    if options.alone:
        outcomes = [_by_hand(each) for each in outcomes]
    reports = {each.service.name: each.value for each in outcomes if each.value is not None}
    more = judge_neighbours(services, reports, sharing.version_tables_beside(opened, services))
    making = {name: each.facts["makes"] for name, each in reports.items() if each.facts.get("makes")}
    beside = sharing.made_beside(opened, services, {name: each.facts for name, each in reports.items()})
    for clash in sharing.clashes(services, making, beside, sharing.order(opened)):
        more.setdefault(clash.service, []).append(_clash(clash))
    return [_added(each, more.get(each.service.name, [])) for each in outcomes]


def _judged(answer: fleet.Outcome[_Answer], here: Sequence[Here], *, embedded: bool) -> fleet.Outcome[Report]:
    report = None
    if answer.value is not None:
        findings, facts = answer.value
        said = [_of_the_embedded_server(each) for each in findings] if embedded else findings
        report = judge(answer.service.name, said, facts, *here)
    return fleet.Outcome(answer.service, answer.seconds, report, answer.failure, answer.skipped, answer.warnings)


def _by_hand(outcome: fleet.Outcome[Report]) -> fleet.Outcome[Report]:
    """Without models, what has revisions is only short of generation."""
    report = outcome.value
    if report is None or not report.facts.get("files"):
        return outcome
    said = [
        dataclasses.replace(each, level="warning") if each.data.get("code") == "metadata-none" else each
        for each in report.findings
    ]
    return dataclasses.replace(outcome, value=Report.of(report.service, said, report.facts))


def _added(outcome: fleet.Outcome[Report], more: list[Finding]) -> fleet.Outcome[Report]:
    if outcome.value is None or not more:
        return outcome
    return dataclasses.replace(outcome, value=outcome.value.with_findings(more))


def refuse(outcomes: Sequence[fleet.Outcome[Report]]) -> None:
    """Stops a run that errors would make fail.

    Raises:
        errors.PreflightFailed: if a report has an error.
    """
    bad = [each.value for each in outcomes if each.value is not None and each.value.errors]
    if not bad:
        return
    count = sum(len(each.errors) for each in bad)
    names = ", ".join(each.service for each in bad)
    failed = errors.PreflightFailed(
        f"preflight found {count} error{'s' if count != 1 else ''} ({names}); nothing was touched",
        "mend what is listed, or go on in spite of it with --ignore-preflight",
        detail="\n".join(
            f"  {report.service}: {each.message.removeprefix(f'{report.service}: ')}"
            for report in bad
            for each in report.errors
        ),
    )
    failed.data = {"errors": {each.service: [dataclasses.asdict(error) for error in each.errors] for each in bad}}
    raise failed


# Pure: what was seen in, findings out


def judge(service: str, findings: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], *here: Here) -> Report:
    """The report on one service.

    Args:
        service: its name.
        findings: of the runtime, as they crossed the wire.
        facts: likewise.
        here: what was seen on this side, of each of its folders.
    """
    found = [Finding.from_dict(each) for each in findings]
    said = {each.check for each in found if each.level == "error"}
    for each in here:
        missing = each.local and bool(said & {"target", "config", "env.py", "folder"})
        found += _judge_folder(each, missing_is_said=missing)
    return Report.of(service, found, facts)


def _made_writable(folder: Path, why: str) -> str:
    """How that is done, from why it is not."""
    if not folder.is_dir():
        return f"mkdir -p {folder}"
    if why == os.strerror(errno.EROFS):
        return f"mount the disk of {folder} writable, or work on a copy that is"
    if why in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)):
        return f"free space there: du -xh {folder} | sort -h"
    return f'sudo chown -R "$USER" {folder} (or chmod u+w, as its owner)'


def _judge_folder(here: Here, *, missing_is_said: bool) -> list[Finding]:
    mine = preflight_findings.Findings()
    if here.folder is None:
        if here.problem is not None and not missing_is_said:
            mine.fault("folder", here.problem)
        return [Finding.from_dict(each) for each in mine.to_list()]
    if not here.unwritable:
        mine.ok("writable", f"files can be made in {here.folder}")
    elif not (missing_is_said and not here.folder.is_dir()):
        mine.error(
            "writable",
            f"no file can be made in {here.folder}: {here.unwritable}",
            _made_writable(here.folder, here.unwritable),
            code="not-writable",
        )
    if set(_INSTALLED) & set(here.folder.parts):
        mine.warning(
            "folder",
            f"the migrations are in an installed package, {here.folder}: what is written there is gone when it is "
            "installed anew",
            "install it from its source folder (pip install -e FOLDER), or name the folder of env.py there, "
            "script_location: in services.yaml",
            code="folder-installed",
        )
    _judge_changes(mine, here.folder, here.changes)
    if not here.local:
        preflight_project.judge_disk(mine, [("the folder of the migrations here", str(here.folder), here.free)])
    return [Finding.from_dict(each) for each in mine.to_list()]


def _judge_changes(mine: preflight_findings.Findings, folder: Path, changes: git.Changes) -> None:
    if changes.unknown:
        mine.skipped("uncommitted", changes.unknown)
        return
    files = [each for each in changes.files if not _of_no_account(each)]
    if not files:
        mine.ok("uncommitted", "nothing uncommitted in the migrations folder")
        return
    listed = ", ".join(Path(line[3:]).name + _STATES.get(line[:3], "") for line in files[:_SHOWN])
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    mine.warning(
        "uncommitted",
        f"uncommitted changes in {folder}: {listed}{more}",
        f"git add {shlex.quote(str(folder))} && git commit",
        code="uncommitted",
        files=files,
    )


def _of_no_account(line: str) -> bool:
    """Whether it is a new file, as git shows it, that is no revision and that nobody would miss."""
    path = Path(line[3:])
    return line.startswith(_NEW) and (
        path.name in _OF_NO_ACCOUNT or path.suffix == ".pyc" or "__pycache__" in path.parts
    )


def judge_neighbours(
    services: Sequence[model.Service], reports: Mapping[str, Report], beside: Mapping[str, str]
) -> dict[str, list[Finding]]:
    """Services that get in each other's way: one version table for two, one database that nobody declared as shared.

    Args:
        services: those that were looked at.
        reports: their reports by name.
        beside: full names of the version tables of services that were not looked at, by name, as far as their source
            tells.

    Returns:
        Further findings by the service's name.
    """
    found: dict[str, list[Finding]] = {}
    for service in services:
        mine = reports[service.name].facts if service.name in reports else {}
        if not mine.get("address") or not mine.get("version_table"):
            continue
        for other in services:
            theirs = reports[other.name].facts if other.name in reports else {}
            if other is service or theirs.get("address") != mine["address"]:
                continue
            both = _shared(service, other.name, mine, str(theirs.get("version_table") or ""))
            found.setdefault(service.name, []).extend(both)
        for name in service.shares_with:
            if name not in reports and beside.get(name):
                found.setdefault(service.name, []).extend(_beside(service, name, mine, beside[name]))
    return found


def _beside(service: model.Service, other: str, mine: Mapping[str, Any], table: str) -> list[Finding]:
    """About a neighbour that was not looked at, by the version table that its source names."""
    if table == mine["version_table"]:
        return _shared(service, other, mine, table)
    if f"public.{table}" != mine["version_table"]:
        return []
    message = f"{service.name} notes its revisions in {mine['version_table']}, and {other} may do so as well"
    mend = f"invoke preflight --service {service.name},{other} tells whether it does"
    return [Finding("version table", "warning", message, mend, {"code": "version-table-shared", "with": other})]


def _clash(clash: sharing.Clash) -> Finding:
    data = {"code": "table-shared", "with": clash.other, "tables": list(clash.tables)}
    return Finding("history", "error", clash.message, clash.mend, data)


def _shared(service: model.Service, other: str, mine: Mapping[str, Any], table: str) -> list[Finding]:
    where = f"{service.name} and {other} use one database, {mine['address']}"
    if mine["version_table"] == table:
        message, mend = sharing.one_version_table(service.name, other, str(mine["address"]), table)
        data = {"code": "version-table-shared", "with": other, "table": table}
        return [Finding("version table", "error", message, mend, data)]
    if other not in service.shares_with:
        return [
            Finding(
                "database",
                "warning",
                f"{where}, and services.yaml does not say so: cleanup, diff and drift would take the tables of one for "
                "leftovers of the other",
                f"give both the same database: in services.yaml (database: {mine.get('database')}), and schemas: each",
                {"code": "sharing-undeclared", "with": other},
            )
        ]
    return []


# What is looked at


class _Listening:
    """Passes everything on, and remembers the step under way."""

    def __init__(self, follower: fleet.Follower) -> None:
        self._follower = follower
        self.step = ""

    def event(self, event: dict[str, Any]) -> None:
        """See `channel.Listener`."""
        if event.get("event") == "step":
            self.step = str(event.get("step", ""))
        self._follower.event(event)

    def output(self, data: bytes) -> None:
        """See `channel.Listener`."""
        self._follower.output(data)


def _ask(opened: session.Session, service: model.Service, options: Options, follower: fleet.Follower) -> _Answer:
    """The runtime's findings and facts; a process that can't be started, or ends on the way, is a finding, too."""
    listening = _Listening(follower)
    asked = dataclasses.asdict(options)
    try:
        answer = opened.call(service, "preflight", asked, listening)
    except (faults.Fault, base.TargetFailed) as failed:
        if failed.code not in _PROCESS_ENDED or listening.step != _CODE_OF_THE_SERVICE:
            return [_failure(failed)], {}
        failure = _failure_of_models(service, failed)
    else:
        return answer["findings"], answer["facts"]
    # The service's code took the process with it; the other checks are made without it.
    follower.step("again without the models")
    try:
        answer = opened.call(service, "preflight", {**asked, "skip_models": "the models end the process"}, follower)
    except (faults.Fault, base.TargetFailed) as failed:
        return [failure, _failure(failed)], {}
    others = [each for each in answer["findings"] if each["check"] != _CODE_OF_THE_SERVICE]
    return [failure, *others], answer["facts"]


def _of_the_embedded_server(finding: dict[str, Any]) -> dict[str, Any]:
    """The finding, with a mend that is possible there: nobody installs a package on a server out of a wheel."""
    if finding.get("data", {}).get("code") != "extension-missing":
        return finding
    mend = "the embedded server can't have it: use an environment whose URL variables name a server that has"
    return {**finding, "mend": mend}


def _failure(failed: faults.Fault | base.TargetFailed) -> dict[str, Any]:
    return _error("target", failed.message, failed.mend, failed)


def _failure_of_models(service: model.Service, failed: faults.Fault | base.TargetFailed) -> dict[str, Any]:
    """What is to be said where importing the models ended the process, or never ended."""
    named = ", ".join(service.models) or service.metadata or "those that env.py imports"
    if failed.code == "answer-lost":
        _, _, how = failed.message.partition(": ")
        return _error(
            "models",
            f"importing its models ({named}) took the service's process down: {how}",
            "look for what ends the process in what they import (os._exit, a crashing extension, memory); "
            "--verbose shows what it printed",
            failed,
        )
    return _error(
        "models",
        f"importing its models ({named}) did not end within the time limit of {service.time_limit:g} s",
        "nothing may wait or connect while models are imported; if they only need longer, raise time_limit: in "
        "services.yaml",
        failed,
    )


def _error(check: str, message: str, mend: str, failed: faults.Fault | base.TargetFailed) -> dict[str, Any]:
    data = {"code": failed.code, **({"detail": failed.detail} if failed.detail else {})}
    return {"check": check, "level": "error", "message": message, "mend": mend, "data": data}


def _look_here(opened: session.Session, facts: Mapping[model.Service, Mapping[str, Any]]) -> dict[str, list[Here]]:
    """What is seen of each service's folders on this side; `facts` are the runtime's."""
    local = opened.environment.target == "local"
    places: dict[str, Sequence[Path] | errors.StillroomError] = {}
    for service, known in facts.items():
        try:
            places[service.name] = (
                opened.layout_of(service, known).folders if known.get("folders") or not (local and known) else ()
            )
        except errors.StillroomError as error:
            # Where the runtime could not be asked at all, that is said already.
            places[service.name] = error if known or not local else ()
    changes = git.uncommitted([folder for each in places.values() if isinstance(each, Sequence) for folder in each])
    return {
        name: [_here(folder, changes[folder], local=local) for folder in each]
        if isinstance(each, Sequence)
        else [Here(local, problem=faults.ProjectFault("config-missing", each.message, each.mend))]
        for name, each in places.items()
    }


def _here(folder: Path, changes: git.Changes, *, local: bool) -> Here:
    free = shutil.disk_usage(folder).free if folder.is_dir() else preflight_project.ALMOST_FULL
    return Here(local, folder, unwritable=unwritable(folder), changes=changes, free=free)


def unwritable(folder: Path) -> str:
    """Why no file can be made there, or nothing; tried, since permissions tell neither of read-only disks nor of root."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)
