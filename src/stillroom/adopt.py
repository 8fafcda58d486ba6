"""`adopt`: notes the code's heads in databases that are what their history makes; compared first, always."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import fleet, session, sharing
from stillroom.registry import model

__all__ = ["Done", "run"]


@dataclasses.dataclass(frozen=True)
class Done:
    """What adopting came to.

    Attributes:
        outcome: `stamped`, `would stamp`, `nothing to do`.
        state: of the database before.
        before, after: the revisions that the database notes.
        tables: of the service.
        address: `host:port/database`.
    """

    outcome: str
    state: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    tables: int
    address: str

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Done:
        """What the operation `adopt` answered."""
        return cls(
            answer["outcome"],
            answer["state"],
            tuple(answer["before"]),
            tuple(answer["after"]),
            int(answer["tables"]),
            answer["address"],
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return dataclasses.asdict(self)


def run(
    opened: session.Session, services: Sequence[model.Service], watcher: fleet.Watcher, *, dry_run: bool = False
) -> list[fleet.Outcome[Done]]:
    """Compares each database with what its history makes, and stamps those that are equal.

    Args:
        opened: the environment.
        services: which ones.
        watcher: is told.
        dry_run: compares, and writes nothing: the plan. A run compares again before it writes.
    """

    def one(service: model.Service, follower: fleet.Follower) -> Done:
        return Done.from_answer(
            opened.call(service, "adopt", {"dry_run": dry_run, **sharing.asked(opened, service)}, follower)
        )

    return fleet.run(services, one, watcher, jobs=opened.jobs)
