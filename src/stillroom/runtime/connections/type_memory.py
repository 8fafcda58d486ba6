"""What asyncpg asks about built-in types is known beforehand, or asked once a process, not once a connection.

Each of its connections looks up the types that it has no codec for (`bool[]` and `int2vector`, where SQLAlchemy reads
indexes) by a recursive query that costs the server 20 ms. A proof makes several connections to one database, and types
below number 10,000 are the same in every database of every server: PostgreSQL's own source numbers them. Those that
reflection meets on every server stand here.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

__all__ = ["remember"]

_NUMBERED_BY_HAND = 10_000  # FirstGenbkiObjectId in PostgreSQL's access/transam.h

# Number -> name and type of the elements, as pg_type.dat of PostgreSQL has had them since before version 10. All are
# lists of types that asyncpg has a codec for without asking.
_LISTS = {
    22: ("int2vector", 21),
    30: ("oidvector", 26),
    1000: ("_bool", 16),
    1002: ("_char", 18),
    1003: ("_name", 19),
    1005: ("_int2", 21),
    1007: ("_int4", 23),
    1016: ("_int8", 20),
}


@dataclasses.dataclass(frozen=True)
class _Unasked:
    """In the place of the statement that asked: its name says that no unnamed statement was made in between."""

    name: str = "stillroom_unasked"


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
            known = wanted <= _LISTS.keys()
            answers[wanted] = _told(wanted) if known else await asks(connection, types, *rest, **named)
        return answers[wanted]

    return answered


def _told(wanted: frozenset[int]) -> tuple[list[dict[str, Any]], _Unasked]:
    """What the query of asyncpg answers on these."""
    return [_row(number, *_LISTS[number]) for number in sorted(wanted)], _Unasked()


def _row(number: int, name: str, element: int) -> dict[str, Any]:
    unset = ("basetype", "range_subtype", "attrtypoids", "attrnames", "basetype_name", "range_subtype_name")
    kind = {"kind": b"b", "elemtype": element, "elemdelim": b",", "elemtype_name": "", "depth": 0}
    return {"oid": number, "ns": "pg_catalog", "name": name, **kind, **dict.fromkeys(unset)}
