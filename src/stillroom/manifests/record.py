"""What stillroom wrote into an output folder: a list with digests, so that only its own files are ever taken away."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from stillroom.history import durable

__all__ = ["NAME", "Record", "digest", "read"]

NAME = ".stillroom-manifests.json"
_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Record:
    """The files that stand in a folder because stillroom wrote them.

    Attributes:
        files: path relative to the folder -> SHA-256 of what was written.
        patches: path of a patch -> the Deployment that it is for.
        profile: what they were made for.
    """

    files: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    patches: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    profile: str = ""

    def text(self) -> str:
        """As it is written."""
        told = {
            "version": _VERSION,
            "profile": self.profile,
            "files": dict(sorted(self.files.items())),
            "patches": dict(sorted(self.patches.items())),
        }
        return json.dumps(told, indent=2) + "\n"


def read(folder: Path) -> Record:
    """The record of a folder; an empty one where there is none, or none that can be believed."""
    try:
        told = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Record()
    if not isinstance(told, dict) or told.get("version") != _VERSION:
        return Record()
    return Record(_texts(told.get("files")), _texts(told.get("patches")), str(told.get("profile", "")))


def digest(text: str) -> str:
    """The SHA-256 of a text, as the record has it."""
    return durable.sha256(text.encode())


def _texts(value: object) -> dict[str, str]:
    """Entries of the right form, none of which leads out of the folder."""
    if not isinstance(value, dict):
        return {}
    return {key: each for key, each in value.items() if isinstance(key, str) and isinstance(each, str) and _within(key)}


def _within(path: str) -> bool:
    pure = PurePosixPath(path)
    return bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts and path != NAME
