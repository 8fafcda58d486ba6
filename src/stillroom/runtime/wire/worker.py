"""One process, one request: takes it from a pipe, runs the operation, answers on another pipe.

The answer has a descriptor of its own. What the service's code prints goes to standard error instead, so that a `print`
in a models module can't be taken for an answer. Standard input stays open as long as the operator lives: its end ends us.
"""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import signal
import sys
import threading
import time
import traceback
from typing import Any, BinaryIO

from .. import faults, libraries
from ..housekeeping import disk, ending
from . import operations, protocol, telling

__all__ = ["TERMINATED", "answer", "leave", "run"]

TERMINATED = 143
# For the operation to end, and then for what it owes to be cleared away: dropping a database may take a checkpoint.
_GRACE_SECONDS = 15.0
_SETTLING_SECONDS = 40.0
_ANSWER_SECONDS = 5.0
# Files that are nobody's own code: installed ones, generated ones, ours.
_FOREIGN = ("site-packages", "<", os.path.dirname(os.path.dirname(__file__)) + os.sep)  # noqa: PTH120 - may be in a zip


def run(requests: BinaryIO, answer_descriptor: int) -> int:
    """Serves one request.

    Args:
        requests: the stream with the request; watched until its end afterwards.
        answer_descriptor: where the answer goes; nothing else writes there.

    Returns:
        The exit code that the end marker carries.
    """
    request = protocol.read_request(requests)
    return 0 if request is None else answer(request, requests, answer_descriptor)


def answer(request: protocol.Request, operator: BinaryIO, answer_descriptor: int) -> int:
    """Serves this request.

    Args:
        request: what is asked.
        operator: a stream that ends when the operator goes.
        answer_descriptor: where the answer goes; nothing else writes there.

    Returns:
        The exit code that the end marker carries.
    """
    # This process ends before it has much garbage; looking for it would take a tenth of its time.
    gc.set_threshold(50_000, 20, 50)
    writer = protocol.AnswerWriter(protocol.write_all(answer_descriptor), request.id)
    writer.event("started", id=request.id, pid=os.getpid(), python=platform.python_version())
    ending.listen()
    _watch(operator, request.time_limit)
    os.environ.update(request.environment)
    for name, value in request.fallback.items():
        os.environ.setdefault(name, value)
    code = _answer(request, writer)
    writer.end(code)
    return code


def _watch(requests: BinaryIO, time_limit: float) -> None:
    """Ends this process when the operator goes away or the time is up, giving it time to clean up."""

    def stop(delay: float) -> None:
        time.sleep(delay)
        os.kill(os.getpid(), signal.SIGTERM)
        if not ending.over(_GRACE_SECONDS):
            # The service's code does not let go: what it owes is cleared away from here.
            settler = threading.Thread(target=ending.settle, daemon=True)
            settler.start()
            settler.join(_SETTLING_SECONDS)
        if ending.over(_ANSWER_SECONDS):
            time.sleep(_ANSWER_SECONDS)
        os._exit(TERMINATED)

    def wait_for_operator() -> None:
        with contextlib.suppress(OSError, ValueError):
            requests.read(1)
        stop(0)

    threading.Thread(target=wait_for_operator, daemon=True).start()
    threading.Thread(target=stop, args=(time_limit,), daemon=True).start()


def _answer(request: protocol.Request, answer: protocol.AnswerWriter) -> int:
    try:
        value = ending.watched(lambda: operations.run(request, telling.Tell(answer)))
    except faults.Fault as fault:
        answer.event("error", error=fault.to_dict())
        return 1
    except ending.Terminated:
        answer.event("error", error=_terminated(request).to_dict())
        return TERMINATED
    except BaseException as error:  # noqa: BLE001 - the service's own code may raise anything, SystemExit included
        answer.event("error", error=_unexpected(request, error).to_dict())
        return 1
    answer.event("result", value=value)
    return 0


def _terminated(request: protocol.Request) -> faults.Fault:
    return faults.Fault(
        "terminated",
        f"{request.operation} was ended before it was done (time limit of {request.time_limit:g} s, or the operator left)",
        "raise time_limit in the registry if the service needs longer, and run the command again",
    )


def _unexpected(request: protocol.Request, error: BaseException) -> faults.Fault:
    refused = disk.refused(request.operation, error)
    if refused is not None:
        return refused
    traced = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    unusable = libraries.unusable()
    if unusable is not None:
        unusable.detail = traced
        return unusable
    detail: dict[str, Any] = {"type": type(error).__name__}
    place = _last_place(error)
    return faults.Fault(
        "unexpected",
        f"{request.operation} failed with {type(error).__name__}: {_first_line(error)}{place}",
        "the traceback is shown with --debug; if the service's own code is not at fault, report it",
        detail=traced,
        data=detail,
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else "(no message)"


def _last_place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not any(each in frame.filename for each in _FOREIGN)]
    if not own:
        return ""
    return f" ({own[-1].filename}:{own[-1].lineno})"


def leave(code: int) -> None:
    """Ends the process at once: no atexit of the service's code, no thread of its, can hold it up."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
