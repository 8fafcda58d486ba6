"""A connection that stays open in a thread of its own, in autocommit mode, while the service's code runs beside it.

It holds the lock, so it must live as long as the migration does; and it must answer while the main thread is busy: to see
who blocks a statement, and to cancel it. It looks after itself: every while it runs `beat`, which also keeps firewalls from
forgetting it.
"""

from __future__ import annotations

import concurrent.futures
import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .. import faults
from ..connections import connection, urls
from ..replay import walk

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy.engine import Connection

__all__ = ["Session"]

_T = TypeVar("_T")

_CLOSING_SECONDS = 5.0
_PATIENCE_SECONDS = 120.0


class Session:
    """One open connection; a context manager. Any thread may use it, one after another.

    Args:
        url: of the database.
        application_name: what `pg_stat_activity` shows; at most 63 bytes.
        every: seconds between two beats.

    Attributes:
        beat: what it does every while.
        patience: seconds after which a server that does not answer counts as gone.
    """

    def __init__(self, url: str, application_name: str, every: float = 1.0) -> None:
        self.beat: Callable[[Connection], None] = _nothing
        self.patience = _PATIENCE_SECONDS
        self._url = url
        self._name = application_name
        self._every = every
        self._asked: queue.SimpleQueue[tuple[Callable[[Connection], Any], concurrent.futures.Future[Any]] | None] = (
            queue.SimpleQueue()
        )
        self._opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._ended: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="stillroom-session", daemon=True)

    def __enter__(self) -> Session:
        """Connects.

        Raises:
            faults.Fault: what connecting gives.
        """
        self._thread.start()
        self._opened.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it. A server that does not answer holds nothing up: the socket goes with the process."""
        self._asked.put(None)
        if not self._over.is_set():
            self._thread.join(_CLOSING_SECONDS)

    def run(self, work: Callable[[Connection], _T]) -> _T:
        """What `work` returns, given the connection.

        Raises:
            faults.DatabaseFault: what the driver or the server had to say, also that the connection has ended.
            Exception: whatever else `work` raises.
        """
        future: concurrent.futures.Future[_T] = concurrent.futures.Future()
        self._asked.put((work, future))
        until = time.monotonic() + self.patience
        while not future.done():
            concurrent.futures.wait([future], 0.5)
            if future.done():
                break
            if time.monotonic() > until:
                self._over.set()
            if self._over.is_set():
                raise self._gone()
        return future.result()

    def _gone(self) -> faults.Fault:
        said = f": {self._ended}" if self._ended is not None else ""
        return faults.DatabaseFault(
            "database-unreachable",
            f"the connection to {urls.address(self._url)} that holds the migration lock has ended{said}",
            "see why the server or something between ended it, and run it again",
        )

    def _serve(self) -> None:
        try:
            connection.run(self._url, self._work, autocommit=True, application_name=self._name)
        except BaseException as error:  # noqa: BLE001 - told to whoever uses the session
            self._ended = error
            if not self._opened.done():
                self._opened.set_exception(error)
        finally:
            self._over.set()

    def _work(self, conn: Connection) -> None:
        conn = conn.execution_options(**{walk.OURS: True})
        self._opened.set_result(None)
        while True:
            try:
                asked = self._asked.get(timeout=self._every)
            except queue.Empty:
                self.beat(conn)
                continue
            if asked is None:
                return
            self._answer(conn, *asked)
            if (
                conn.invalidated
            ):  # the server has ended it; SQLAlchemy would connect again, to a session without the lock
                return

    def _answer(
        self, conn: Connection, work: Callable[[Connection], Any], future: concurrent.futures.Future[Any]
    ) -> None:
        try:
            with connection.diagnosed(urls.parse(self._url), connecting=False):
                value = work(conn)
        except BaseException as error:  # noqa: BLE001 - raised where somebody waits for it
            future.set_exception(error)
        else:
            future.set_result(value)


def _nothing(_: Connection) -> None:
    return None
