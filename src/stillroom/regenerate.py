"""`regenerate`: each service's history is replaced by one fresh baseline, made and proven on a scratch database."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import fleet, session
from stillroom.registry import model

__all__ = ["Done", "Options", "run"]


@dataclasses.dataclass(frozen=True)
class Options:
    """What the person asked for; see the help of `invoke regenerate`."""

    message: str | None = None
    apply: bool = False
    skip_backup: bool = False
    skip_db_check: bool = False
    check_existing: bool = False
    ignore_preflight: bool = False
    fail_fast: bool = False
    carry_over: bool = False
    accept_loss: tuple[str, ...] = ()
    reset_in_place: bool = False
    allow_protected: str | None = None
    expect_database: str | None = None


@dataclasses.dataclass(frozen=True)
class Done:
    """What became of one service.

    Attributes:
        copied: bytes written to the migrations folder; 0 where the file was there already.
        applied: what the upgrade of the service's database came to; None where it was not asked for.
        loss: what the old history had and the baseline lacks, and the schema difference; None without old history.
    """

    tables: int
    operations: int
    revision: str
    file: str
    copied: int
    applied: str | None
    proof: Mapping[str, float]
    mended: Sequence[str]
    loss: Mapping[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return dataclasses.asdict(self)


def run(
    opened: session.Session, services: Sequence[model.Service], options: Options, watcher: fleet.Watcher
) -> list[fleet.Outcome[Done]]:
    """Carries it out for all services at once."""
    return fleet.run(
        services,
        lambda service, follower: _one(opened, service, options, follower),
        watcher,
        jobs=opened.jobs,
        fail_fast=options.fail_fast,
    )


def _one(opened: session.Session, service: model.Service, options: Options, follower: fleet.Follower) -> Done:
    asked = {
        "message": options.message or service.message,
        "accept_loss": list(options.accept_loss),
        "carry_over": options.carry_over,
    }
    made = opened.call(service, "generate", asked, follower)
    return Done(
        tables=made["tables"],
        operations=made["operations"],
        revision=made["revision"],
        file=made["file"]["name"],
        copied=0,
        applied=None,
        proof=made["proof"],
        mended=made["mended"],
        loss=made["loss"],
    )
