"""`history`: what the ledger in each service's database says of the migration runs there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import errors, fleet, session
from stillroom.registry import model

__all__ = ["Runs", "run"]


@dataclasses.dataclass(frozen=True)
class Runs:
    """The runs of one service.

    Attributes:
        runs: the newest first, as the ledger has them: `started`, `outcome`, `from_revisions`, `to_revisions`, `seconds`,
            `actor`, `host`, `image`, `commit`, `error`, `applied` (`revision`, `kind`, `reason`, `seconds`), ….
        ledger: whether there is a ledger that the service's role may read.
        version_table: its full name.
        address: `host:port/database`.
    """

    runs: tuple[Mapping[str, Any], ...]
    ledger: bool
    version_table: str
    address: str

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Runs:
        """What the operation `history` answered."""
        return cls(tuple(answer["runs"]), bool(answer["ledger"]), str(answer["version_table"]), str(answer["address"]))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {**dataclasses.asdict(self), "runs": [dict(each) for each in self.runs]}


def run(
    opened: session.Session, services: Sequence[model.Service], most: str, watcher: fleet.Watcher
) -> list[fleet.Outcome[Runs]]:
    """Reads the ledgers of all services at once.

    Raises:
        errors.UsageError: `most` is no number.
    """
    if not (most.isascii() and most.isdigit() and int(most) > 0):
        raise errors.UsageError(f"--most {most}: a whole number of at least 1 is needed", "leave it out for 20")

    def one(service: model.Service, follower: fleet.Follower) -> Runs:
        return Runs.from_answer(opened.call(service, "history", {"most": int(most)}, follower))

    return fleet.run(services, one, watcher, jobs=opened.jobs)
