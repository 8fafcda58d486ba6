"""A preloaded parent that forks a worker for each request.

Importing Alembic and SQLAlchemy costs more than most of the work itself, so services with one interpreter share a parent
that has imported them. The parent runs none of the service's code; each worker does, in a process and session of its own.

Over the control socket the operator sends one message a worker, `{"id": …}`, with three descriptors (request, answer,
output); the parent answers `{"id", "pid"}` when it has forked and `{"id", "status"}` when the worker has ended.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterable
from typing import Any

from . import operations, worker

__all__ = ["GRACE_SECONDS", "PRELOADED", "preload", "preload_libraries", "serve"]

PRELOADED = (
    "logging.config",
    "alembic.command",
    "alembic.autogenerate",
    "alembic.context",
    "alembic.op",
    "sqlalchemy.orm",
    "sqlalchemy.dialects.postgresql",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "asyncpg",
    "asyncio",
)
GRACE_SECONDS = 60.0
"""Longer than workers take in the worst case (see `worker`)."""


def serve(control: socket.socket) -> None:
    """Forks workers until the operator closes the control socket; then ends them and returns."""
    preload()
    children: dict[int, str] = {}
    wakeup_read, wakeup_write = os.pipe()
    os.set_blocking(wakeup_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the operator decides what Ctrl-C means
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    _send(control, {"ready": os.getpid()})
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(wakeup_read, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is control:
                    if not _accept(control, children):
                        _end_all(control, children)
                        return
                else:
                    os.read(wakeup_read, 4096)
                    _reap(control, children)


def preload() -> None:
    """Imports, and rehearses, what workers will need."""
    preload_libraries(operations.modules())
    gc.disable()
    with contextlib.suppress(Exception):
        operations.load("connections.compiled").share()
        importlib.import_module(".rehearsal", __package__).rehearse()
    gc.collect()
    gc.freeze()  # only what the rehearsal left was looked through
    gc.enable()


def preload_libraries(modules: Iterable[str] = ()) -> None:
    """Imports the libraries that workers will need, and these modules of the runtime."""
    gc.disable()  # it would look at the same modules again and again while they are imported
    # What is missing or broken here, in whatever way (an old SQLAlchemy on a new Python fails with AssertionError), is
    # the business of the worker that needs it.
    for name in PRELOADED:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    for module in modules:
        with contextlib.suppress(Exception):
            operations.load(module)
    gc.freeze()  # what is imported stays
    gc.enable()


def _accept(control: socket.socket, children: dict[int, str]) -> bool:
    """Forks a worker for the next message; False when there is none any more."""
    try:
        message, descriptors, _, _ = socket.recv_fds(control, 4096, 3)
    except OSError:
        return False
    if not message:
        return False
    request_id = json.loads(message)["id"]
    pid = os.fork()
    if pid == 0:
        _become_worker(control, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    children[pid] = request_id
    _send(control, {"id": request_id, "pid": pid})
    return True


def _become_worker(control: socket.socket, descriptors: list[int]) -> None:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        os.setsid()
        requests, answer, output = descriptors
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        with os.fdopen(requests, "rb") as stream:
            code = worker.run(stream, answer)
    finally:
        worker.leave(code)


def _reap(control: socket.socket, children: dict[int, str]) -> None:
    while children:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in children:
            _send(control, {"id": children.pop(pid), "status": os.waitstatus_to_exitcode(status)})


def _end_all(control: socket.socket, children: dict[int, str]) -> None:
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while children and time.monotonic() < deadline:
        _reap(control, children)
        if children:
            time.sleep(0.02)
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        control.sendall(json.dumps(message).encode() + b"\n")
