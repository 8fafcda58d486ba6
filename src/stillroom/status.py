"""`status`: where each service's database stands, against the revisions of its code."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import fleet, session, sharing
from stillroom.registry import model

__all__ = ["Status", "document", "notes", "run"]

_ALIKE = re.compile(r"invoke (?P<command>\w+) --service (?P<name>\S+)")


@dataclasses.dataclass(frozen=True)
class Status:
    """Where one service stands.

    Attributes:
        name: of the service.
        state: a word of `runtime.state`.
        revision: those that the database notes, comma-joined and sorted; None: none.
        head: those of the code, likewise.
        tables: how many tables of the service there are; None: the database could not be asked.
        message: what the state means here; empty where it says it all.
        mend: what to do; may be empty.
        address: `host:port/database`.
        pending: the revisions that are not applied, in order: `revision`, `message`, `file` of each.
        unknown: the noted revisions that the code does not have.
        invalid_indexes: those that a failed `CREATE INDEX CONCURRENTLY` left: `name`, `definition`, and `again`: the
            statements that make it anew.
    """

    name: str
    state: str
    revision: str | None
    head: str | None
    tables: int | None
    message: str = ""
    mend: str = ""
    address: str = ""
    pending: tuple[Mapping[str, str], ...] = ()
    unknown: tuple[str, ...] = ()
    invalid_indexes: tuple[Mapping[str, str], ...] = ()

    @classmethod
    def from_answer(cls, name: str, answer: Mapping[str, Any]) -> Status:
        """The status that the operation `status` gave."""
        return cls(
            name=name,
            state=str(answer["state"]),
            revision=_joined(answer["revision"]),
            head=_joined(answer["head"]),
            tables=answer["tables"],
            message=str(answer.get("message", "")),
            mend=str(answer.get("mend", "")),
            address=str(answer.get("address", "")),
            pending=tuple(answer.get("pending", ())),
            unknown=tuple(answer.get("unknown", ())),
            invalid_indexes=tuple(answer.get("invalid_indexes", ())),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; the first five keys are public API."""
        lists = {
            "pending": [dict(each) for each in self.pending],
            "unknown": list(self.unknown),
            "invalid_indexes": [dict(each) for each in self.invalid_indexes],
        }
        return {**dataclasses.asdict(self), **lists}


def _joined(revisions: Sequence[str]) -> str | None:
    return ",".join(sorted(revisions)) or None


def run(
    opened: session.Session, services: Sequence[model.Service], watcher: fleet.Watcher
) -> list[fleet.Outcome[Status]]:
    """Asks all services at once. A database that does not answer is a state; code that can't be read is a failure."""

    def one(service: model.Service, follower: fleet.Follower) -> Status:
        answer = opened.call(service, "status", {}, follower)
        return _of_whom(opened, service, Status.from_answer(service.name, answer), str(answer["version_table"]))

    return fleet.run(services, one, watcher, jobs=opened.jobs)


def _of_whom(opened: session.Session, service: model.Service, found: Status, table: str) -> Status:
    """The status; where a revision that the code does not have is a neighbour's, that is what has to be said."""
    owner = sharing.owner_of(opened, service, found.unknown) if found.unknown else None
    if owner is None:
        return found
    message, mend = sharing.one_version_table(service.name, owner, found.address, table)
    return dataclasses.replace(found, message=message, mend=mend)


def document(outcomes: Sequence[fleet.Outcome[Status]]) -> dict[str, Any]:
    """The JSON of `status --json`: `{"services": [{"name", "state", "revision", "head", "tables", …}]}`.

    Of a service that failed, the four are null, and `error` tells why.
    """
    return {"services": [_entry(each) for each in outcomes]}


def notes(found: Sequence[Status], *, environment: str = "", everything: Sequence[str] = ()) -> list[tuple[str, str]]:
    """What people are told below the table: pairs of what a state means and what to do; either may be empty. Pure.

    Services for which the same command is due share one line of it, at the end.

    Args:
        found: the services' states.
        environment: to be named in that line; empty if it is the default one.
        everything: names of all services of the fleet: where all of them are meant, none is named.
    """
    told: list[tuple[str, str]] = []
    together: dict[str, list[str]] = {}
    for each in found:
        alike = _ALIKE.fullmatch(each.mend)
        if alike is not None:
            together.setdefault(alike["command"], []).append(each.name)
        mend = "" if alike is not None else each.mend
        if each.message or mend:
            told.append((f"{each.name}: {each.message or each.state}", mend))
        for index in each.invalid_indexes:
            sentence = f"{each.name}: the index {index['name']} is INVALID, so no query uses it: making it had failed"
            told.append((sentence, index["again"]))
    where = f" --environment {environment}" if environment else ""
    for command, names in together.items():
        which = "" if set(names) == set(everything) else f" --service {','.join(names)}"
        told.append(("", f"invoke {command}{which}{where}"))
    return told


def _entry(outcome: fleet.Outcome[Status]) -> dict[str, Any]:
    if outcome.value is not None:
        return outcome.value.to_dict()
    failure = outcome.failure
    error = (
        {"code": failure.code, "message": failure.message, "mend": failure.mend}
        if failure is not None
        else {"code": "skipped", "message": outcome.skipped or "", "mend": ""}
    )
    return {
        "name": outcome.service.name,
        "state": None,
        "revision": None,
        "head": None,
        "tables": None,
        "error": error,
    }
