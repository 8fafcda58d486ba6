"""What can be wrong with revisions that were read: by themselves, and beside each other."""

from __future__ import annotations

from collections.abc import Iterable

from .revision_file import Revision
from .revision_problem import Problem

__all__ = ["label_clash", "own_problems"]

_ILLEGAL = "@-+:"  # alembic.script.revision refuses these in an id


def own_problems(revision: Revision, limit: int) -> Iterable[Problem]:
    """What is wrong with a revision by itself: its id, names that only running it would tell."""
    id_ = revision.id
    if len(id_) > limit:
        yield Problem(
            "id-too-long",
            f"Revision id {id_!r} in {revision.name} has {len(id_)} characters; the version table holds {limit}.",
            f"Shorten it to {limit} characters or less there, and in the `down_revision` of what follows it.",
            (revision.path,),
            about="revision",
        )
    bad = sorted(set(id_) & set(_ILLEGAL))
    if bad or not id_:
        what = f"has characters that Alembic refuses: {' '.join(bad)}" if bad else "is empty"
        yield Problem(
            "id-not-allowed",
            f"Revision id {id_!r} in {revision.name} {what}.",
            "Use letters, digits and `_`.",
            (revision.path,),
            about="revision",
        )
    for name, line in revision.computed:
        yield Problem(
            "computed",
            f"{revision.name}, line {line}: `{name}` is computed, so that only running the file would tell it.",
            f"Nothing to do, unless `{name}` matters to a check: then write it as plain text.",
            (revision.path,),
            severity="warning",
            line=line,
            about=name,
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
        "label-clash",
        message,
        f"Keep it in one place; in {one.name}, rename it.",
        tuple({other.path: 0, one.path: 0}),
        about="branch_labels",
    )
