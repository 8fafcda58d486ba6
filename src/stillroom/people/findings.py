"""What preflight found, so that it reads at a glance: a line a service, and below it what needs a person."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stillroom import fleet
from stillroom.people import fitting, tables
from stillroom.reports import Report

__all__ = ["MARKS", "document", "lines", "painted", "show", "summary", "versions"]

MARKS = {"ok": "✓", "skipped": "-", "note": "·", "warning": "!", "error": "✗"}
"""What stands before a finding of each level."""

_COLOURS = {"ok": "32", "skipped": "2", "note": "2", "warning": "33", "error": "31"}
_TITLES = {"alembic": "Alembic", "sqlalchemy": "SQLAlchemy"}


def show(outcomes: Sequence[fleet.Outcome[Report]], *, verbose: bool) -> None:
    """Prints the reports to standard output, in colour where that is a terminal."""
    reports = [each.value for each in outcomes if each.value is not None]
    width = max((len(each.service) for each in reports), default=0)
    shared = () if verbose or len(reports) < 2 else _shared(reports)
    for report in reports:
        for level, line in lines(report, width, verbose=verbose, without=shared):
            sys.stdout.write(f"{painted(fitting.fit(line, sys.stdout), level)}\n")
    if shared:
        sys.stdout.write("\n" + fitting.fit(f"all of them: {' · '.join(shared)}", sys.stdout) + "\n")
    sys.stdout.write(f"\n{_closing(reports)}\n")
    sys.stdout.flush()


def _shared(reports: Sequence[Report]) -> tuple[str, ...]:
    """The versions that all services have in common: told once, they leave room for what differs."""
    first, *others = [versions(each) for each in reports]
    return tuple(part for part in first if all(part in other for other in others))


def lines(
    report: Report, width: int = 0, *, verbose: bool = False, without: Sequence[str] = ()
) -> Iterator[tuple[str, str]]:
    """The lines about one service, each with the level that colours it (empty: none).

    Args:
        report: about the service.
        width: of the column of names.
        verbose: also what is well, and details in full.
        without: parts of the summary that are told elsewhere.
    """
    facts = " · ".join(part for part in _facts(report) if part not in without)
    yield report.level, f"{MARKS[report.level]} {report.service:<{width}}  {facts}".rstrip()
    for finding in report.findings:
        if verbose or finding.level in ("warning", "error"):
            message = finding.message.removeprefix(f"{report.service}: ")
            yield finding.level, f"    {MARKS[finding.level]} {finding.check}: {message}"
            if finding.mend:
                yield "", f"      → {finding.mend}"
            detail = str(finding.data.get("detail", "")) if verbose else ""
            for line in detail.rstrip().splitlines():
                yield "skipped", f"        {line}"


def summary(report: Report) -> str:
    """The facts of a service on one line, as far as they are known."""
    return " · ".join(_facts(report))


def versions(report: Report) -> list[str]:
    """What the service runs with, as far as it is known: parts of its summary."""
    facts = report.facts
    versions = dict(facts.get("versions") or {})
    driver = facts.get("driver")
    wanted = ["python", "alembic", "sqlalchemy", *([driver] if driver else [])]
    parts = [
        f"{_TITLES.get(name, name.capitalize() if name == 'python' else name)} {versions[name]}"
        for name in wanted
        if name in versions
    ]
    if facts.get("server_version"):
        parts.append(f"PostgreSQL {facts['server_version']}")
    return parts


def _facts(report: Report) -> list[str]:
    facts = report.facts
    parts = versions(report)
    if facts.get("address"):
        parts.append(str(facts["address"]))
    if facts.get("marker"):
        parts.append(f"marked {facts['marker']}")
    if "metadata_tables" in facts:
        parts.append(tables.counted(len(facts["metadata_tables"]), "table"))
    if facts.get("files"):
        parts.append(
            f"{tables.counted(len(facts['files']), 'revision')}, {tables.counted(len(facts.get('heads') or ()), 'head')}"
        )
    elif "files" in facts:
        parts.append("no revision yet")
    return parts


def document(environment: str, outcomes: Sequence[fleet.Outcome[Report]]) -> dict[str, Any]:
    """The one JSON document of `invoke preflight --json`."""
    services: list[Mapping[str, Any]] = [
        {
            "name": each.service.name,
            "ok": not each.value.errors,
            "seconds": round(each.seconds, 3),
            **each.value.to_dict(),
        }
        for each in outcomes
        if each.value is not None
    ]
    return {
        "command": "preflight",
        "environment": environment,
        "ok": all(each["ok"] for each in services),
        "services": services,
    }


def _closing(reports: Sequence[Report]) -> str:
    levels = [each.level for each in reports]
    parts = [f"{levels.count(level)} {word}" for level, word in _WORDS if levels.count(level)]
    return f"{tables.counted(len(reports), 'service')}: {', '.join(parts) or 'nothing to look at'}"


_WORDS = (("ok", "ready"), ("warning", "with warnings"), ("error", "with errors"))


def painted(line: str, level: str) -> str:
    """The line in the colour of its level, where standard output is a terminal."""
    if level not in _COLOURS or not sys.stdout.isatty():
        return line
    return f"\x1b[{_COLOURS[level]}m{line}\x1b[0m"
