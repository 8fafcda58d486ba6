"""A preflight of several services: asked all at once, each judged with what is seen here, then against each other."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import errors, fleet, session, sharing
from stillroom.preflight import asking, cluster, folders, image, neighbours
from stillroom.registry import model
from stillroom.reports import Finding, Report

__all__ = ["judge", "refuse", "run"]


def run(
    opened: session.Session, services: Sequence[model.Service], options: asking.Options, watcher: fleet.Watcher
) -> list[fleet.Outcome[Report]]:
    """Looks at all services at once. Each outcome has a report, also of a service that could not be reached."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        around = pool.submit(cluster.look, opened, services)
        answers = fleet.run(
            services,
            lambda service, follower: asking.ask(opened, service, options, follower),
            watcher,
            jobs=opened.jobs,
        )
        beneath = cluster.judge(around.result(), services) if not opened.local else {}
    here = folders.look(opened, {each.service: each.value[1] for each in answers if each.value is not None})
    embedded = opened.environment.database == "embedded"
    outcomes = [_judged(each, here.get(each.service.name, []), embedded=embedded) for each in answers]
    if options.alone:
        outcomes = [_by_hand(each) for each in outcomes]
    reports = {each.service.name: each.value for each in outcomes if each.value is not None}
    more = neighbours.judge_neighbours(services, reports, sharing.version_tables_beside(opened, services))
    making = {name: each.facts["makes"] for name, each in reports.items() if each.facts.get("makes")}
    beside = sharing.made_beside(opened, services, {name: each.facts for name, each in reports.items()})
    for clash in sharing.clashes(services, making, beside, sharing.order(opened)):
        more.setdefault(clash.service, []).append(neighbours.clash_found(clash))
    if not opened.local:
        for each in outcomes:
            mine = [*beneath[each.service.name], *_of_image(opened, each, allowed=options.allow_stale_image)]
            more.setdefault(each.service.name, []).extend(mine)
    return [_added(each, more.get(each.service.name, [])) for each in outcomes]


def _of_image(opened: session.Session, outcome: fleet.Outcome[Report], *, allowed: bool) -> list[Finding]:
    """Whether the code that was looked at is the code of this folder."""
    if outcome.value is None or not outcome.value.facts:
        return []
    service, facts = outcome.service, outcome.value.facts
    return image.judge(service.name, facts, image.look(opened, service, facts), allowed=allowed)


def _judged(
    answer: fleet.Outcome[asking.Answer], here: Sequence[folders.Here], *, embedded: bool
) -> fleet.Outcome[Report]:
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


def judge(service: str, findings: Sequence[Mapping[str, Any]], facts: Mapping[str, Any], *here: folders.Here) -> Report:
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
        found += folders.judge(each, missing_is_said=missing)
    return Report.of(service, found, facts)


def _of_the_embedded_server(finding: dict[str, Any]) -> dict[str, Any]:
    """The finding, with a mend that is possible there: nobody installs a package on a server out of a wheel."""
    if finding.get("data", {}).get("code") != "extension-missing":
        return finding
    mend = "the embedded server can't have it: use an environment whose URL variables name a server that has"
    return {**finding, "mend": mend}
