"""`history`: what the ledger in each service's database says of the migration runs there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import errors, fleet, session
from stillroom.registry import model

__all__ = ["Runs", "run"]


_WHY_NONE = {
    "missing": "there is no ledger yet: the first migration makes it",
    "unreadable": "its role may not read the ledger (GRANT USAGE ON SCHEMA stillroom, GRANT SELECT on its tables)",
    "foreign": "the schema stillroom is no ledger",
}


@dataclasses.dataclass(frozen=True)
class Runs:
    """The runs of one service.

    Attributes:
        runs: the newest first, as the ledger has them: `started`, `what` (`migrate`, `downgrade`, `stamp`), `outcome`,
            `from_revisions`, `to_revisions`, `seconds`, `actor`, `host`, `image`, `commit`, `error`, `applied` (`revision`,
            `kind`, `reason`, `seconds`), ….
        ledger: whether there is one: `readable`; `unreadable` by the service's role; `missing`; `foreign`: a schema of its
            name is there that is none.
        version_table: its full name.
        address: `host:port/database`.
    """

    runs: tuple[Mapping[str, Any], ...]
    ledger: str
    version_table: str
    address: str

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Runs:
        """What the operation `history` answered."""
        return cls(tuple(answer["runs"]), str(answer["ledger"]), str(answer["version_table"]), str(answer["address"]))

    @property
    def why_none(self) -> str:
        """Why there are no runs to show."""
        return _WHY_NONE.get(self.ledger, "no run is noted")

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
