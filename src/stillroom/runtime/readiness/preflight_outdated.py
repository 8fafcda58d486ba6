"""Preflight: what the history, or `env.py`, does that the service's SQLAlchemy refuses each time. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from ..reading import revision_head, revision_outdated, revisions
from .preflight_findings import Findings

__all__ = ["judge"]

_ANY = re.compile(rb"\.(?:execute|scalars?)\s*\(|\b(?:select|case)\s*\(\s*\[|\bMetaData\s*\(|\bautoload\b")


def judge(
    found: Findings, graph: revisions.Graph | None, env_source: str, version: str, applied: Collection[str]
) -> None:
    """What stands in files that were written for SQLAlchemy 1.

    Args:
        found: the findings go here. Revisions that are applied do not run any more, but for a baseline that is to
            replace them: a warning.
        graph: the history; None: not known.
        env_source: text of `env.py`.
        version: of the service's SQLAlchemy.
        applied: what the database is at.
    """
    if version.startswith(("0.", "1.")):
        return
    _judge_env(found, env_source, version)
    if graph is None:
        return
    done = graph.ancestors([each for each in applied if each in graph.by_id])
    places = {each.name: (each.id in done, outdated) for each in graph.revisions if (outdated := _of(each))}
    for is_done in (False, True):
        listed = {name: outdated for name, (ran, outdated) in places.items() if ran == is_done}
        if listed:
            _tell(found, listed, version, done=is_done)


def _of(revision: revisions.Revision) -> list[revision_outdated.Outdated]:
    if not _ANY.search(revision.source):
        return []
    try:
        return revision_outdated.in_revision(revision_head.parse_module(revision.source, revision.name))
    except SyntaxError:
        return []  # told as such


def _judge_env(found: Findings, env_source: str, version: str) -> None:
    try:
        outdated = revision_outdated.in_env(revision_head.parse_module(env_source.encode(), "env.py"))
    except SyntaxError:
        return
    if outdated:
        first = outdated[0]
        found.error(
            "env.py",
            f"env.py, line {first.line}: {first.what} is refused by SQLAlchemy {version}",
            f"write {first.instead}, or install SQLAlchemy 1.4 for the service's interpreter",
            code="sqlalchemy-refuses",
            places=[f"env.py:{each.line}" for each in outdated],
        )


def _tell(found: Findings, places: dict[str, list[revision_outdated.Outdated]], version: str, *, done: bool) -> None:
    name, outdated = next(iter(places.items()))
    first = outdated[0]
    more = f", and {len(places) - 1} more revisions have the like" if len(places) > 1 else ""
    what = f"{name}, line {first.line}: {first.what} is refused by SQLAlchemy {version}{more}"
    listed = [f"{each}:{one.line}" for each, several in places.items() for one in several]
    if done:
        found.warning(
            "revisions",
            f"{what}: applied here already, but it fails on an empty database",
            f"write {first.instead}; a baseline can't be held against this history before",
            code="sqlalchemy-refuses",
            places=listed,
        )
        return
    found.error(
        "revisions",
        f"{what}: the upgrade fails there",
        f"write {first.instead}, or install SQLAlchemy 1.4 for the service's interpreter",
        code="sqlalchemy-refuses",
        places=listed,
    )
