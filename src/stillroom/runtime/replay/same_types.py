"""Types that PostgreSQL does not tell apart, and Alembic does: `Float(10)` is `real`, and is reflected as that.

Without this, every comparison of such a column gives a change that changes nothing.
"""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["compare_as_postgresql"]

_OF_REAL = range(1, 25)  # FLOAT(p) is real up to 24 binary digits, and double precision from 25 on


def compare_as_postgresql() -> None:
    """From now on autogenerate takes such types for the same, in this process."""
    from alembic.ddl.postgresql import PostgresqlImpl

    compare: Any = PostgresqlImpl.compare_type
    if hasattr(compare, "__wrapped__"):
        return

    @functools.wraps(compare)
    def compare_type(self: Any, inspected: Any, model: Any) -> bool:
        return not _is_real(inspected.type, model.type) and bool(compare(self, inspected, model))

    PostgresqlImpl.compare_type = compare_type  # type: ignore[method-assign,assignment]


def _is_real(inspected: Any, wanted: Any) -> bool:
    import sqlalchemy

    float_ = isinstance(wanted, sqlalchemy.Float) and getattr(wanted, "precision", None) in _OF_REAL
    return float_ and isinstance(inspected, sqlalchemy.REAL)
