"""`revision`: one more revision for each service whose models have changed, proven, and brought home."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import bring_home, errors, fleet, session
from stillroom.registry import model
from stillroom.runtime.reading import revisions

__all__ = ["Done", "Options", "run"]


@dataclasses.dataclass(frozen=True)
class Options:
    """What the person asked for.

    Attributes:
        message: of the revision.
        head: which head it follows, where a history has several by design.
        fail_fast: after the first failure no further service is begun.
    """

    message: str
    head: str | None = None
    fail_fast: bool = False


@dataclasses.dataclass(frozen=True)
class Done:
    """What became of one service.

    Attributes:
        unchanged: the models say nothing new; nothing was written.
        revision: the new one, or the head where there is none.
        follows: the head before.
        file: its name; empty where there is none.
        copied: bytes written; 0 where the file was there already.
        tables, operations: of the metadata, of the upgrade.
        drops: what the upgrade drops.
        renames: drops that look like the half of a rename, in sentences.
        difference: how the schema changes, line by line.
        mended: what was mended in Alembic's output, in sentences.
        proof: step -> seconds.
    """

    unchanged: bool
    revision: str
    follows: str
    file: str
    copied: int
    tables: int
    operations: int
    drops: Sequence[str] = ()
    renames: Sequence[str] = ()
    difference: Sequence[str] = ()
    mended: Sequence[str] = ()
    proof: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return dataclasses.asdict(self)


def run(
    opened: session.Session, services: Sequence[model.Service], options: Options, watcher: fleet.Watcher
) -> list[fleet.Outcome[Done]]:
    """Makes, proves and brings home; a service that fails is left as it was."""
    return fleet.run(
        services,
        lambda service, follower: _one(opened, service, options, follower),
        watcher,
        jobs=opened.jobs,
        fail_fast=options.fail_fast,
    )


def _one(opened: session.Session, service: model.Service, options: Options, follower: fleet.Follower) -> Done:
    made = opened.call(service, "revision", {"message": options.message, "head": options.head}, follower)
    if made["unchanged"]:
        return Done(True, made["revision"], made["follows"], "", 0, made["tables"], 0)
    follower.step("copy back")
    home = _bring_home(opened, service, made)
    return Done(
        unchanged=False,
        revision=made["revision"],
        follows=made["follows"],
        file=home.file,
        copied=home.copied,
        tables=made["tables"],
        operations=made["operations"],
        drops=tuple(made["drops"]),
        renames=tuple(made["renames"]),
        difference=tuple(made["difference"]),
        mended=tuple(made["mended"]),
        proof=made["proof"],
    )


def _bring_home(opened: session.Session, service: model.Service, made: Mapping[str, Any]) -> bring_home.Home:
    """Puts the file into the version location of the revision that it follows.

    Raises:
        errors.Refused: if it would follow what is not here, or fork the history: the target has another one.
        errors.StillroomError: if the file is not what was promised, or can't be written.
    """
    where = opened.layout_of(service, made)
    graph = revisions.read(where.folders, recursive=where.recursive)
    follows = str(made["follows"])
    if follows not in graph.heads:
        raise errors.Refused(
            f"{service.name}: the new revision follows {follows}, which is not a head of the history here "
            f"({', '.join(graph.heads) or 'empty'}): the target has another history",
            "bring the two together first (commit or fetch the missing files), then run it again",
        )
    return bring_home.add_revision(opened.fleet.state, service.name, where, graph.by_id[follows].path, made)
