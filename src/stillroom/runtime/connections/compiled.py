"""SQL that SQLAlchemy has compiled for one engine of a process serves the engines that come after it.

SQLAlchemy keeps compiled statements an engine; an `env.py` makes an engine each time it runs, and a proof runs it four
times. Compiling what reads a database's tables takes a sixth of a worker's time, so it is done once, in the parent that
workers are forked from (see `rehearsal`).

Shared is only between engines whose dialects have the same class and the same settings; a setting that can't be
compared, a cache that the engine's owner turned off or chose, or another compiler (`@compiles`) end the sharing.
"""

from __future__ import annotations

import functools
import types
from typing import Any

import sqlalchemy.event
import sqlalchemy.util
from sqlalchemy.engine import Engine

__all__ = ["likeness", "share"]

_MOST = 1000  # statements; twice as many as SQLAlchemy keeps an engine
# Attributes of a dialect from which no text of a statement follows: the driver's business, or the statement is another one.
_NO_MATTER = frozenset(
    {
        "_has_events",
        "_hstore_oids",
        "_invalidate_schema_cache_asof",
        "_psycopg_adapters_map",
        "_type_memos",
        "dispatch",
        "server_version_info",
    }
)
# Objects that each dialect makes for itself, of a class that is its own.
_MADE = frozenset({"dbapi", "identifier_preparer", "loaded_dbapi", "type_compiler", "type_compiler_instance"})
_PLAIN = (type(None), str, types.FunctionType, types.BuiltinFunctionType, types.ModuleType)

_compiled: dict[Any, Any] = {}
_shared = False


def share() -> None:
    """From now on connections of this process look among what was compiled for others, with SQLAlchemy 2.0 or newer."""
    global _shared
    if _shared or sqlalchemy.__version__.startswith("1."):
        return
    _shared = True
    _forget_with_other_compilers()
    sqlalchemy.event.listen(Engine, "engine_connect", _connected)


def likeness(dialect: Any) -> tuple[Any, ...] | None:
    """What has to be equal for two dialects to compile a statement alike; None: this one is like no other."""
    found: list[Any] = [type(dialect)]
    for name, value in sorted(vars(dialect).items()):
        if name in _NO_MATTER or isinstance(getattr(type(dialect), name, None), _memoized()):
            continue
        if type(value) in _PLAIN or isinstance(value, int):
            found.append((name, value))
        elif name in _MADE and type(value).__module__.startswith("sqlalchemy."):
            found.append((name, type(value)))
        else:
            return None
    return tuple(found)


@functools.cache
def _memoized() -> tuple[type[Any], ...]:
    """What makes an attribute that follows from the others."""
    kinds = (getattr(sqlalchemy.util, name, None) for name in ("memoized_property", "ro_memoized_property"))
    return tuple(each for each in kinds if isinstance(each, type))


def _connected(connection: Any) -> None:
    if connection.engine._compiled_cache is None or "compiled_cache" in connection.get_execution_options():
        return
    like = likeness(connection.dialect)
    if like is not None:
        connection.execution_options(compiled_cache=_View(like))


class _View:
    """The part of it that one connection may use, as SQLAlchemy uses a cache: its keys begin with the dialect."""

    def __init__(self, like: tuple[Any, ...]) -> None:
        self._like = like

    def get(self, key: tuple[Any, ...]) -> Any:
        """What was compiled for a dialect like this one, or None."""
        return _compiled.get((self._like, *key[1:]))

    def __setitem__(self, key: tuple[Any, ...], value: Any) -> None:
        if len(_compiled) >= _MOST:
            _compiled.clear()
        _compiled[(self._like, *key[1:])] = value


def _forget_with_other_compilers() -> None:
    """Whoever gives a class of SQLAlchemy another text finds nothing compiled with the one before."""
    from sqlalchemy.ext import compiler

    original = compiler.compiles

    @functools.wraps(original)
    def compiles(*arguments: Any, **named: Any) -> Any:
        _compiled.clear()
        return original(*arguments, **named)

    compiler.compiles = compiles
