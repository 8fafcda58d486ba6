"""Decides what a reset drops, in which order, and what forbids it. Pure: facts in, a plan out.

What an object of somebody else needs is never dropped: that refuses, by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..schema import drop_order, objects, ownership

__all__ = ["Plan", "Refusal", "decide"]

_Objects = dict[objects.Id, objects.Object]


@dataclass(frozen=True)
class Refusal:
    """Why a reset must not go on.

    Args:
        code: `not-owner` (this role may not drop what the service owns) or `needed-by-others`.
        what: the object that would be dropped.
        by: the object that needs it; None for `not-owner`.
        part: the part of `by` which does (a foreign key, a default), or `by` itself.
    """

    code: str
    what: objects.Object
    by: objects.Object | None = None
    part: objects.Id | None = None


@dataclass(frozen=True)
class Plan:
    """What a reset does.

    Args:
        database: its name.
        role: as which it is done.
        drops: the objects that go, in order.
        kept: objects in the service's schemas that stay, because they belong to another role or are used by others.
        transactions: the statements, each inner tuple in a transaction of its own; mostly there is one.
        refusals: why it must not be done, sorted; empty if it may.
        unreachable: schemas of the service's objects that this role may not look into, sorted.
        locks: how many locks it takes.
        lock_room: how many the server has room for.
    """

    database: str
    role: str
    drops: tuple[objects.Object, ...]
    kept: tuple[objects.Object, ...]
    transactions: tuple[tuple[str, ...], ...]
    refusals: tuple[Refusal, ...]
    unreachable: tuple[str, ...]
    locks: int
    lock_room: int

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.drops

    @property
    def digest(self) -> str:
        """A hash of what is done, for carrying out exactly what was shown."""
        return hashlib.sha256(repr((self.database, self.transactions)).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, for `--dry-run`."""
        return {
            "database": self.database,
            "role": self.role,
            "drops": [str(each) for each in self.drops],
            "kept": [f"{each} (of role {each.owner})" for each in self.kept],
            "transactions": [list(each) for each in self.transactions],
            "locks": self.locks,
            "lock_room": self.lock_room,
            "digest": self.digest,
        }


def decide(facts: objects.Facts, owned: ownership.Ownership) -> Plan:
    """The plan that empties what the service owns.

    Args:
        facts: the database as observed.
        owned: what the service owns.
    """
    candidates = [each for each in facts.objects.values() if _in_scope(each, owned)]
    # The service's roles are this one and whoever owns its tables. A superuser may drop anything; not all of it is ours.
    roles = {each.owner for each in candidates if each.is_relation and owned.expects(each.name)}
    drops = {each.id: each for each in candidates if each.may and (each.mine or each.owner in roles)}
    _add_types(drops, facts, owned)
    _add_loose(drops, facts)
    forbidden = {each.id: each for each in candidates if each.id not in drops and _forbidden(each, owned)}
    _add_needing(forbidden, [each for each in candidates if each.owner in roles and not each.may], facts)
    refusals = [Refusal("not-owner", each) for each in forbidden.values()]
    refusals += _needed_by_others({**drops, **forbidden}, facts)
    kept = [each for each in candidates if each.id not in drops and each.id not in forbidden]
    kept += [each for each in facts.objects.values() if _is_shared_type(each, drops, owned)]
    order = drop_order.DropOrder(drops, facts)
    return Plan(
        database=facts.database,
        role=facts.role,
        drops=order.in_order,
        kept=tuple(sorted(kept, key=str)),
        transactions=order.transactions(facts.lock_room),
        refusals=tuple(sorted(refusals, key=lambda each: (each.code, str(each.what), str(each.by)))),
        unreachable=tuple(
            sorted({each.schema for each in (*drops.values(), *forbidden.values()) if not each.reachable})
        ),
        locks=order.locks,
        lock_room=facts.lock_room,
    )


def _in_scope(each: objects.Object, owned: ownership.Ownership) -> bool:
    if each.is_relation:
        return owned.holds_relation(each.name)
    return owned.whole_schemas and bool(each.schema) and owned.holds_schema(each.schema)


def _forbidden(each: objects.Object, owned: ownership.Ownership) -> bool:
    return each.is_relation and owned.expects(each.name) and not each.may


def _is_shared_type(each: objects.Object, drops: _Objects, owned: ownership.Ownership) -> bool:
    of_types = not owned.whole_schemas and each.kind in ("enum", "type")
    return of_types and each.id not in drops and owned.holds_type(each.name)


def _add_types(drops: _Objects, facts: objects.Facts, owned: ownership.Ownership) -> None:
    """Where a service owns tables, not schemas: enum types that only these use, and types of its metadata."""
    if owned.whole_schemas:
        return
    for each in facts.objects.values():
        if each.kind not in ("enum", "type") or not each.may:
            continue
        users = set(facts.dependants.get(each.id, {}))
        used = each.kind == "enum" and bool(users)
        if (used or owned.holds_type(each.name)) and users <= set(drops):
            drops[each.id] = each


def _add_loose(drops: _Objects, facts: objects.Facts) -> None:
    """Casts and event triggers, which are in no schema: they go with what they need, if they are this role's."""
    for what in list(drops):
        for by in facts.dependants.get(what, {}):
            other = facts.objects.get(by)
            if other is not None and not other.schema and other.may and other.mine:
                drops[by] = other


def _add_needing(forbidden: _Objects, others: list[objects.Object], facts: objects.Facts) -> None:
    """What of the same owners needs a table that can't be dropped, a view, say: it would stand in the way next."""
    found: list[objects.Object] | None = None
    while found is None or found:
        needing = {by for what in forbidden for by in facts.dependants.get(what, {})}
        found = [each for each in others if each.id in needing and each.id not in forbidden]
        forbidden.update((each.id, each) for each in found)


def _needed_by_others(drops: Mapping[objects.Id, objects.Object], facts: objects.Facts) -> Iterator[Refusal]:
    for what, each in drops.items():
        for by, parts in facts.dependants.get(what, {}).items():
            other = facts.objects.get(by)
            if other is not None and by not in drops:
                yield Refusal("needed-by-others", each, other, parts[0])
