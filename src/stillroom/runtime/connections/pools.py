"""Connections that the service's own engines keep in their pools between one run of `env.py` and the next.

By the alembic command each run is a process. Here several runs share one, and an engine that an imported module made
would give the second run what was opened in the first: to a scratch database that has been made anew since, or by an
event loop that has ended.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

__all__ = ["let_go", "watch"]

_ENGINES: weakref.WeakSet[Engine] = weakref.WeakSet()
_WATCHING: list[Any] = []


def watch() -> None:
    """From now on, notes each engine of this process that connects."""
    if _WATCHING:
        return
    import sqlalchemy
    from sqlalchemy import event

    def connects(conn: Connection) -> None:
        _ENGINES.add(conn.engine)

    def connects_in_1_4(conn: Connection, branch: bool) -> None:
        _ENGINES.add(conn.engine)

    noting = connects_in_1_4 if sqlalchemy.__version__.startswith("1.") else connects
    _WATCHING.append(noting)
    event.listen(sqlalchemy.engine.Engine, "engine_connect", noting)


def let_go() -> None:
    """Empties the pools of the engines that have connected to PostgreSQL; they open new connections when asked.

    Those of asynchronous engines are forgotten, not closed: only their event loop could do that.
    """
    for engine in list(_ENGINES):
        if engine.dialect.name != "postgresql":
            continue
        if engine.dialect.is_async:
            engine.pool = engine.pool.recreate()  # what dispose(close=False) does, which SQLAlchemy 1.4.0 lacks
        else:
            engine.dispose()
    _ENGINES.clear()
