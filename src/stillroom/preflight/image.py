"""Whether the code in an image is the code of this folder: autogenerate looks at the image's models."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stillroom import errors, session
from stillroom.registry import model
from stillroom.reports import Finding
from stillroom.runtime.readiness import preflight_sources

__all__ = ["Code", "compare", "judge", "look"]

_SHOWN = 6
_MEND = "build and deploy the image of this folder, or go on with the code that is there: --allow-stale-image"


@dataclasses.dataclass(frozen=True)
class Code:
    """What is here of what the image has.

    Attributes:
        files: path as the image tells it to the digest of the file here; None: there is none.
        beside: modules that are here, in packages of models, and not in the image.
        revisions: name of a revision file to the SHA-256 of its content here.
        problem: why they could not be looked at; empty if they could.
    """

    files: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    beside: Sequence[str] = ()
    revisions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    problem: str = ""


def look(opened: session.Session, service: model.Service, facts: Mapping[str, Any]) -> Code:
    """Reads the files of this folder that the image has, too.

    Args:
        opened: knows where the migrations are here.
        service: whose.
        facts: of the runtime's preflight: `sources`, `folders`.
    """
    told = facts.get("sources") or {"files": {}, "packages": []}
    roots = _roots(service)
    files = {name: _digest_of(roots, name) for name in told["files"]}
    beside = [
        name for package in told["packages"] for name in _modules(roots, str(package)) if name not in told["files"]
    ]
    try:
        names = opened.layout_of(service, facts).names()
    except errors.StillroomError as error:
        return Code(files, beside, problem=error.message)
    return Code(files, beside, {name: hashlib.sha256(content).hexdigest() for name, content in names.items()})


def judge(service: str, facts: Mapping[str, Any], here: Code, *, allowed: bool) -> list[Finding]:
    """The findings. Pure.

    Args:
        service: its name.
        facts: of the runtime's preflight: `sources`, `files`.
        here: what is on this side.
        allowed: whether other code there is no error.
    """
    level = "warning" if allowed else "error"
    told = facts.get("sources")
    if told is None:
        if "metadata_tables" not in facts:
            return [Finding("image", "skipped", "its code was not compared: the models could not be imported there")]
        return [_unknown(service, "its runtime does not tell which code it has", level)]
    if not any(digest is not None for digest in here.files.values()):
        why = f"of its {len(told['files'])} source files none is found here" if told["files"] else "it has no sources"
        return [_unknown(service, why, level)]
    lines = [*compare(told["files"], here), *_revisions(facts, here)]
    if not lines:
        count = len(told["files"])
        message = f"its code is that of this folder: {count} source files, {len(here.revisions)} revisions"
        return [Finding("image", "ok", message)]
    shown = ", ".join(lines[:_SHOWN]) + (f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else "")
    data = {"code": "stale-image", "files": lines}
    return [
        Finding("image", level, f"{service}: the code in its image is not that of this folder: {shown}", _MEND, data)
    ]


def compare(there: Mapping[str, str], here: Code) -> list[str]:
    """What is different of the source files, in a few words each."""
    found = []
    for name, digest in sorted(there.items()):
        mine = here.files.get(name)
        if mine is None:
            found.append(f"{name} is only in the image")
        elif mine != digest:
            found.append(f"{name} differs")
    return [*found, *(f"{name} is not in the image" for name in sorted(here.beside))]


def _revisions(facts: Mapping[str, Any], here: Code) -> list[str]:
    """What is different of the revision files."""
    if here.problem:
        return []  # told by the checks of the folders
    there = {str(each["name"]): str(each["sha256"]) for each in facts.get("files") or ()}
    shown = {name.rpartition("/")[2]: digest for name, digest in here.revisions.items()}
    return [
        *(f"revision {name} is not in the image" for name in sorted(shown.keys() - there.keys())),
        *(f"revision {name} is only in the image" for name in sorted(there.keys() - shown.keys())),
        *(f"revision {name} differs" for name in sorted(there.keys() & shown.keys()) if there[name] != shown[name]),
    ]


def _unknown(service: str, why: str, level: str) -> Finding:
    return Finding(
        "image",
        level,
        f"{service}: whether the code in its image is that of this folder is not known: {why}",
        "say where the code is in the image (remote_path: in services.yaml), or go on without knowing: --allow-stale-image",
        {"code": "stale-unknown"},
    )


def _roots(service: model.Service) -> list[Path]:
    """Where what the image has may be here: the service's folder, and where it imports from."""
    prepended = [service.path / each for each in service.prepend_sys_path or ()]
    return list(dict.fromkeys([service.path, service.path / "src", *prepended]))


def _digest_of(roots: Sequence[Path], name: str) -> str | None:
    for root in roots:
        file = root / name
        if file.is_file():
            return preflight_sources.digest(file.read_bytes())
    return None


def _modules(roots: Sequence[Path], package: str) -> list[str]:
    for root in roots:
        if (root / package).is_dir():
            return [each.relative_to(root).as_posix() for each in sorted((root / package).rglob("*.py"))]
    return []
