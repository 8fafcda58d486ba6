"""Preflight: the Alembic project as it lies on the disk. Nothing of it is executed, no library is needed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import facts
from ..housekeeping import disk
from ..projects import env_locations, locations, unread
from ..reading import revisions, version_width
from .preflight_findings import Findings

__all__ = ["ALMOST_FULL", "FULL", "Files", "judge_disk", "judge_history", "look", "look_at_places"]

ALMOST_FULL = 100 * 1024 * 1024
"""Free bytes under which a warning is due: a fleet's files need far less, but others write there, too."""

FULL = 10 * 1024 * 1024
"""Free bytes under which a run is expected to fail."""


class Files:
    """Where the project's parts are; each is None or empty where it could not be found.

    Attributes:
        places: what alembic.ini says.
        env_source: text of env.py.
        graph: the history.
    """

    def __init__(self) -> None:
        self.places: locations.Locations | None = None
        self.env_source = ""
        self.graph: revisions.Graph | None = None


def look(found: Findings, service: facts.ServiceFacts, known: dict[str, Any]) -> Files:
    """Finds configuration, env.py, migrations folder and history; findings and facts go along."""
    files = Files()
    with found.checking("config"):
        files.places = locations.of(service)
    if files.places is None:
        return files
    look_at_places(found, files, known)
    with found.checking("history"):
        files.graph = revisions.read(files.places.version_locations, recursive=files.places.recursive)
        env_locations.refuse(service, files.places, files.graph)
        known["files"] = [_file(each) for each in files.graph.revisions]
        known["heads"] = sorted(files.graph.heads)
    with found.checking("disk"):
        _disk(found, files.places)
    return files


def look_at_places(found: Findings, files: Files, known: dict[str, Any]) -> None:
    """Whether configuration, env.py and migrations folder are there; the text of env.py goes to `files`.

    Args:
        found: the findings go here.
        files: with its `places`.
        known: `folders` and `recursive` go here.
    """
    places = files.places
    if places is None:
        return
    found.ok("config", _configuration(places))
    with found.checking("env.py"):
        files.env_source = _env(found, places)
    with found.checking("folder"):
        _folders(found, places, known)


def judge_history(found: Findings, service: facts.ServiceFacts, files: Files, width: int | None) -> None:
    """Whether the history is sound, and all of it is read.

    Args:
        found: the findings go here.
        service: what the registry declares.
        files: with places and graph; else nothing is said.
        width: of the version table's column in the database, in characters; None: not known.
    """
    graph = files.graph
    if graph is None or files.places is None:
        return
    limits = version_width.limits(graph, files.env_source, service.version_width if width is None else width)
    problems = [each for each in graph.problems(service.heads, id_limit=limits) if each.code != "no-folder"]
    left_out = unread.problems(files.places, graph, declared=service.version_locations is not None)
    if any(each.severity == "error" for each in left_out):  # what seems wrong may only be what is not read
        problems = [each for each in problems if each.code not in unread.CAUSES]
    problems += left_out
    for problem in problems:
        say = found.warning if problem.severity == "warning" else found.error
        if problem.code == "no-revisions":
            found.ok("history", "no revision yet")
        else:
            say("history", problem.message, problem.mend, code=problem.code, files=list(problem.files))
    if not problems:
        count, tips = len(graph.revisions), len(graph.heads)
        found.ok(
            "history",
            f"{count} revision{'s' if count != 1 else ''}, {tips} head{'s' if tips != 1 else ''} "
            f"({', '.join(graph.heads)})",
            heads=list(graph.heads),
        )


def judge_disk(found: Findings, places: Sequence[tuple[str, str, int]]) -> None:
    """Whether there is room to write.

    Args:
        found: the findings go here.
        places: what it is, where it is, free bytes.
    """
    short = False
    for what, where, free in places:
        if free < ALMOST_FULL:
            short = True
            say = found.error if free < FULL else found.warning
            say(
                "disk",
                f"{what} ({where}) has {_size(free)} left",
                f"free some space there: du -xh {where} | sort -h",
                free=free,
            )
    if not short and places:
        found.ok("disk", f"{_size(min(free for _, _, free in places))} free")


def _configuration(places: locations.Locations) -> str:
    if places.ini is not None:
        return f"{places.ini}, [{places.section}]"
    return f"{places.toml}, [tool.alembic]" if places.toml is not None else "none: services.yaml names script_location"


def _env(found: Findings, places: locations.Locations) -> str:
    env = places.script_location / "env.py"
    if not places.script_location.is_dir():
        found.error(
            "env.py",
            f"the migrations folder {places.script_location}, which {places.file} names, does not exist",
            f"correct script_location in {places.file.name}, or name the folder in services.yaml (script_location:); if "
            f"there is none yet, make it: alembic -c {places.file.name} init -t async {places.script_location}",
            code="script-location-missing",
        )
        return ""
    if not env.is_file():
        found.error(
            "env.py",
            f"there is no env.py in {places.script_location}, which {places.file} names",
            f"correct script_location in {places.file.name}, or bring it back from version control "
            f"(git checkout -- {env})",
            code="env-missing",
        )
        return ""
    found.ok("env.py", str(env))
    return env.read_text(encoding="utf-8", errors="replace")


def _folders(found: Findings, places: locations.Locations, known: dict[str, Any]) -> None:
    known["folders"] = [str(each) for each in places.version_locations]
    known["recursive"] = places.recursive
    if not places.script_location.is_dir():
        return
    missing = [each for each in places.version_locations if not each.is_dir()]
    for folder in missing:
        found.error(
            "folder",
            f"the versions folder {folder} does not exist",
            f"mkdir -p {folder} (git keeps no empty folder: put a .gitkeep into it), or correct {places.file.name}",
            code="folder-missing",
        )
    if not missing:
        found.ok("folder", ", ".join(known["folders"]))


def _file(revision: revisions.Revision) -> dict[str, Any]:
    return {
        "name": revision.name,
        "revision": revision.id,
        "size": len(revision.source),
        "sha256": hashlib.sha256(revision.source).hexdigest(),
    }


def _disk(found: Findings, places: locations.Locations) -> None:
    wanted = [
        ("the folder of the migrations", str(places.script_location)),
        ("the temporary folder", str(disk.temporary())),
    ]
    judge_disk(found, [(what, where, shutil.disk_usage(where).free) for what, where in wanted if Path(where).is_dir()])


def _size(count: int) -> str:
    if count >= 1 << 30:
        return f"{count / (1 << 30):.1f} GB"
    return f"{count / (1 << 20):.0f} MB"
