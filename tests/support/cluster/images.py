"""The images that the cluster can pull: each is a folder on this machine and an interpreter."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Image", "NoProgram"]

_PYTHON = re.compile(r"^(?:/[^\0]*/)?python(?:3(?:\.\d+)?)?$")


class NoProgram(Exception):
    """The image has no such program; the text is the container runtime's."""


@dataclasses.dataclass(frozen=True)
class Image:
    """What a container is made from.

    Attributes:
        reference: name and tag, as pods ask for it.
        folder: copied for each container, which then starts in its copy; None: an empty one.
        python: the interpreter that `python`, `python3`, `/usr/local/bin/python3.11` and the like mean inside.
        env: variables that the image itself sets.
        entrypoint: what runs where the pod names no command; () idles.
        programs: further programs: name to path on this machine. There is no shell unless one is named here.
        digest: `sha256:…`; "": made from the reference, or given by the folder's content of the moment.
        problem: a reason why it can't be pulled; "": it can.
    """

    reference: str
    folder: Path | None = None
    python: str = sys.executable
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    programs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    digest: str = ""
    problem: str = ""

    @property
    def id(self) -> str:
        """As a container's status has it: `repository@sha256:…`."""
        repository = self.reference.split("@")[0]
        head, _, last = repository.rpartition("/")
        bare = f"{head}/{last.split(':')[0]}" if head else last.split(":")[0]
        digest = self.digest or f"sha256:{hashlib.sha256(self.reference.encode()).hexdigest()}"
        return f"{bare}@{digest}"

    def program(self, name: str) -> str:
        """What is started for the first word of a command. Raises `NoProgram`."""
        if name in self.programs:
            return self.programs[name]
        if _PYTHON.match(name):
            return self.python
        beside = shutil.which(name, path=str(Path(self.python).parent)) if "/" not in name else None
        if beside is None:
            missing = "executable file not found in $PATH" if "/" not in name else "no such file or directory"
            raise NoProgram(
                "OCI runtime exec failed: exec failed: unable to start container process: "
                f'exec: "{name}": {"stat " + name + ": " if "/" in name else ""}{missing}: unknown'
            )
        return beside
