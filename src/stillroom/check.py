"""What can be known of the services' histories without a database: the files are read, and nothing of them is executed.

It needs neither the services' interpreters nor their packages, and says so where only running their code would tell.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from stillroom import reports, told
from stillroom.history import outlines
from stillroom.registry import model
from stillroom.runtime import faults
from stillroom.runtime.projects import env_locations, locations, unread
from stillroom.runtime.readiness import preflight_findings, preflight_project
from stillroom.runtime.reading import revision_habits, revision_problem, revisions, version_width

__all__ = ["run"]

_OUTERMOST = 6  # folders above the migrations in which the application's packages are looked for

Place = tuple[str, int]


def run(
    fleet: model.Fleet, services: Sequence[model.Service], workers: int, *, details: bool = False
) -> list[reports.Report]:
    """Reads and judges the histories of these services.

    Args:
        fleet: the registry.
        services: whose histories.
        workers: processes that read files, if there are many.
        details: whether `facts` tell what each file does.

    Returns:
        A report for each, in the order given. `facts` of one whose history could be read: `revisions` (how many),
        `bases`, `heads`, `operations` (kind to number), `folders`, with `details` also `files`.
    """
    projects = [_Project(service, fleet.root, details=details) for service in services]
    everything = [file for each in projects for file in each.listed]
    read = iter(outlines.read(everything, fleet.state, workers))
    return [each.judged([next(read) for _ in each.listed]) for each in projects]


class _Project:
    """One service's files, found first and judged once all are read."""

    def __init__(self, service: model.Service, root: Path, *, details: bool) -> None:
        self._service = service
        self._details = details
        self._root = root
        self._found = preflight_findings.Findings()
        self._facts: dict[str, Any] = {}
        self._files = preflight_project.Files()
        self.listed: list[revisions.File] = []
        self._problems: list[revisions.Problem] = []
        with self._found.checking("config"):
            self._files.places = _located(service)
        places = self._files.places
        if places is not None:
            preflight_project.look_at_places(self._found, self._files, self._facts)
            with self._found.checking("history"):
                self.listed, self._problems = revisions.listed(places.version_locations, recursive=places.recursive)

    def judged(self, read: Sequence[revisions.Revision | revisions.Problem]) -> reports.Report:
        """The report, once the files are read."""
        if self._files.places is not None and self._files.places.script_location.is_dir():
            graph = revisions.graph_of(read, self._problems)
            with self._found.checking("history"):
                self._judge(self._files.places, graph)
            self._describe(graph)
        found = [reports.Finding.from_dict(each) for each in self._found.to_list()]
        return reports.Report.of(self._service.name, found, self._facts)

    def _judge(self, places: locations.Locations, graph: revisions.Graph) -> None:
        service = self._service
        declared = service.version_locations is not None
        try:
            env_locations.refuse(told.of(service), places, graph)
        except faults.Fault as fault:
            self._found.fault("folder", fault)
            return
        layout = unread.problems(places, graph, declared=declared)
        for problem in layout:
            self._say("folder", problem, _places(problem))
        elsewhere = any(each.severity == "error" for each in layout)
        width = version_width.limits(graph, self._files.env_source, service.version_width)
        found = [each for each in graph.problems(service.heads, id_limit=width) if each.code != "no-folder"]
        if elsewhere:  # what seems wrong may only be what is not read
            found = [each for each in found if each.code not in unread.CAUSES]
        for problem in found:
            self._say("history", problem, _places(problem))
        for problem, where in revision_habits.problems(graph, revision_habits.application(self._roots(places))):
            self._say("revisions", problem, where)
        if not found and not elsewhere:
            self._found.ok("history", _sound(graph))

    def _roots(self, places: locations.Locations) -> Iterable[Path]:
        """Where the service's own modules may lie: its folder, what it prepends, and the folders above the migrations."""
        yield self._service.path
        yield self._service.path / "src"
        yield from (Path(each) for each in places.prepend_sys_path)
        outermost = self._root if places.script_location.is_relative_to(self._root) else self._service.path
        for each in (places.script_location, *list(places.script_location.parents)[:_OUTERMOST]):
            if each.is_relative_to(outermost):
                yield each

    def _describe(self, graph: revisions.Graph) -> None:
        self._facts |= {
            "revisions": len(graph.revisions),
            "bases": sorted(graph.bases),
            "heads": sorted(graph.heads),
            "operations": revision_habits.count(graph),
        }
        if self._details:
            self._facts["files"] = [_told(each, self._shown) for each in graph.revisions]

    def _say(self, check: str, problem: revisions.Problem, places: Sequence[Place]) -> None:
        say = {"note": self._found.note, "warning": self._found.warning}.get(problem.severity, self._found.error)
        where = [{"file": self._shown(path), "line": line} for path, line in places]
        say(check, problem.message, problem.mend, code=problem.code, places=where)

    def _shown(self, path: str) -> str:
        return os.path.relpath(path, self._root) if Path(path).is_relative_to(self._root) else path


def _located(service: model.Service) -> locations.Locations:
    """Where the project is; packages are looked for in the service's folders before this interpreter is asked."""
    where = told.of(service)
    own = [str(service.path), str(service.path / "src")]
    if service.python is not None:
        return locations.of(where, [*own, *_site_packages(Path(service.python))])
    try:
        return locations.of(where, own)
    except faults.Fault as fault:
        if fault.code != "package-missing":
            raise
        return locations.of(where)


def _site_packages(python: Path) -> list[str]:
    """Where an interpreter of a virtual environment has its packages, without asking it."""
    return [str(each) for each in sorted(python.parent.parent.glob("lib/python3*/site-packages"))]


def _sound(graph: revisions.Graph) -> str:
    count, tips = len(graph.revisions), len(graph.heads)
    heads = f"{tips} head{'' if tips == 1 else 's'} ({', '.join(graph.heads)})"
    return f"{count} revision{'' if count == 1 else 's'}, {heads}"


def _places(problem: revisions.Problem) -> list[Place]:
    return [(path, problem.line or _line(path, problem.about)) for path in problem.files]


def _line(path: str, name: str) -> int:
    """The line at which a file sets `name`; 1 if it does not say."""
    return revision_problem.line_of(path, name) if name else 1


def _told(revision: revisions.Revision, shown: Callable[[str], str]) -> dict[str, Any]:
    known = "outline" in revision.__dict__
    return {
        "revision": revision.id,
        "down": list(revision.down),
        "depends_on": list(revision.depends_on),
        "labels": list(revision.branch_labels),
        "file": shown(revision.path),
        "operations": [
            {"line": each.line, "operation": str(each)} for each in (revision.outline.upgrade if known else ())
        ],
        "downgrade": revision.outline.downgrade_state if known else "unknown",
    }
