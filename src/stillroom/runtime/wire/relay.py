"""A parent behind one stream: a fresh process for each request that arrives on it, until its other end goes.

Where a connection is dear (an exec into a pod, a session on a host), all requests of a service go over one. Alembic and
SQLAlchemy are imported once, here; none of the service's code runs in this process. It says `HELLO` when it is there, and
only then may the other end say anything: what carried the runtime here may have read ahead.

The other end is gone when the stream says so, and also when it has been silent for long: a connection may end on one side
only. What runs then is given time to clear away what it owes.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import selectors
import signal
import sys
import time
from types import FrameType

from . import forkserver, frames, operations, protocol, worker

__all__ = ["SILENCE_SECONDS", "serve"]

SILENCE_SECONDS = 120
"""How long the other end may say nothing; it says something every few seconds."""
_CHUNK = 256 * 1024
_LAST_BYTES = 4 * 1024 * 1024
_POLL_SECONDS = 0.25


class _Gone(Exception):
    """The other end is gone, or can't be understood."""


def serve(stdin: int, stdout: int) -> int:
    """Serves requests until the other end goes; then ends what runs.

    Args:
        stdin: descriptor from which frames are read.
        stdout: descriptor to which they are written; nothing else writes there.

    Returns:
        The exit code: 0, or 1 where what arrived made no sense.
    """
    relay = _Relay(stdin, stdout)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the operator decides what Ctrl-C means
    signal.signal(signal.SIGALRM, relay.silent)
    signal.signal(signal.SIGTERM, relay.silent)
    code = 0
    try:
        relay.greet()
        forkserver.preload_libraries()
        relay.run()
    except _Gone as gone:
        if str(gone):
            sys.stderr.write(f"stillroom: {gone}\n")
            code = 1
    relay.end()
    return code


class _Worker:
    """A process for one request."""

    def __init__(self, pid: int, lifeline: int, pipes: dict[int, str]) -> None:
        self.pid = pid
        self.lifeline: int | None = lifeline
        self.pipes = pipes


class _Relay:
    def __init__(self, stdin: int, stdout: int) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._reader = frames.Reader()
        self._workers: dict[int, _Worker] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        self._ending = False

    def greet(self) -> None:
        """Says what there is."""
        signal.alarm(SILENCE_SECONDS)
        self._say(
            frames.HELLO,
            0,
            json.dumps(
                {
                    "python": platform.python_version(),
                    "executable": sys.executable,
                    "folder": os.getcwd(),  # noqa: PTH109 - a plain string is all that is wanted
                    "user": os.getuid(),
                    "pid": os.getpid(),
                }
            ).encode(),
        )

    def run(self) -> None:
        """Takes frames and passes on what the workers say.

        Raises:
            _Gone: always, in the end.
        """
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._selector.register(self._stdin, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fd == self._stdin:
                    self._hear()
                elif key.fd == self._wake_read:
                    os.read(self._wake_read, 4096)
                    self._reap()
                else:
                    self._pass_on(key.fd, key.data)

    def silent(self, number: int, frame: FrameType | None) -> None:
        """A signal: nobody has said anything for long, or this process is to end."""
        if not self._ending:
            raise _Gone

    def end(self) -> None:
        """Ends what runs, with time to clean up; what it says meanwhile is passed on if anybody still listens."""
        self._ending = True
        signal.alarm(0)
        for each in self._workers.values():
            self._leave(each)
        deadline = time.monotonic() + forkserver.GRACE_SECONDS
        while self._workers and time.monotonic() < deadline:
            for key, _ in self._selector.select(_POLL_SECONDS):
                if key.data is not None:
                    self._pass_on(key.fd, key.data)
            self._reap()
        for each in self._workers.values():
            _kill(each)

    def _hear(self) -> None:
        data = os.read(self._stdin, _CHUNK)
        if not data:
            raise _Gone
        signal.alarm(SILENCE_SECONDS)
        try:
            heard = self._reader.feed(data)
        except frames.Damaged as damaged:
            raise _Gone(f"what arrived is damaged: {damaged}") from damaged
        for each in heard:
            self._take(each)

    def _take(self, frame: frames.Frame) -> None:
        worker_of = self._workers.get(frame.number)
        if frame.kind == frames.REQUEST and worker_of is None:
            self._begin(frame)
        elif frame.kind == frames.ALIVE:
            self._say(frames.ALIVE, 0)
        elif frame.kind == frames.LEFT and worker_of is not None:
            self._leave(worker_of)
        elif frame.kind == frames.KILL and worker_of is not None:
            _kill(worker_of)

    def _begin(self, frame: frames.Frame) -> None:
        """Forks a worker, which has its request in its memory already, and the modules of its operation."""
        try:
            request = protocol.decode_request(frame.payload)
        except (protocol.BrokenAnswer, ValueError, TypeError) as error:
            raise _Gone(f"what arrived is no request: {error}") from error
        with contextlib.suppress(Exception):  # what is missing or broken is the business of the worker
            operations.preload(request.operation)
        theirs_read, lifeline = os.pipe()
        answer_read, answer_write = os.pipe()
        output_read, output_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            for each in (lifeline, answer_read, output_read):
                os.close(each)
            self._become_worker(request, theirs_read, answer_write, output_write)
        for each in (theirs_read, answer_write, output_write):
            os.close(each)
        pipes = {answer_read: frames.ANSWER, output_read: frames.OUTPUT}
        self._workers[frame.number] = _Worker(pid, lifeline, pipes)
        for each in pipes:
            os.set_blocking(each, False)
            self._selector.register(each, selectors.EVENT_READ, frame.number)

    def _become_worker(self, request: protocol.Request, lifeline: int, answer: int, output: int) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGALRM, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            for other in self._workers.values():
                for each in (other.lifeline, *other.pipes):
                    if each is not None:
                        os.close(each)
            for each in (self._wake_read, self._wake_write, self._stdin, self._stdout):
                os.close(each)
            os.setsid()
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            with os.fdopen(lifeline, "rb") as stream:
                code = worker.answer(request, stream, answer)
        finally:
            worker.leave(code)

    def _pass_on(self, descriptor: int, number: int) -> None:
        found = self._workers.get(number)
        if found is None or descriptor not in found.pipes:
            return
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if data:
            self._say(found.pipes[descriptor], number, data)
        else:
            self._drop(found, descriptor)

    def _drop(self, found: _Worker, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)
        del found.pipes[descriptor]

    def _reap(self) -> None:
        for number, found in list(self._workers.items()):
            try:
                pid, status = os.waitpid(found.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = found.pid, 0
            if pid == 0:
                continue
            self._rest(number, found)
            del self._workers[number]
            if found.lifeline is not None:
                os.close(found.lifeline)
            self._say(frames.EXIT, number, str(os.waitstatus_to_exitcode(status)).encode())

    def _rest(self, number: int, found: _Worker) -> None:
        """Passes on what a worker left in its pipes, which something that it started may hold open for ever."""
        for descriptor, kind in list(found.pipes.items()):
            left = _LAST_BYTES
            with contextlib.suppress(BlockingIOError):
                while left > 0 and (data := os.read(descriptor, _CHUNK)):
                    left -= len(data)
                    self._say(kind, number, data)
            self._drop(found, descriptor)

    def _leave(self, found: _Worker) -> None:
        """Tells a worker that nobody waits for it: it cleans up and ends."""
        if found.lifeline is not None:
            os.close(found.lifeline)
            found.lifeline = None

    def _say(self, kind: str, number: int, payload: bytes = b"") -> None:
        try:
            protocol.write_all(self._stdout)(frames.encode(kind, number, payload))
        except OSError:
            if not self._ending:
                raise _Gone from None


def _kill(found: _Worker) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(found.pid, signal.SIGKILL)
