"""The order that `after:` asks for."""

from __future__ import annotations

import graphlib
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.registry import model, order
from tests.unit import registry_help

_NAMES = [f"s{number}" for number in range(7)]
_GRAPHS = st.fixed_dictionaries({name: st.lists(st.sampled_from(_NAMES), max_size=3) for name in _NAMES})


def _fleet(folder: Path, after: dict[str, list[str]]) -> tuple[model.Service, ...]:
    services = "".join(f"  {name}: {{after: [{', '.join(others)}]}}\n" for name, others in after.items())
    return registry_help.loaded(folder, registry_help.HERE + "services:\n" + services).services


def _names(batches: tuple[tuple[model.Service, ...], ...]) -> list[list[str]]:
    return [[service.name for service in batch] for batch in batches]


@pytest.fixture
def diamond(tmp_path: Path) -> tuple[model.Service, ...]:
    """d waits for b and c, they wait for a; e waits for nobody."""
    return _fleet(tmp_path, {"d": ["b", "c"], "c": ["a"], "b": ["a"], "a": [], "e": []})


def test_batches_hold_what_can_be_done_together(diamond: tuple[model.Service, ...]) -> None:
    """Each service comes as early as it can, and in file order in its batch."""
    assert _names(order.batches(diamond)) == [["a", "e"], ["c", "b"], ["d"]]


def test_services_that_are_not_chosen_still_stand_between(diamond: tuple[model.Service, ...]) -> None:
    """d waits for a although only b and c say so, and neither is chosen."""
    chosen = [service for service in diamond if service.name in "de" or service.name == "a"]
    assert _names(order.batches(chosen, within=diamond)) == [["a", "e"], ["d"]]
    assert order.predecessors(chosen, within=diamond) == {"d": frozenset("a"), "a": frozenset(), "e": frozenset()}


def test_alone_a_service_waits_for_nobody(diamond: tuple[model.Service, ...]) -> None:
    """Who is not chosen is not waited for."""
    assert _names(order.batches(diamond[:1], within=diamond)) == [["d"]]


def test_without_the_fleet_only_the_chosen_are_known(diamond: tuple[model.Service, ...]) -> None:
    """`after` may name services that are not given; they are passed over."""
    assert _names(order.batches(diamond[:2])) == [["c"], ["d"]]


def test_a_cycle_reads_in_the_direction_of_after() -> None:
    """It begins and ends with the first in the file, and each waits for the next."""
    assert order.cycles({"c": ["a"], "a": ["b"], "b": ["c"], "d": ["a"]}) == [["c", "a", "b", "c"]]


@registry_help.ANY_TIME
@given(_GRAPHS)
def test_cycles_are_found_exactly_when_there_are_some(after: dict[str, list[str]]) -> None:
    """Every cycle told is one, none share a service, and without them the order exists."""
    found = order.cycles(after)
    for cycle in found:
        assert cycle[0] == cycle[-1]
        assert all(second in after[first] for first, second in itertools.pairwise(cycle))
    seen = [name for cycle in found for name in cycle[:-1]]
    assert len(seen) == len(set(seen))
    try:
        tuple(graphlib.TopologicalSorter(after).static_order())
        ordered = True
    except graphlib.CycleError:
        ordered = False
    assert ordered == (found == [])
    left = {name: [other for other in others if other not in seen] for name, others in after.items()}
    tuple(
        graphlib.TopologicalSorter({name: others for name, others in left.items() if name not in seen}).static_order()
    )


@registry_help.ANY_TIME
@given(data=st.data(), after=_GRAPHS, chosen=st.sets(st.sampled_from(_NAMES), min_size=1))
def test_batches_keep_every_wish(
    data: st.DataObject,
    after: dict[str, list[str]],
    chosen: set[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Of any chosen services, each comes once, and after every chosen one that it waits for, directly or not."""
    rank = {name: place for place, name in enumerate(data.draw(st.permutations(_NAMES)))}
    after = {name: [other for other in others if rank[other] < rank[name]] for name, others in after.items()}
    fleet = _fleet(tmp_path_factory.mktemp("fleet"), after)
    batches = order.batches([service for service in fleet if service.name in chosen], within=fleet)
    place = {service.name: number for number, batch in enumerate(batches) for service in batch}
    assert place.keys() == chosen
    for name in chosen:
        waiting, seen = list(after[name]), set()
        while waiting:
            other = waiting.pop()
            if other not in seen:
                seen.add(other)
                waiting += after[other]
        assert all(place[other] < place[name] for other in seen & chosen)
