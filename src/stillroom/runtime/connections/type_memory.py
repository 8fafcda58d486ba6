"""What asyncpg asks about built-in types is asked once a process, not once a connection.

Each of its connections looks up the types that it has no codec for (`bool[]` and `int2vector`, where Alembic reads
indexes) by a recursive query that costs the server 20 ms. A proof makes several connections to one database, and types
below number 10,000 are the same in every database of every server: PostgreSQL's own source numbers them.
"""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["remember"]

_NUMBERED_BY_HAND = 10_000  # FirstGenbkiObjectId in PostgreSQL's access/transam.h


def remember() -> None:
    """From now on connections of asyncpg share the answers; without asyncpg, or with one built otherwise, does nothing."""
    try:
        from asyncpg.connection import Connection
    except ImportError:
        return
    asks = getattr(Connection, "_introspect_types", None)
    if asks is not None and not hasattr(asks, "__wrapped__"):
        Connection._introspect_types = _remembering(asks)


def _remembering(asks: Any) -> Any:
    answers: dict[frozenset[int], Any] = {}

    @functools.wraps(asks)
    async def answered(connection: Any, types: Any, *rest: Any, **named: Any) -> Any:
        wanted = frozenset(types)
        if max(wanted, default=0) >= _NUMBERED_BY_HAND:
            return await asks(connection, types, *rest, **named)
        if wanted not in answers:
            answers[wanted] = await asks(connection, types, *rest, **named)
        return answers[wanted]

    return answered
