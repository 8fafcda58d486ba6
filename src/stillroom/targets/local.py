"""The target that is this machine: workers forked by a preloaded parent, one parent an interpreter."""

from __future__ import annotations

import array
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from typing import IO, Any

from stillroom.registry import model
from stillroom.targets import base, carrier, refusals

__all__ = ["Local"]

_START_SECONDS = 60.0
# Longer than the parent gives its workers to clean up.
_END_SECONDS = 70.0


class _Worker:
    """A forked worker, as the operator sees it."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes]) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.pid: int | None = None
        self.status: int | None = None
        self.forked = threading.Event()
        self.ended = threading.Event()

    def wait(self, timeout: float) -> int | None:
        """See `base.Process`."""
        self.ended.wait(timeout)
        return self.status

    def kill(self) -> None:
        """See `base.Process`."""
        if self.pid is not None and not self.ended.is_set():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def trouble(self) -> base.TargetFailed | None:
        """See `base.Process`."""
        return None


class _Parent:
    """The preloaded parent of one interpreter, started with the first request."""

    def __init__(self, python: str) -> None:
        self.python = python
        self._lock = threading.Lock()
        self._workers: dict[str, _Worker] = {}
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._process = subprocess.Popen(
                [python, "-c", carrier.LAUNCHER, "parent", str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            self._control.close()
            raise base.TargetFailed(
                "interpreter-missing",
                f"the interpreter {python} could not be started: {error.strerror or error}",
                "set python: in services.yaml to an interpreter that exists on this machine",
            ) from error
        finally:
            theirs.close()
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: PIPE was asked for
        with contextlib.suppress(BrokenPipeError):
            # Another interpreter may belong to somebody who can't read where this one's packages lie.
            self._process.stdin.write(carrier.address() if python == sys.executable else carrier.luggage())
            self._process.stdin.close()
        self._lines = self._control.makefile("rb")
        self._greeted = False

    def _greet(self) -> None:
        """Waits until the parent has imported what it preloads, which it does while others do other things."""
        if self._greeted:
            return
        self._control.settimeout(_START_SECONDS)
        try:
            greeting = self._lines.readline()
        except TimeoutError:
            greeting = b""
        self._control.settimeout(None)
        if not greeting:
            raise self._did_not_start()
        self._greeted = True
        threading.Thread(target=self._listen, daemon=True).start()

    def _did_not_start(self) -> base.TargetFailed:
        assert self._process.stderr is not None  # noqa: S101 - for the type checker: PIPE was asked for
        self._process.kill()
        return refusals.of(self.python, self._process.stderr.read().decode("utf-8", "replace"))

    def start(self, request_id: str) -> _Worker:
        """Forks a worker."""
        with self._lock:
            self._greet()
        request_read, request_write = os.pipe()
        answer_read, answer_write = os.pipe()
        output_read, output_write = os.pipe()
        worker = _Worker(os.fdopen(request_write, "wb"), os.fdopen(answer_read, "rb"), os.fdopen(output_read, "rb"))
        theirs = [request_read, answer_write, output_write]
        try:
            with self._lock:
                self._workers[request_id] = worker
                self._send(json.dumps({"id": request_id}).encode(), theirs)
                # One message at a time is under way, so that each arrives with its own descriptors.
                worker.forked.wait(_START_SECONDS)
        except OSError as error:
            raise self._gone() from error
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        if worker.pid is None:
            raise self._gone()
        return worker

    def _send(self, message: bytes, descriptors: list[int]) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors).tobytes())]
        self._control.sendmsg([message], rights)

    def _gone(self) -> base.TargetFailed:
        return base.TargetFailed(
            "parent-gone",
            f"the process that starts workers with {self.python} has ended",
            "run the command again; if it stays, look for what kills it (memory, a limit on processes)",
        )

    def _listen(self) -> None:
        """Hands each message of the parent to the worker that it is about."""
        with contextlib.suppress(OSError, ValueError):
            for line in self._lines:
                self._take(json.loads(line))
        for worker in list(self._workers.values()):
            worker.forked.set()
            worker.ended.set()

    def _take(self, message: dict[str, Any]) -> None:
        worker = self._workers.get(message["id"])
        if worker is None:
            return
        if "pid" in message:
            worker.pid = message["pid"]
            worker.forked.set()
        else:
            worker.status = message["status"]
            del self._workers[message["id"]]
            worker.ended.set()

    @property
    def alive(self) -> bool:
        """Whether it can start workers."""
        return self._process.poll() is None

    def interrupt(self) -> bool:
        """Tells the parent to end its workers and itself; does not wait for it. Whether it has any."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        return bool(self._workers)

    def close(self) -> None:
        """Ends the parent; its workers end with it."""
        if not self._greeted:
            self._process.kill()  # it has no workers yet, and may have much to import still
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()


class Local:
    """This machine."""

    def __init__(self) -> None:
        self._parents: dict[str, _Parent] = {}
        self._lock = threading.Lock()
        self._interrupted = False
        self._closed = False

    def start(self, request_id: str, service: model.Service) -> base.Process:
        """See `base.Target`."""
        parent = self._parent(service.python or sys.executable)
        if self._interrupted:
            raise base.TargetFailed("interrupted", "not begun: the command was interrupted", "run it again")
        return parent.start(request_id)

    def prepare(self, services: Iterable[model.Service]) -> None:
        """See `base.Target`."""
        self.warm(each.python for each in services)

    def warm(self, pythons: Iterable[str | None]) -> None:
        """Starts the parents of these interpreters, which import while others do other things.

        What goes wrong is told by the request that needs the parent: one service's interpreter is not the end of all.
        """
        for python in dict.fromkeys(python or sys.executable for python in pythons):
            with contextlib.suppress(base.TargetFailed):
                self._parent(python)

    def _parent(self, python: str) -> _Parent:
        with self._lock:
            if self._closed:
                raise base.TargetFailed(
                    "interrupted", f"{python} is not started: the command is ending", "run it again"
                )
            parent = self._parents.get(python)
            if parent is None or not parent.alive:
                parent = self._parents[python] = _Parent(python)
            return parent

    def interrupt(self) -> bool:
        """See `base.Target`."""
        self._interrupted = True  # without the lock: this runs in a signal handler, maybe of the thread that holds it
        running = [parent.interrupt() for parent in list(self._parents.values())]
        return any(running)

    def close(self) -> None:
        """See `base.Target`."""
        with self._lock:
            self._closed = True
            while self._parents:
                self._parents.popitem()[1].close()
