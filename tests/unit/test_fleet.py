"""In which order services begin, and in which their outcomes come back."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stillroom import fleet
from stillroom.registry import model

_SIZES = {"small": 1, "large": 3, "middle": 2}


class _Nobody:
    """Is shown everything, and looks at nothing."""

    def begin(self, service: str) -> None: ...
    def step(self, service: str, step: str) -> None: ...
    def warn(self, service: str, message: str) -> None: ...
    def output(self, service: str, line: str) -> None: ...
    def end(self, service: str, outcome: fleet.Outcome[Any]) -> None: ...


def _services() -> list[model.Service]:
    return [cast(model.Service, SimpleNamespace(name=name, after=())) for name in _SIZES]


def test_the_largest_begin_first() -> None:
    """Two at a time, the smallest of three is left for the end; the outcomes come back in the order that was given."""
    begun: list[str] = []
    both = threading.Barrier(2, timeout=30)

    def work(service: model.Service, _: fleet.Follower) -> str:
        begun.append(service.name)
        if service.name != "small":
            both.wait()
        return service.name

    outcomes = fleet.run(_services(), work, _Nobody(), jobs=2, sizes=_SIZES)
    assert (set(begun[:2]), begun[2]) == ({"large", "middle"}, "small")
    assert [each.value for each in outcomes] == list(_SIZES)


@pytest.mark.parametrize("options", [{"jobs": 1}, {"jobs": 2, "fail_fast": True}])
def test_one_at_a_time_or_until_one_fails_it_is_the_order_that_was_given(options: dict[str, Any]) -> None:
    """What then is done before a failure is what the person put first."""
    begun: list[str] = []
    first = threading.Event()

    def work(service: model.Service, _: fleet.Follower) -> None:
        if service.name == "small":
            begun.append(service.name)
            first.set()
        else:
            assert first.wait(30)
            begun.append(service.name)

    fleet.run(_services(), work, _Nobody(), sizes=_SIZES, **options)
    assert begun[0] == "small"
    assert set(begun) == set(_SIZES)
