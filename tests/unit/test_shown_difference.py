"""What `invoke revision` shows of a difference, and that it says when there is more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from stillroom.tasks import generation

from stillroom.revision import Done


@pytest.mark.parametrize(
    ("verbose", "count", "last"),
    [(False, 10, "line 9"), (False, 13, "and 3 more (--verbose shows them)"), (True, 13, "line 12")],
)
def test_a_long_difference_is_cut_and_says_so(verbose: bool, count: int, last: str) -> None:
    """Nobody takes the first lines for all of them."""
    done = Done(False, "1a", "0b", "1a.py", 9, 1, 1, difference=[f"line {at}" for at in range(count)])
    said: list[str] = []
    call: Any = SimpleNamespace(verbose=verbose, say=said.append)
    outcome: Any = SimpleNamespace(service=SimpleNamespace(name="shop"), value=done, seconds=1.0)

    generation._show_revisions(call, [outcome])

    assert said[-1] == f"shop: {last}"
