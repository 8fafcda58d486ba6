"""What containers print, kept with the time of each line, and served as `kubectl logs` asks for it."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncIterator

from tests.support.cluster import statuses
from tests.support.cluster.calls import Query

__all__ = ["Log", "read"]

_UTC = datetime.timezone.utc


class Log:
    """The output of one run of a container."""

    def __init__(self) -> None:
        self.lines: list[tuple[datetime.datetime, bytes]] = []
        self.ended = False
        self._rest = b""
        self._pulse = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Takes output as it comes; lines count when they are whole."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        stamp = datetime.datetime.now(_UTC)
        self.lines += [(stamp, line + b"\n") for line in whole]
        self._wake()

    def end(self) -> None:
        """Nothing will follow; an unfinished line counts as it is."""
        if self._rest:
            self.lines.append((datetime.datetime.now(_UTC), self._rest))
            self._rest = b""
        self.ended = True
        self._wake()

    def last(self, lines: int, limit: int) -> str:
        """The end of it, as `FallbackToLogsOnError` takes it."""
        text = b"".join(line for _, line in self.lines[-lines:])
        return text[-limit:].decode("utf-8", "replace")

    async def changed(self) -> None:
        """Waits for more, or the end."""
        await self._pulse.wait()

    def _wake(self) -> None:
        self._pulse.set()
        self._pulse = asyncio.Event()


def read(log: Log, query: Query) -> AsyncIterator[bytes]:
    """The lines that were asked for, and with `follow` those to come. Raises `Refused`."""
    stamped, follow, limit = query.flag("timestamps"), query.flag("follow"), query.number("limitBytes")
    return _limited(_lines(log, _first(log, query), stamped, follow), limit)


async def _lines(log: Log, number: int, stamped: bool, follow: bool) -> AsyncIterator[bytes]:
    while True:
        while number < len(log.lines):
            when, line = log.lines[number]
            number += 1
            yield when.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode() + line if stamped else line
        if log.ended or not follow:
            return
        await log.changed()


async def _limited(lines: AsyncIterator[bytes], left: int | None) -> AsyncIterator[bytes]:
    async for line in lines:
        yield line if left is None else line[:left]
        if left is not None:
            left -= len(line)
            if left <= 0:
                return


def _first(log: Log, query: Query) -> int:
    """The line to begin with."""
    since = _since(query)
    first = next((n for n, (when, _) in enumerate(log.lines) if since is None or when >= since), len(log.lines))
    tail = query.number("tailLines")
    if tail is not None and tail < 0:
        raise statuses.bad_request(f"invalid log options: tailLines: Invalid value: {tail}")
    return first if tail is None else max(first, len(log.lines) - tail)


def _since(query: Query) -> datetime.datetime | None:
    if query.one("sinceTime"):
        return datetime.datetime.fromisoformat(query.one("sinceTime").replace("Z", "+00:00"))
    seconds = query.number("sinceSeconds")
    return None if seconds is None else datetime.datetime.now(_UTC) - datetime.timedelta(seconds=seconds)
