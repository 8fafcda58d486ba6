"""Floating point types as PostgreSQL has them: `real` and `double precision`, whatever the models call them.

`FLOAT(10)` is `real`, and is reflected as that: Alembic sees a change that changes nothing. Where such a column is
`double precision` in the database, it sees none, and there is one.
"""

from __future__ import annotations

import functools
import re
from typing import Any

__all__ = ["compare_as_postgresql"]

_OF_REAL = 24  # FLOAT(p) is real up to 24 binary digits, and double precision from 25 on
_WRITTEN = re.compile(r"(FLOAT(?:\((\d+)\))?|REAL|DOUBLE PRECISION)((?:\[\])*)", re.IGNORECASE)


def compare_as_postgresql() -> None:
    """From now on autogenerate compares such types as PostgreSQL keeps them, in this process."""
    from alembic.ddl.postgresql import PostgresqlImpl

    compare: Any = PostgresqlImpl.compare_type
    if hasattr(compare, "__wrapped__"):
        return

    @functools.wraps(compare)
    def compare_type(self: Any, inspected: Any, model: Any) -> bool:
        there, wanted = _kept_as(inspected.type, self.dialect), _kept_as(model.type, self.dialect)
        if there is None or wanted is None:
            return bool(compare(self, inspected, model))
        return there != wanted

    PostgresqlImpl.compare_type = compare_type  # type: ignore[method-assign,assignment]


def _kept_as(type_: Any, dialect: Any) -> str | None:
    """How the server keeps it: `real` or `double precision`, with `[]` for arrays; None for every other type."""
    try:
        written = _WRITTEN.fullmatch(type_.compile(dialect=dialect))
    except Exception:  # noqa: BLE001 - types of others compile as they like; Alembic says what is wrong with one
        return None
    if written is None:
        return None
    name, digits, array = written[1].lower(), written[2], written[3]
    if name.startswith("float"):
        name = "real" if digits is not None and int(digits) <= _OF_REAL else "double precision"
    return f"{name}{array}"
