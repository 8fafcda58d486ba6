"""`verify`: what each service would find at its start: ready, or the state that keeps it from starting."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import errors, fleet, session
from stillroom.registry import model

__all__ = ["Options", "Verified", "run", "shown"]

_POLICIES = ("allow", "refuse")


@dataclasses.dataclass(frozen=True)
class Options:
    """How to verify.

    Attributes:
        deep: hold each schema against the fingerprint that the last migration run left.
        ahead: `allow` or `refuse`: a database that is ahead, where the ledger does not tell what the image can live with.
    """

    deep: bool = False
    ahead: str = "allow"


@dataclasses.dataclass(frozen=True)
class Verified:
    """A database that is ready.

    Attributes:
        state: `at_head`, or `ahead` that is allowed.
        revision: those that the database notes, comma-joined and sorted.
        tables: of the service.
        migrations: how many revisions the code has.
        deep: whether the schema was held against its fingerprint.
        address: `host:port/database`.
    """

    state: str
    revision: str | None
    tables: int | None
    migrations: int
    deep: bool
    address: str

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Verified:
        """What the operation `verify` answered."""
        return cls(
            str(answer["state"]),
            answer["current_revision"],
            answer["tables"],
            int(answer["migrations"]),
            bool(answer["deep"]),
            str(answer["address"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return dataclasses.asdict(self)


def run(
    opened: session.Session, services: Sequence[model.Service], options: Options, watcher: fleet.Watcher
) -> list[fleet.Outcome[Verified]]:
    """Verifies all services at once; one that is not ready has failed, by the code of its state.

    Raises:
        errors.UsageError: no such policy.
    """
    if options.ahead not in _POLICIES:
        raise errors.UsageError(f"--ahead {options.ahead}: there is no such policy", f"give {' or '.join(_POLICIES)}")

    def one(service: model.Service, follower: fleet.Follower) -> Verified:
        return Verified.from_answer(opened.call(service, "verify", dataclasses.asdict(options), follower))

    return fleet.run(services, one, watcher, jobs=opened.jobs)


def shown(outcome: fleet.Outcome[Verified]) -> tuple[str, str, str, int | None]:
    """What a table says of a service: state (or `failed`), revisions of database and code, tables."""
    if outcome.value is not None:
        found = outcome.value
        return found.state, found.revision or "", found.revision or "", found.tables
    data = outcome.failure.data if outcome.failure is not None else {}
    state = str(data.get("state") or "failed")
    return state, ",".join(data.get("current") or ()), ",".join(data.get("heads") or ()), data.get("tables")
