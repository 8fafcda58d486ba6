"""The order that `after:` asks for: which services have to wait for which, and what to do together."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Mapping, Sequence

from stillroom.registry import model

__all__ = ["batches", "cycles", "predecessors"]


def cycles(after: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The cycles in `after` (name to the names it waits for), none sharing a service with another.

    A cycle starts and ends with the same name and reads in the direction of `after`: `[auth, tenant, auth]` when auth
    waits for tenant and tenant for auth. It starts with the name that comes first in `after`. Unknown names are passed
    over.
    """
    rank = {name: place for place, name in enumerate(after)}
    left = {name: [other for other in others if other in rank] for name, others in after.items()}
    found: list[list[str]] = []
    while True:
        try:
            graphlib.TopologicalSorter(left).prepare()
            return sorted(found, key=lambda cycle: rank[cycle[0]])
        except graphlib.CycleError as error:
            # graphlib names each after one that waits for it; turned round, and begun at the first in the file.
            ring = list(reversed(error.args[1]))[:-1]
            start = ring.index(min(ring, key=rank.__getitem__))
            found.append([*ring[start:], *ring[:start], ring[start]])
            left = {
                name: [other for other in others if other not in ring]
                for name, others in left.items()
                if name not in ring
            }


def predecessors(services: Sequence[model.Service], within: Sequence[model.Service] = ()) -> dict[str, frozenset[str]]:
    """Name to the names in `services` that have to be done first; fit for `graphlib.TopologicalSorter`.

    `within` is the whole fleet: when c waits for b and b for a, then c waits for a even if b is not among `services`.
    """
    after = {service.name: service.after for service in (*within, *services)}
    chosen = {service.name for service in services}
    reached: dict[str, frozenset[str]] = {}
    for name in graphlib.TopologicalSorter(after).static_order():
        near: set[str] = set()
        for other in after.get(name, ()):
            near |= {other} if other in chosen else reached[other]
        reached[name] = frozenset(near)
    return {service.name: reached[service.name] for service in services}


def batches(
    services: Sequence[model.Service], within: Sequence[model.Service] = ()
) -> tuple[tuple[model.Service, ...], ...]:
    """`services` in groups: whoever is in a group waits for earlier groups only; in a group the order stays as it was.

    `within` as for `predecessors`. Raises graphlib.CycleError for a cycle, which `load` has refused before.
    """
    sorter = graphlib.TopologicalSorter(predecessors(services, within))
    sorter.prepare()
    groups = []
    while sorter.is_active():
        ready = set(sorter.get_ready())
        groups.append(tuple(service for service in services if service.name in ready))
        sorter.done(*ready)
    return tuple(groups)
