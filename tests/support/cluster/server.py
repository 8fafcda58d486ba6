"""The server's thread: an event loop of its own, one port of the loopback, all parts put together."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from tests.support.cluster.access import Access
from tests.support.cluster.deployments import Deployments
from tests.support.cluster.faults import Faults
from tests.support.cluster.jobs import Jobs
from tests.support.cluster.kubelet import Kubelet
from tests.support.cluster.serving import Answering
from tests.support.cluster.state import State
from tests.support.cluster.store import Store

__all__ = ["Server"]

T = TypeVar("T")
_PATIENCE_SECONDS = 60.0  # against hanging tests only
_ENDING_SECONDS = 5.0  # what was killed is soon over
_LARGEST_BODY = 3 * 1024 * 1024


class Server:
    """A running API server with its controllers and its one node.

    Attributes:
        state: used in the server's thread only, through `call`.
        port: on 127.0.0.1; kept over restarts.
    """

    def __init__(self, folder: Path, slots: int, hurry: float) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loopback cluster", daemon=True)
        self._thread.start()
        self.access = Access()
        self.faults = Faults(self._restart, lambda: self.call(self.state.store.forget))
        self.run(self._begin(folder, slots, hurry))

    async def _begin(self, folder: Path, slots: int, hurry: float) -> None:
        self.state = State(Store(), folder, asyncio.Semaphore(slots), hurry)
        self.kubelet = Kubelet(self.state)
        self.deployments = Deployments(self.state, self.kubelet)
        self.jobs = Jobs(self.state, self.kubelet)
        self.answering = Answering(self.state, self.kubelet, self.access, self.faults)
        await self._listen()

    async def _listen(self) -> None:
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self.answering.answer)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]
        self.state.address = ("127.0.0.1", self.port)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine in the server's thread and waits for it."""
        future: concurrent.futures.Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(_PATIENCE_SECONDS)

    def call(self, work: Callable[[], T]) -> T:
        """Calls a function in the server's thread and waits for it."""

        async def called() -> T:
            return work()

        return self.run(called())

    def _restart(self, away: float) -> None:
        self.run(self._again(away))

    async def _again(self, away: float) -> None:
        await self._hang_up()
        await asyncio.sleep(away)
        await self._listen()

    async def _hang_up(self) -> None:
        """Closes the port and drops all connections in the middle of whatever they do."""
        for site in list(self._runner.sites):
            await site.stop()
        if self._runner.server is not None:
            for each in list(self._runner.server.connections):
                if each.transport is not None:
                    each.transport.abort()
        await self._runner.cleanup()

    def close(self) -> None:
        """Ends everything."""
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_SECONDS)
        self._loop.close()

    async def _end(self) -> None:
        await self._hang_up()
        await self.kubelet.close()
        if self.state.tasks:
            await asyncio.wait(self.state.tasks, timeout=_ENDING_SECONDS)
        rest = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        for each in rest:
            each.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
