"""One connection, one statement, with a driver alone: no BEGIN, no ping, no ROLLBACK. Changes nothing on the server.

A few verifications at once are a storm when every replica of a fleet starts: so a process opens only some connections at
the same time, and waits with jitter where the server has none free.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..connections import driver_arguments

if TYPE_CHECKING:
    from .plain_url import PlainUrl
    from .trouble import Trouble

__all__ = ["NoAnswer", "answer", "answer_async", "connects"]

CONNECTING = 10.0
"""Seconds for a connection to be made."""
ANSWERING = 30.0
"""Seconds for the statement to be answered."""
AT_ONCE = 16
"""Connections that one process opens at the same time."""

_SHORTEST, _LONGEST = 0.05, 2.0

_threads = threading.BoundedSemaphore(AT_ONCE)
_tasks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = weakref.WeakKeyDictionary()


class NoAnswer(Exception):
    """The database could not be asked; `trouble` says why."""

    def __init__(self, why: Trouble) -> None:
        super().__init__(why.message)
        self.trouble = why


def answer(url: PlainUrl, statement: str, *, patience: float = 1.0) -> str:
    """What one statement gives: the one text of its one row.

    Args:
        url: of the database.
        statement: without parameters.
        patience: 1: a minute for a free connection, half of one where connections break off, 3 seconds for a server that
            refuses; 0: tries once.

    Raises:
        NoAnswer: after that.
    """
    if url.driver == "asyncpg":
        return str(_in_own_loop(lambda: answer_async(url, statement, patience=patience)))
    pauses = _Pauses(patience)
    while True:
        try:
            with _threads:
                return _by_libpq(url, statement)
        except Exception as error:  # noqa: BLE001 - told apart in _why
            time.sleep(pauses.after(_why(error, url)))


async def answer_async(url: PlainUrl, statement: str, *, patience: float = 1.0) -> str:
    """The same inside of a running loop; drivers that block get a thread.

    Raises:
        NoAnswer: see `answer`.
    """
    if url.driver != "asyncpg":
        return await asyncio.to_thread(answer, url, statement, patience=patience)
    loop = asyncio.get_running_loop()
    slots = _tasks.setdefault(loop, asyncio.Semaphore(AT_ONCE))
    pauses = _Pauses(patience)
    while True:
        try:
            async with slots:
                return await _by_asyncpg(url, statement)
        except Exception as error:  # noqa: BLE001 - told apart in _why
            pause = pauses.after(_why(error, url))
        await asyncio.sleep(pause)


def connects(url: PlainUrl) -> Trouble | None:
    """Whether the database lets this role in: None, or why not. Nothing is asked of it."""
    try:
        if url.driver == "asyncpg":
            _in_own_loop(lambda: _by_asyncpg(url, None))
        else:
            _by_libpq(url, None)
    except Exception as error:  # noqa: BLE001 - told apart in _why
        return _why(error, url)
    return None


class _Connected(Exception):
    """Marks, as its cause, what was raised once the connection stood."""


def _why(error: Exception, url: PlainUrl) -> Trouble:
    from . import trouble  # where all is well, nobody needs it

    connected = isinstance(error, _Connected)
    cause = error.__cause__ if connected and error.__cause__ is not None else error
    found = trouble.of(cause, url, connected=connected)
    if found is None:
        raise cause
    return found


class _Pauses:
    """How long to wait before another try: longer each time, never twice the same, and not for ever."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._begun: float | None = None
        self._count = 0

    def after(self, why: Trouble) -> float:
        """Seconds to wait.

        Raises:
            NoAnswer: that was long enough.
        """
        from . import trouble

        now = time.monotonic()
        if self._begun is None:  # from the first refusal on: before, it was our own slots that it waited for
            self._begun = now
        if now - self._begun >= trouble.PATIENCE[why.sort] * self._patience:
            raise NoAnswer(why)
        self._count += 1
        return random.uniform(_SHORTEST, min(_LONGEST, _SHORTEST * 2**self._count))  # noqa: S311 - no secret


async def _by_asyncpg(url: PlainUrl, statement: str | None) -> str:
    import asyncpg

    arguments = driver_arguments.arguments(url, "asyncpg", CONNECTING, "stillroom verify")
    connection = await asyncpg.connect(**arguments, statement_cache_size=0)
    try:
        return "" if statement is None else str(await connection.fetchval(statement, timeout=ANSWERING))
    except Exception as error:
        raise _Connected from error
    finally:
        await _closed(connection)


async def _closed(connection: Any) -> None:
    """Says goodbye, and does not wait for long."""
    try:
        await connection.close(timeout=2)
    except Exception:  # noqa: BLE001 - the answer is there, or the error is told already
        connection.terminate()


def _by_libpq(url: PlainUrl, statement: str | None) -> str:
    arguments = driver_arguments.arguments(url, url.driver, CONNECTING, "stillroom verify")
    connection: Any
    if url.driver == "psycopg":
        import psycopg

        connection = psycopg.connect(**arguments, autocommit=True, prepare_threshold=None)
    else:
        import psycopg2

        connection = psycopg2.connect(**arguments)
        connection.autocommit = True
    try:
        return "" if statement is None else _fetched(connection, statement)
    except Exception as error:
        raise _Connected from error
    finally:
        connection.close()


def _fetched(connection: Any, statement: str) -> str:
    """The answer, or the error of a statement that was cancelled because it took too long."""
    limit = threading.Timer(ANSWERING, connection.cancel)
    limit.daemon = True
    limit.start()
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        return str(cursor.fetchone()[0])
    finally:
        limit.cancel()


def _in_own_loop(work: Callable[[], Any]) -> Any:
    """The result of a coroutine in this thread, or in one of its own where a loop runs here already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(_caught(work)))
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def _caught(work: Callable[[], Any]) -> Any:
    try:
        return asyncio.run(work())
    except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
        return error
