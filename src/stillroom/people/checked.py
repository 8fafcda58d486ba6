"""What `invoke check` found: a table with a row a service, and below it what needs a person."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stillroom.people import findings, fitting, tables
from stillroom.reports import Report

__all__ = ["document", "show"]

_HEADERS = ("service", "revisions", "bases", "heads", "head ids", "operations", "warnings", "errors")
_NUMBERS = ("revisions", "bases", "heads", "operations", "warnings", "errors")
_IDS = 3
_PLACES = 5


def show(reports: Sequence[Report], *, verbose: bool) -> None:
    """Prints the reports to standard output."""
    tables.show(_HEADERS, [_row(each) for each in reports], numbers=_NUMBERS)
    for report in reports:
        lines = list(_lines(report, verbose=verbose))
        if lines:
            sys.stdout.write("\n")
        for level, line in lines:
            sys.stdout.write(f"{findings.painted(fitting.fit(line, sys.stdout), level)}\n")
    sys.stdout.flush()


def document(environment: str, reports: Sequence[Report]) -> dict[str, Any]:
    """The one JSON document of `invoke check --json`."""
    return {
        "command": "check",
        "environment": environment,
        "ok": all(not each.errors for each in reports),
        "services": [
            {
                "name": each.service,
                "ok": not each.errors,
                **each.to_dict(),
            }
            for each in reports
        ],
    }


def _row(report: Report) -> list[str]:
    facts = report.facts
    counts = [_red(len(report.warnings), "yellow"), _red(len(report.errors), "red")]
    if "revisions" not in facts:
        return [report.service, "-", "-", "-", "-", "-", *counts]
    heads = list(facts["heads"])
    more = [f"{len(heads) - _IDS} more"] if len(heads) > _IDS else []
    total = sum(facts["operations"].values())
    numbers = [str(facts["revisions"]), str(len(facts["bases"])), str(len(heads))]
    return [report.service, *numbers, ", ".join([*heads[:_IDS], *more]) or "-", str(total), *counts]


def _red(number: int, colour: str) -> str:
    return f"[{colour}]{number}[/]" if number else "0"


def _lines(report: Report, *, verbose: bool) -> Iterator[tuple[str, str]]:
    told = [each for each in report.findings if verbose or each.level in ("warning", "error")]
    if told:
        yield report.level, f"{findings.MARKS[report.level]} {report.service}"
    for finding in told:
        yield finding.level, f"    {findings.MARKS[finding.level]} {finding.check}: {finding.message}"
        if finding.mend:
            yield "", f"      → {finding.mend}"
        places = [f"{each['file']}:{each['line']}" for each in finding.data.get("places", ())]
        shown = places if verbose else places[:_PLACES]
        for place in shown:
            yield "skipped", f"        {place}"
        if len(shown) < len(places):
            yield "skipped", f"        … {len(places) - len(shown)} more with --verbose"
    if verbose and "files" in report.facts:
        yield from _operations(report.facts)


def _operations(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kinds = [f"{number} {kind}" for kind, number in facts["operations"].items()]
    yield "", f"    operations: {', '.join(kinds) or 'none'}"
    for each in facts["files"]:
        yield "", f"    {each['revision']}  {each['file']}, downgrade {each['downgrade']}"
        for one in each["operations"]:
            yield "skipped", f"      {one['line']:>5}  {one['operation']}"
