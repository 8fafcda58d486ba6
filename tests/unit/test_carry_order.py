"""Rows that are carried over come after those that they refer to, whatever their tables are called."""

from __future__ import annotations

from typing import Any

import pytest

from stillroom.runtime import faults
from stillroom.runtime.generation import carry


class _References:
    """A connection that only knows the foreign keys of some tables, by bare names as `pg_class` has them."""

    def __init__(self, *rows: tuple[str, str, str, str]) -> None:
        self._rows = rows

    def exec_driver_sql(self, statement: str) -> list[tuple[str, str, str, str]]:
        """Whatever is asked."""
        return list(self._rows)


def test_tables_called_user_and_order_stand_in_the_right_order() -> None:
    """A snapshot quotes names that are keywords; the foreign keys name them bare."""
    found: Any = _References(("public", "order", "public", "user"), ("public", "a", "public", "order"))
    tables = ["public.a", 'public."order"', 'public."user"']
    assert carry._in_order(found, tables) == ['public."user"', 'public."order"', "public.a"]


def test_a_circle_of_them_is_refused() -> None:
    """As it is of other tables."""
    found: Any = _References(("public", "order", "public", "user"), ("public", "user", "public", "order"))
    with pytest.raises(faults.RefusedFault):
        carry._in_order(found, ['public."order"', 'public."user"'])
