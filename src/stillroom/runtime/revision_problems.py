"""What can be wrong with a revision file or a history: one sentence of what, one of how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .revisions import Revision

__all__ = [
    "Problem",
    "does_not_parse",
    "label_clash",
    "listed",
    "no_folder",
    "no_revisions",
    "not_a_revision",
    "own_problems",
]

_ILLEGAL = "@-+:"  # alembic.script.revision refuses these in an id


@dataclass(frozen=True)
class Problem:
    """Something wrong with a history.

    `code` is stable and kebab-case, `message` one sentence with the files, `mend` what to do, `files` the paths,
    `severity` "error" or "warning".
    """

    code: str
    message: str
    mend: str
    files: tuple[str, ...] = ()
    severity: str = "error"

    def __str__(self) -> str:
        return f"{self.message} {self.mend}"


def own_problems(revision: Revision, limit: int) -> Iterable[Problem]:
    """What is wrong with a revision by itself: its id, names that only running it would tell."""
    id_ = revision.id
    if len(id_) > limit:
        yield Problem(
            "id-too-long",
            f"Revision id {id_!r} in {revision.name} has {len(id_)} characters; the version table holds {limit}.",
            f"Shorten it to {limit} characters or less there, and in the `down_revision` of what follows it.",
            (revision.path,),
        )
    bad = sorted(set(id_) & set(_ILLEGAL))
    if bad or not id_:
        what = f"has characters that Alembic refuses: {' '.join(bad)}" if bad else "is empty"
        yield Problem(
            "id-not-allowed",
            f"Revision id {id_!r} in {revision.name} {what}.",
            "Use letters, digits and `_`.",
            (revision.path,),
        )
    for name, line in revision.computed:
        yield Problem(
            "computed",
            f"{revision.name}, line {line}: `{name}` is computed, so that only running the file would tell it.",
            f"Nothing to do, unless `{name}` matters to a check: then write it as plain text.",
            (revision.path,),
            severity="warning",
        )


def label_clash(label: str, one: Revision, other: Revision) -> Problem:
    """A branch label that `one` and `other` share, or that is an id."""
    if label in (one.id, other.id):
        message = f"Branch label {label!r} in {one.name} is the revision id of {other.name}, too."
    elif one is other:
        message = f"Branch label {label!r} stands twice in {one.name}."
    else:
        message = f"Branch label {label!r} stands in two files: {other.name} and {one.name}."
    return Problem(
        "label-clash", message, f"Keep it in one place; in {one.name}, rename it.", tuple({other.path: 0, one.path: 0})
    )


def does_not_parse(shown: str, exc: SyntaxError, path: str = "") -> Problem:
    """Python cannot parse the file."""
    return Problem(
        "does-not-parse",
        f"{shown}, line {exc.lineno or 1}: does not parse: {exc.msg}.",
        "Correct the file, or bring it back from version control (`git checkout -- FILE`).",
        (path or shown,),
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
