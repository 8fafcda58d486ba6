"""Services in one database that get in each other's way: a table that two of them make, one version table for both."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import session
from stillroom.registry import model
from stillroom.runtime import facts, faults
from stillroom.runtime.projects import locations
from stillroom.runtime.reading import made_tables, revisions

__all__ = [
    "Clash",
    "Made",
    "asked",
    "clashes",
    "made_beside",
    "one_version_table",
    "order",
    "owner_of",
    "version_tables_beside",
]


@dataclasses.dataclass(frozen=True)
class Made:
    """The tables that a history makes: full names; `shared`: those that it makes only where they are not there yet."""

    plain: Sequence[str] = ()
    shared: Sequence[str] = ()

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Made:
        """What the runtime told (`makes`, `shares`)."""
        return cls(answer.get("makes") or (), answer.get("shares") or ())


@dataclasses.dataclass(frozen=True)
class Clash:
    """Two services whose histories make the same tables in one database.

    Attributes:
        service: whose revisions would fail.
        other: who makes them as well.
        tables: full names, sorted.
        ordered: whether it would do to put the other after it, since the other looks first.
    """

    service: str
    other: str
    tables: tuple[str, ...]
    ordered: bool = False

    @property
    def message(self) -> str:
        """What is wrong, in a sentence."""
        more = f" (and {len(self.tables) - 1} more)" if len(self.tables) > 1 else ""
        also = (
            f"that of {self.other} makes it where it is not there yet, in the same database, and may come first"
            if self.ordered
            else f"so does that of {self.other}, in the same database: whichever comes second fails"
        )
        return f"{self.service}: its history makes the table {self.tables[0]}{more}, and {also}"

    @property
    def mend(self) -> str:
        """What to do about it."""
        if self.ordered:
            return f"say the order in services.yaml, for {self.other}: after: [{self.service}]"
        return (
            "leave the table to one of the two: take it out of the other's revisions and models; or let the revision of "
            "the second look first (op.create_table(..., if_not_exists=True)), and say in services.yaml who that is: "
            f"after: [{self.other}]"
        )


def clashes(
    services: Sequence[model.Service],
    making: Mapping[str, Sequence[str]],
    beside: Mapping[str, Made],
    after: Mapping[str, Sequence[str]],
) -> list[Clash]:
    """The tables that two services of one database make. Pure.

    Args:
        services: those that are judged.
        making: their names to the tables that they are about to make.
        beside: name of any service of the fleet to all tables that its history makes.
        after: name of any service to those that the registry puts before it.
    """
    found = []
    for service in services:
        mine = set(making.get(service.name, ()))
        for other in service.shares_with:
            theirs = beside.get(other, Made())
            both = tuple(sorted(mine & set(theirs.plain)))
            late = tuple(sorted(mine & set(theirs.shared))) if not _comes_after(other, service.name, after) else ()
            if both or late:
                found.append(Clash(service.name, other, both or late, ordered=not both))
    return found


def _comes_after(name: str, other: str, after: Mapping[str, Sequence[str]]) -> bool:
    """Whether the registry puts a service after another, also by way of others."""
    waiting, seen = list(after.get(name, ())), set()
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            waiting += after.get(each, ())
    return other in seen


def made_beside(
    opened: session.Session, services: Sequence[model.Service], known: Mapping[str, Mapping[str, Any]]
) -> dict[str, Made]:
    """All tables that neighbours make: what was told of them, and of those that were not asked what their files say."""
    wanted = {name for each in services for name in each.shares_with}
    found = {name: Made.from_answer(told) for name, told in known.items() if name in wanted}
    for name in sorted(wanted - found.keys()):
        found[name] = _in_source(opened.facts_of(opened.fleet.service(name, opened.environment)))
    return found


def order(opened: session.Session) -> dict[str, Sequence[str]]:
    """Each service of the fleet to those that the registry puts before it."""
    return {each.name: each.after for each in opened.fleet.services_in(opened.environment)}


def asked(opened: session.Session, service: model.Service) -> dict[str, Any]:
    """What an operation has to know of the neighbours, as its option `others`: ids of their revisions to their names."""
    return {
        "others": {
            each: name
            for name in service.shares_with
            for each in _graph(opened.facts_of(opened.fleet.service(name, opened.environment))).by_id
        }
    }


def owner_of(opened: session.Session, service: model.Service, unknown: Sequence[str]) -> str | None:
    """The neighbour whose history has these revisions; None if nobody's has them all."""
    for name in service.shares_with:
        graph = _graph(opened.facts_of(opened.fleet.service(name, opened.environment)))
        if set(unknown) <= graph.by_id.keys():
            return name
    return None


def _in_source(service: facts.ServiceFacts) -> Made:
    graph = _graph(service)
    return Made(made_tables.of(service, graph), made_tables.of(service, graph, careful=True))


def _graph(service: facts.ServiceFacts) -> revisions.Graph:
    """The history as it lies here; empty where only the service's own interpreter knows where its files are."""
    try:
        where = locations.of(service)
    except faults.Fault:
        return revisions.Graph(())
    return revisions.read(where.version_locations, recursive=where.recursive)


def one_version_table(service: str, other: str, address: str, table: str) -> tuple[str, str]:
    """What is to be said where two services note their revisions in one table, and what to do about it. Pure."""
    own = f"{service.replace('-', '_')}_alembic_version"
    return (
        f"{service} and {other} use one database, {address}, and note their revisions in one table, {table}: each would "
        "take the other's for its own",
        f"give each its own: context.configure(..., version_table={own!r}) in env.py (online and offline) and "
        f"version_table: {own} in services.yaml; or a schema each with version_table_schema",
    )


def version_tables_beside(opened: session.Session, services: Sequence[model.Service]) -> dict[str, str]:
    """Version tables of neighbours that are not among these services, as far as registry and source tell.

    Without a schema where only the neighbour's database could tell it.
    """
    looked_at = {each.name for each in services}
    wanted = {name for each in services for name in each.shares_with} - looked_at
    told = {name: _version_table(opened.facts_of(opened.fleet.service(name, opened.environment))) for name in wanted}
    return {name: table for name, table in told.items() if table}


def _version_table(service: facts.ServiceFacts) -> str:
    """Its full name; without a schema where it might be in one of several; empty where the source does not tell."""
    try:
        source = (locations.of(service).script_location / "env.py").read_bytes()
        read = locations.version_table_in_env(source)
    except (faults.Fault, OSError):
        return ""
    schema = read.schema or service.version_table_schema or ("" if service.schemas else "public")
    if not read.known:
        return ""
    return f"{schema}.{read.table}" if schema else read.table
