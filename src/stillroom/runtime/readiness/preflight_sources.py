"""What the service's code is, file by file, so that the operator side can tell whether it is the code that lies there.

In an image it may be older: then a generated revision would be of models that nobody has any more.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import facts

__all__ = ["digest", "digests"]

_INSTALLED = ("site-packages", "dist-packages")


def digest(content: bytes) -> str:
    """SHA-256 of a source file, whatever its line ends are: a checkout may have others than an image."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def digests(service: facts.ServiceFacts, env: Path | None) -> dict[str, Any]:
    """The files that importing the models has loaded, and those beside them in the packages that the registry names.

    Args:
        service: whose models have been imported.
        env: its env.py.

    Returns:
        `files`: path (relative to the service's folder, or to where an installed package lies, with slashes) to digest;
        `packages`: folders, likewise, in which there are no other modules than those in `files`; `unread`: files without
        a source.
    """
    folders = _ways(service.path)
    packages = sorted({each.partition(".")[0] for each in (*service.models, *_module_of(service.metadata))})
    found: dict[str, str] = {}
    named: dict[str, str] = {}
    unread: list[str] = []
    for name, path in _loaded():
        shown = _shown(name, path, folders, packages)
        if shown is None:
            continue
        if not path.endswith(".py"):
            unread.append(shown)
        elif shown not in found:
            found[shown] = digest(Path(path).read_bytes())
        if name in service.models and os.path.basename(path) == "__init__.py":  # noqa: PTH119 - as paths are here
            named[os.path.dirname(shown)] = os.path.dirname(path)  # noqa: PTH120
    for shown, place in named.items():
        found.update(_below(shown, place, found))
    if env is not None and env.is_file():
        shown_env = _within(str(env), folders)
        if shown_env is not None:
            found[shown_env] = digest(env.read_bytes())
    return {"files": found, "packages": sorted(named), "unread": sorted(set(unread))}


def _module_of(metadata: str | None) -> tuple[str, ...]:
    return () if metadata is None else (metadata.partition(":")[0],)


def _loaded() -> Iterator[tuple[str, str]]:
    """Name and file of each module that is loaded, but for our own."""
    ours = __name__.partition(".")[0]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and os.path.isfile(file) and name.partition(".")[0] != ours:  # noqa: PTH113
            yield name, os.path.abspath(file)  # noqa: PTH100 - links stay: a mounted ConfigMap has nothing else


def _shown(name: str, path: str, folders: tuple[str, ...], packages: list[str]) -> str | None:
    """The file's path as both sides understand it; None if it is nobody's of the service."""
    within = _within(path, folders)
    if within is not None:
        return within
    if name.partition(".")[0] not in packages:
        return None
    depth = len(name.split("."))
    parts = Path(path).parts
    return "/".join(parts[-depth - 1 :] if parts[-1].startswith("__init__.") else parts[-depth:])


def _ways(path: str) -> tuple[str, ...]:
    """A path as it is written, and as it is behind its links."""
    return os.path.abspath(path), os.path.realpath(path)  # noqa: PTH100 - links stay in the first


def _within(path: str, folders: tuple[str, ...]) -> str | None:
    """The path relative to the folder, whichever way leads into it; None if it lies elsewhere, or among packages."""
    for each in _ways(path):
        for folder in folders:
            if each.startswith(folder + os.sep):
                inside = Path(each).relative_to(folder).parts
                return None if set(inside) & set(_INSTALLED) else "/".join(inside)
    return None


def _below(shown: str, place: str, found: Mapping[str, str]) -> dict[str, str]:
    """All modules of a package, loaded or not: one that is new may be all that is missing."""
    inside = {f"{shown}/{each.relative_to(place).as_posix()}": each for each in sorted(Path(place).rglob("*.py"))}
    return {name: digest(path.read_bytes()) for name, path in inside.items() if name not in found}
