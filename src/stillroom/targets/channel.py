"""A conversation with a started runtime: send the request, follow the answer, and trust it only when it is whole."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections.abc import Callable
from typing import Any, Protocol

from stillroom.runtime import faults, secrecy
from stillroom.runtime.wire import protocol
from stillroom.targets import base

__all__ = ["Listener", "Quiet", "converse"]

_TAIL_BYTES = 64 * 1024
_LINE = 200
_CHUNK = 256 * 1024
# The runtime ends itself at its time limit and cleans up; only when that fails does the operator kill it.
_PATIENCE_SECONDS = 65.0
_EXIT_SECONDS = 5.0
# How long what a process has left in its pipe is read: something that it started may go on writing for ever.
_DRAIN_SECONDS = 1.0


class Listener(Protocol):
    """Who follows a conversation while it happens."""

    def event(self, event: dict[str, Any]) -> None:
        """An event of the runtime arrived."""

    def output(self, data: bytes) -> None:
        """The service's own code wrote to standard output or standard error."""


class Quiet:
    """Follows nothing."""

    def event(self, event: dict[str, Any]) -> None:
        """Ignores the event."""

    def output(self, data: bytes) -> None:
        """Ignores the output."""


class _Fields(dict[str, Any]):
    """An object of the answer: a field that has to be there and is not makes the answer as good as lost."""

    def __missing__(self, name: str) -> Any:
        raise base.TargetFailed(
            "answer-lost",
            f"the answer was lost: it arrived whole, and lacks '{name}'",
            "something in the service's process changes what Stillroom answers: --verbose shows what it printed",
        )


class _Tail:
    """The last bytes of a stream that may be far larger than we want to hold."""

    def __init__(self) -> None:
        self._data = b""
        self.total = 0

    def add(self, data: bytes) -> None:
        self.total += len(data)
        self._data = (self._data + data)[-_TAIL_BYTES:]

    def text(self) -> str:
        cut = f"[… {self.total - len(self._data)} bytes before this are left out]\n" if self.total > _TAIL_BYTES else ""
        return cut + self._data.decode("utf-8", "replace")

    def last_line(self) -> str:
        """The last line that is not blank, cut to a line's length."""
        lines = [line.strip() for line in self._data.decode("utf-8", "replace").splitlines() if line.strip()]
        return secrecy.scrubbed(lines[-1])[:_LINE] if lines else ""


def converse(process: base.Process, request: protocol.Request, listener: Listener) -> dict[str, Any]:
    """Sends one request and returns its result.

    Raises:
        faults.Fault: what the runtime answered as its error, whole.
        base.TargetFailed: the process crashed, hung, or gave an answer that can't be trusted; nothing of it is used.
    """
    reader = protocol.AnswerReader(request.id)
    tail = _Tail()
    deadline = time.monotonic() + request.time_limit + _PATIENCE_SECONDS
    try:
        _follow(process, protocol.encode_request(request), reader, tail, listener, deadline)
        final = _fields(reader.final())
    except (protocol.BrokenAnswer, RecursionError) as broken:
        raise _lost(process, request, str(broken), tail) from broken
    except TimeoutError as late:
        process.kill()
        raise base.TargetFailed(
            "time-limit",
            f"{request.operation} did not end within its time limit of {request.time_limit:g} s and was killed",
            "raise time_limit in the registry if the service needs longer; --verbose shows what it was doing",
            detail=tail.text(),
        ) from late
    finally:
        _end(process, tail, listener)
    if final["event"] == "error":
        fault = faults.from_dict(final["error"])
        fault.data.setdefault("output", tail.text())
        if fault.code == "service-code-exited" and tail.last_line():
            fault.message += f"; the last it printed: {tail.last_line()}"  # mostly the reason
            fault.args = (fault.message,)
        raise fault
    value: dict[str, Any] = final["value"]
    return value


def _fields(value: Any) -> Any:
    """A value of JSON whose objects miss no field silently."""
    if isinstance(value, dict):
        return _Fields((name, _fields(each)) for name, each in value.items())
    return [_fields(each) for each in value] if isinstance(value, list) else value


def _follow(
    process: base.Process,
    asked: bytes,
    reader: protocol.AnswerReader,
    tail: _Tail,
    listener: Listener,
    deadline: float,
) -> None:
    """Sends the request and reads both streams, until the answer is complete or its stream ends.

    Raises:
        TimeoutError: at the deadline, whatever is still arriving.
    """

    def answer(data: bytes) -> None:
        for event in reader.feed(data):
            listener.event(event)

    def output(data: bytes) -> None:
        tail.add(data)
        listener.output(data)

    request, left = process.stdin.fileno(), memoryview(asked)
    sinks: dict[int, Callable[[bytes], None]] = {process.stdout.fileno(): answer, process.stderr.fileno(): output}
    os.set_blocking(request, False)  # a process that reads nothing must not hold us past the deadline
    with selectors.DefaultSelector() as selector:
        for descriptor in sinks:
            selector.register(descriptor, selectors.EVENT_READ)
        selector.register(request, selectors.EVENT_WRITE)
        while process.stdout.fileno() in selector.get_map() and not reader.complete:
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if time.monotonic() >= deadline:
                raise TimeoutError
            for key, _ in ready:
                if key.fd == request:
                    left = more = _sent(request, left)
                else:
                    more = memoryview(os.read(key.fd, _CHUNK))
                    sinks[key.fd](bytes(more))
                if not more:
                    selector.unregister(key.fd)


def _sent(descriptor: int, data: memoryview) -> memoryview:
    """What is left to write; nothing where nobody reads any more: that shows in the answer, which says more."""
    try:
        return data[os.write(descriptor, data) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return data[:0]


def _lost(process: base.Process, request: protocol.Request, why: str, tail: _Tail) -> base.TargetFailed:
    status = process.wait(_EXIT_SECONDS)
    if status is None:
        process.kill()
    trouble = process.trouble()
    if trouble is not None:
        return base.TargetFailed(
            trouble.code, f"{request.operation}: {trouble.message}", trouble.mend, detail=trouble.detail or tail.text()
        )
    if status is not None and status < 0:
        what = f"the service's process was killed by signal {-status}"
        mend = (
            "signal 9 is often the kernel's out-of-memory killer: look at its log, give it more memory, or lower --jobs"
        )
    else:
        ended = f", exit status {status}" if status is not None else ""
        what = f"the answer was lost: {why}{ended}"
        mend = "run the command again; if it stays, --verbose shows what the service's process printed"
    return base.TargetFailed("answer-lost", f"{request.operation}: {what}", mend, detail=tail.text())


def _end(process: base.Process, tail: _Tail, listener: Listener) -> None:
    """Closes the pipes; what the process still prints while it ends is kept within reason."""
    with contextlib.suppress(OSError):
        process.stdin.close()
    if process.wait(_EXIT_SECONDS) is None:
        process.kill()
    descriptor = process.stderr.fileno()
    os.set_blocking(descriptor, False)
    until = time.monotonic() + _DRAIN_SECONDS
    with contextlib.suppress(BlockingIOError):
        while time.monotonic() < until and (data := os.read(descriptor, _CHUNK)):
            tail.add(data)
            listener.output(data)
    process.stdout.close()
    process.stderr.close()
