"""A connection that stays open for a while, because a proof looks at the same database again and again.

To open one costs the server more than most of what is asked over it: a fresh session has its view of the catalog still
to build. Callers go on using `connection.run`; while a URL is kept, it leads here. Between two uses the session is idle
and in no transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy.exc
from sqlalchemy.engine import Connection, Engine

from ..housekeeping import ending
from . import connection, guard, urls

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["keep", "let_go"]

_T = TypeVar("_T")


@contextlib.contextmanager
def keep(url: str) -> Iterator[None]:
    """While the block runs, `connection.run` on this very URL uses one connection, opened when it is first needed.

    Not those uses that want `autocommit`, nor those from inside of a running event loop.
    """
    if url in connection.keepers:
        yield
        return
    keeper = _Keeper(url)

    def end() -> None:
        connection.keepers.pop(url, None)
        keeper.close()

    debt = ending.owe(end)
    try:
        connection.keepers[url] = keeper
        yield
    finally:
        ending.pay(debt)


def let_go(url: str) -> None:
    """Closes the kept connection, as has to be before its database is dropped; the next use opens another."""
    keeper = connection.keepers.get(url)
    if isinstance(keeper, _Keeper):
        keeper.close()


class _Keeper:
    def __init__(self, url: str) -> None:
        self._url = url
        self._open: _Plain | _Asynchronous | None = None

    def run(self, work: Callable[[Connection], _T]) -> _T:
        with guard.lifted():
            try:
                return self._use(work)
            except BaseException:
                # Then nobody has to think about the state that the session was left in.
                self.close()
                raise

    def _use(self, work: Callable[[Connection], _T]) -> _T:
        def diagnosed(conn: Connection) -> _T:
            with connection.diagnosed(urls.parse(self._url), connecting=False):
                return connection.in_transaction(conn, work)

        def greeted(conn: Connection) -> _T:
            _greet(conn)
            return diagnosed(conn)

        if self._open is not None:
            try:
                return self._open.use(greeted)
            except _Ended:
                self.close()
        self._open = self._opened()
        return self._open.use(diagnosed)

    def close(self) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            opened.close()

    def _opened(self) -> _Plain | _Asynchronous:
        made = connection.engine(self._url)
        with connection.diagnosed(urls.parse(self._url), connecting=True):
            return _Plain(made) if isinstance(made, Engine) else _Asynchronous(made)


class _Ended(Exception):
    """The server has ended the session meanwhile, as some revisions do with every other one."""


def _greet(conn: Connection) -> None:
    """A session that was idle may be gone; that has to be known before any work is done on it."""
    try:
        conn.exec_driver_sql("SELECT 1").close()
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        raise _Ended from error


class _Plain:
    """A connection of a synchronous driver."""

    def __init__(self, engine: Engine) -> None:
        self._connection = engine.connect()

    def use(self, work: Callable[[Connection], _T]) -> _T:
        return work(self._connection)

    def close(self) -> None:
        self._connection.close()


class _Asynchronous:
    """A connection of asyncpg, with the event loop that it belongs to; never the thread's current one."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._loop = asyncio.new_event_loop()
        self._connection: AsyncConnection = engine.connect()
        try:
            connection.run_task(self._loop, self._start())
        except BaseException:
            self._loop.close()
            raise

    async def _start(self) -> None:
        await self._connection.start()

    def use(self, work: Callable[[Connection], _T]) -> _T:
        return connection.run_task(self._loop, self._connection.run_sync(work))

    def close(self) -> None:
        try:
            connection.run_task(self._loop, self._connection.close())
        finally:
            self._loop.close()
