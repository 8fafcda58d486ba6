"""Statements as a person would run them: parameters written into the text, where they can be."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..connections import sqltext

__all__ = ["literal", "written"]

MANY = 100
"""So many rows of one statement are written out; of the rest their number."""

# Quoted text, comments and dollar-quoted bodies hold no parameters; `$1` of asyncpg, `%(name)s` and `%s` of psycopg.
_PARTS = re.compile(
    r"""(?P<kept>'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$)
    | \$(?P<number>\d+)
    | %\((?P<name>[^)]+)\)s
    | (?P<next>%s)
    | (?P<percent>%%)""",
    re.VERBOSE | re.DOTALL,
)
_CATALOG = re.compile(r"\b(pg_catalog|information_schema)\.")
_READS = re.compile(r"\s*(select|show)\b", re.IGNORECASE)


def written(statement: str, parameters: Any, context: Any, executemany: bool) -> list[str]:
    """What a cursor is about to execute, one text a row of parameters; nothing for questions to the catalogs.

    Args:
        statement, parameters, executemany: as the driver gets them (SQLAlchemy's `before_cursor_execute`).
        context: SQLAlchemy's execution context, which knows whether `%` was doubled.
    """
    if _READS.match(statement) and _CATALOG.search(statement):
        return []
    doubled = getattr(context, "compiled", None) is not None and _doubles_percent(context)
    rows = list(parameters) if executemany else [parameters]
    texts = [_text(statement, row, doubled).strip() for row in rows[:MANY]]
    if len(rows) > MANY:
        texts.append(f"-- and {len(rows) - MANY} more rows like the last")
    return texts


def _doubles_percent(context: Any) -> bool:
    return getattr(context.dialect, "paramstyle", "") in ("format", "pyformat")


def _text(statement: str, parameters: Any, doubled: bool) -> str:
    if not parameters and not doubled:
        return statement
    values = iter(()) if isinstance(parameters, Mapping) else iter(parameters or ())

    def replaced(match: re.Match[str]) -> str:
        if match["percent"]:
            return "%" if doubled or parameters else match[0]
        if match["kept"] is not None:
            return match["kept"].replace("%%", "%") if doubled else match["kept"]
        found = _value(match, parameters, values)
        return match[0] if found is _MISSING else literal(found)

    return _PARTS.sub(replaced, statement)


_MISSING = object()


def _value(match: re.Match[str], parameters: Any, values: Any) -> Any:
    if match["name"] is not None and isinstance(parameters, Mapping):
        return parameters.get(match["name"], _MISSING)
    if match["number"] is not None and isinstance(parameters, Sequence):
        at = int(match["number"]) - 1
        return parameters[at] if at < len(parameters) else _MISSING
    return next(values, _MISSING) if match["next"] else _MISSING


def literal(value: Any) -> str:
    """A Python value, as a driver gets it, in SQL; as quoted text where PostgreSQL has nothing closer."""
    for types, write in _WRITTEN:
        if isinstance(value, types):
            return write(value)
    return sqltext.literal(str(value))


def _array(values: Any) -> str:
    return f"ARRAY[{', '.join(literal(each) for each in values)}]" if values else "'{}'"


# In this order: bool is an int, datetime a date.
_WRITTEN: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (type(None), lambda _: "NULL"),
    (bool, lambda value: "true" if value else "false"),
    (int, str),
    ((decimal.Decimal, float), lambda value: str(value) if math.isfinite(value) else sqltext.literal(str(value))),
    (str, sqltext.literal),
    ((bytes, bytearray, memoryview), lambda value: f"'\\x{bytes(value).hex()}'"),
    ((datetime.datetime, datetime.date, datetime.time), lambda value: sqltext.literal(value.isoformat())),
    (uuid.UUID, lambda value: sqltext.literal(str(value))),
    (dict, lambda value: sqltext.literal(json.dumps(value))),
    ((list, tuple), _array),
)
