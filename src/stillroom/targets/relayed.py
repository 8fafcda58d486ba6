"""A process of the operator's machine that leads to a relay somewhere else, and the requests that share it.

Each request looks like a process of its own: three pipes and an end. A thread carries bytes between those pipes and the
frames of the shared stream, and says every few seconds that somebody is still there.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import selectors
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from typing import IO, Any

from stillroom.runtime.wire import frames
from stillroom.targets import base

__all__ = ["Relayed", "Request"]

_PING_SECONDS = 15.0
# The relay answers each of ours; a container that is short of processor time may take its time to.
_SILENCE_SECONDS = 75.0
_EXIT_SECONDS = 5.0
_CHUNK = 256 * 1024
_SAID_BYTES = 16 * 1024

Explain = Callable[[str, int | None, str], base.TargetFailed]
"""`(what was noticed, exit status of the leading process, what it wrote to stderr) -> the failure to tell`."""


class Request:
    """One request on a relay, as the operator sees it (see `base.Process`)."""

    def __init__(self, number: int, owner: Relayed) -> None:
        self.number = number
        self._owner = owner
        self.asked, ours = os.pipe()
        answer, self.answer = os.pipe()
        output, self.output = os.pipe()
        self.stdin: IO[bytes] = os.fdopen(ours, "wb")
        self.stdout: IO[bytes] = os.fdopen(answer, "rb")
        self.stderr: IO[bytes] = os.fdopen(output, "rb")
        self.taken = bytearray()
        self.sent = False
        self.status: int | None = None
        self.failure: base.TargetFailed | None = None
        self.ended = threading.Event()
        self._killed = False

    def wait(self, timeout: float) -> int | None:
        """See `base.Process`."""
        self.ended.wait(timeout)
        return self.status

    def kill(self) -> None:
        """See `base.Process`. Where the relay does not do it either, the way to it is given up."""
        if self.ended.is_set():
            return
        if self._killed:
            self._owner.give_up("what runs there can't be ended from here")
        self._killed = True
        self._owner.tell(frames.KILL, self.number)

    def trouble(self) -> base.TargetFailed | None:
        """See `base.Process`."""
        return self.failure


class Relayed:
    """The way to one relay.

    Args:
        process: leads there; its standard output is a pipe, and so is its standard error.
        stdin: our end of the socket that its standard input is.
        explain: what to tell when it ends.
    """

    def __init__(self, process: subprocess.Popen[bytes], stdin: socket.socket, explain: Explain) -> None:
        self._process = process
        self._stdin = stdin
        self._explain = explain
        self._said = bytearray()
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        self._requests: dict[int, Request] = {}
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._given_up = ""
        self._retired = False
        self.hello: dict[str, Any] = {}
        self.failure: base.TargetFailed | None = None
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._reader = frames.Reader()
        self._heard = self._told = time.monotonic()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._errors = threading.Thread(target=self._read_errors, daemon=True)

    def open(self, luggage: bytes, seconds: float) -> None:
        """Sends what starts the relay, and waits until it is there.

        Raises:
            base.TargetFailed: it never was.
        """
        self._errors.start()
        self._listener.start()
        self._stdin.settimeout(seconds)
        with contextlib.suppress(OSError):
            self._stdin.sendall(luggage)
        if not self._ready.wait(seconds):
            self.give_up(f"nothing was heard of it within {seconds:g} s")
            self._ready.wait(_EXIT_SECONDS * 2)
        if self.failure is not None:
            raise self.failure

    @property
    def alive(self) -> bool:
        """Whether requests can be sent."""
        return not (self._retired or self._given_up) and self.failure is None and self._process.poll() is None

    @property
    def busy(self) -> bool:
        """Whether any request is under way."""
        return bool(self._requests)

    def retire(self) -> bool:
        """Lets no more requests begin, unless one is under way; whether that is so."""
        with self._lock:
            self._retired = self._retired or not self._requests
            return self._retired

    def start(self) -> Request | None:
        """The pipes for one more request; None where it can't be sent any more: the relay is gone, or retired."""
        with self._lock:
            if self.failure is not None or self._retired:
                return None
            made = Request(next(self._numbers), self)
            self._requests[made.number] = made
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b".")
        return made

    def tell(self, kind: str, number: int, payload: bytes = b"") -> None:
        """Sends a frame; that nobody takes it shows in the answers."""
        try:
            with self._sending:
                self._stdin.sendall(frames.encode(kind, number, payload))
        except TimeoutError:
            self.give_up("what is sent there is not taken")
        except OSError:
            return

    def interrupt(self) -> bool:
        """Ends what runs, which cleans up; whether anything runs. For signal handlers: locks nothing."""
        with contextlib.suppress(OSError):
            self._stdin.shutdown(socket.SHUT_WR)
        return bool(self._requests)

    def give_up(self, why: str) -> None:
        """Ends the leading process at once; what waits on the relay is told why."""
        self._given_up = self._given_up or why
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self, seconds: float) -> None:
        """Ends the relay; safe to call twice. `interrupt` before it for many at once."""
        self.interrupt()
        self._listener.join(seconds)
        if self._listener.is_alive():
            self.give_up("it was closed")
            self._listener.join(_EXIT_SECONDS * 2)
        self._stdin.close()
        if self._wake_write >= 0:
            os.close(self._wake_write)
            self._wake_write = -1

    def _read_errors(self) -> None:
        stream = self._process.stderr
        with contextlib.suppress(OSError, ValueError):
            while stream is not None and (data := os.read(stream.fileno(), _CHUNK)):
                self._said += data
                del self._said[:-_SAID_BYTES]

    def _listen(self) -> None:
        """Until the stream ends, or can't be understood."""
        assert self._process.stdout is not None  # noqa: S101 - for the type checker: PIPE was asked for
        noticed = ""
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        try:
            while self._step(self._process.stdout.fileno()):
                pass
            noticed = "it ended in the middle of what it said" if self._reader.within else ""
        except frames.Damaged as damaged:
            noticed = str(damaged)
            self.give_up(noticed)
        except TimeoutError:
            noticed = f"nothing was heard from there for {_SILENCE_SECONDS:g} s"
            self.give_up(noticed)
        self._end(self._given_up or noticed)

    def _step(self, stream: int) -> bool:
        """Waits for something to happen, and deals with it; False at the end of the stream."""
        ready = self._selector.select(_PING_SECONDS)
        now = time.monotonic()
        if self._ready.is_set() and now - self._told >= _PING_SECONDS:
            self._told = now
            self.tell(frames.ALIVE, 0)
        if not ready and self._ready.is_set() and now - self._heard > _SILENCE_SECONDS:
            raise TimeoutError
        for key, _ in ready:
            if key.fd == stream:
                data = os.read(stream, _CHUNK)
                if not data:
                    return False
                self._heard = time.monotonic()
                for frame in self._reader.feed(data):
                    self._take(frame)
            elif key.fd == self._wake_read:
                os.read(self._wake_read, 4096)
                self._welcome()
            else:
                self._forward(key.data)
        return True

    def _welcome(self) -> None:
        """Listens to what new requests ask."""
        with self._lock:
            new = [each for each in self._requests.values() if not each.sent and not each.taken]
        for each in new:
            with contextlib.suppress(KeyError):  # it is listened to already
                self._selector.register(each.asked, selectors.EVENT_READ, each)

    def _forward(self, request: Request) -> None:
        """Takes what is asked; a request that is whole is sent, and the end of it is told."""
        data = os.read(request.asked, _CHUNK)
        if not data:
            self._selector.unregister(request.asked)
            os.close(request.asked)
            request.asked = -1
            if not request.ended.is_set():
                self.tell(frames.LEFT, request.number)
                if not request.sent:
                    self._done(request, None)
            return
        request.taken += data
        header, found, body = request.taken.partition(b"\n")
        if found and not request.sent and len(body) >= int(header.rpartition(b" ")[2]):
            request.sent = True
            self.tell(frames.REQUEST, request.number, bytes(request.taken))
            request.taken.clear()

    def _take(self, frame: frames.Frame) -> None:
        if frame.kind == frames.HELLO:
            self.hello = _described(frame.payload)
            self._ready.set()
            return
        request = self._requests.get(frame.number)
        if request is None:
            return
        if frame.kind == frames.EXIT:
            self._done(request, int(frame.payload))
            return
        into = request.answer if frame.kind == frames.ANSWER else request.output
        view = memoryview(frame.payload)
        with contextlib.suppress(OSError):  # nobody reads it any more
            while view:
                view = view[os.write(into, view) :]

    def _done(self, request: Request, status: int | None) -> None:
        with self._lock:
            self._requests.pop(request.number, None)
        request.status = status
        os.close(request.answer)
        os.close(request.output)
        request.ended.set()

    def _end(self, noticed: str) -> None:
        """Tells all who wait that, and why, nothing will come any more."""
        try:
            status: int | None = self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.give_up(noticed)
            status = self._process.wait()
        self._errors.join(_EXIT_SECONDS)
        failure = self._explain(noticed, status, self._said.decode("utf-8", "replace"))
        with self._lock:
            self.failure = failure
            left = list(self._requests.values())
        for each in left:
            each.failure = failure
            self._done(each, None)
        self._ready.set()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, Request):
                key.data.asked = -1
                os.close(key.fd)
        self._selector.close()
        os.close(self._wake_read)


def _described(payload: bytes) -> dict[str, Any]:
    """What a relay said of itself.

    Raises:
        frames.Damaged: it is no such thing.
    """
    try:
        found = json.loads(payload)
    except ValueError as error:
        raise frames.Damaged("the relay did not say what it is") from error
    if not isinstance(found, dict):
        raise frames.Damaged("the relay did not say what it is")
    return found
