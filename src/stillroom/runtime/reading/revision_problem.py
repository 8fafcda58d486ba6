"""A problem with a revision file or a history: one sentence of what, one of how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Problem", "does_not_parse", "line_of", "listed", "no_folder", "no_revisions", "not_a_revision"]


@dataclass(frozen=True)
class Problem:
    """Something wrong with a history.

    `code` is stable and kebab-case, `message` one sentence with the files, `mend` what to do, `files` the paths,
    `severity` "error", "warning" or "note" (usual and fine).
    Where in the files: at `line` of the first, or where each sets the name `about`
    (`revision`, `down_revision`, ...); 0 and "": nowhere special.
    """

    code: str
    message: str
    mend: str
    files: tuple[str, ...] = ()
    severity: str = "error"
    line: int = 0
    about: str = ""

    def __str__(self) -> str:
        return f"{self.message} {self.mend}"


def does_not_parse(shown: str, exc: SyntaxError, path: str = "") -> Problem:
    """Python cannot parse the file."""
    return Problem(
        "does-not-parse",
        f"{shown}, line {exc.lineno or 1}: does not parse: {exc.msg}.",
        "Correct the file, or bring it back from version control (`git checkout -- FILE`).",
        (path or shown,),
        line=exc.lineno or 1,
    )


def not_a_revision(shown: str, path: str, missing: str, source: bytes) -> Problem:
    """A file that Alembic would load, and that declares no `revision` or no `down_revision`."""
    if not source.strip():
        message = f"{shown} is empty ({len(source)} bytes), and Alembic refuses the whole folder because of it."
        return Problem("not-a-revision", message, "Remove it, or bring it back from version control.", (path,))
    if missing == "down_revision":
        message = f"{shown} has no `down_revision`, and Alembic fails on the whole folder because of it."
        return Problem("not-a-revision", message, "Add `down_revision = None` (or its parent's id).", (path,))
    return Problem(
        "not-a-revision",
        f"{shown} lies in the versions folder and has no `revision`: Alembic refuses the whole folder because of it.",
        "Move it out of the folder (a helper belongs beside it), or give it a `revision` and `down_revision`.",
        (path,),
    )


def no_folder(folder: Path) -> Problem:
    """A version location that does not exist, which Alembic passes over."""
    return Problem(
        "no-folder",
        f"There is no folder {folder}.",
        f"`mkdir -p {folder}`, or correct `script_location` or `version_locations`.",
        (str(folder),),
        severity="warning",
    )


def no_revisions() -> Problem:
    """The folder is empty, which is no fault before the first generation."""
    return Problem(
        "no-revisions",
        "There is no revision file yet.",
        "`invoke regenerate` makes the first one.",
        severity="warning",
    )


def listed(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    each = list(names)
    return " and ".join([", ".join(each[:-1]), each[-1]] if len(each) > 1 else each)


def line_of(path: str, name: str) -> int:
    """The line of a file at which `name` is set at the top level; 1 where it is not, or can't be read."""
    try:
        source = Path(path).read_bytes()
    except OSError:
        return 1
    found = re.search(rb"^" + re.escape(name.encode()) + rb"\b", source, re.MULTILINE)
    return source.count(b"\n", 0, found.start()) + 1 if found else 1
