"""How a start that failed ends the process: non-zero, with one clear line, and nothing swallowed.

The line is logged where the failure is found (`[error] DB not ready: …`). An exception that leaves a lifespan would then
be printed once more, with a traceback of the web framework's own frames; `FailsPlainly` spares people that.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from .. import faults
from . import logs

__all__ = ["FailsPlainly", "ends_plainly", "exit_code", "log", "told"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[Any, _Receive, _Send], Awaitable[None]]


_STARTUP_FAILED = 3
"""With what uvicorn ends where a lifespan says that its start has failed."""

_ended_by: list[faults.Fault] = []
"""What ended the last start of this process, as it was logged; or nothing."""


class FailsPlainly:
    """ASGI middleware: a start that failed for a reason that was logged ends without a traceback.

    The server hears `lifespan.startup.failed` without a text and ends the process (uvicorn with exit code 3). Any other
    exception is the server's to show.

    Args:
        app: an ASGI application.
    """

    def __init__(self, app: _App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: _Receive, send: _Send) -> None:
        """One scope."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        held: list[_Message] = []

        async def holding(message: _Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                held.append(message)  # until it is known what failed
            else:
                await send(message)

        try:
            await self._app(scope, receive, holding)
        except BaseException as error:
            for message in held:
                await send({**message, "message": ""} if getattr(error, "logged", False) else message)
            raise
        for message in held:
            await send(message)


@contextmanager
def ends_plainly() -> Iterator[None]:
    """A fault in the block ends the process with its line and its exit code, also where a web server heard of it first.

        with ends_plainly():
            asyncio.run(main())            # a worker; or
            uvicorn.run("app.main:app")    # ends with 13 on an empty database, where uvicorn by itself ends with 3

    Raises:
        SystemExit: for a `faults.Fault`, and for uvicorn's own end after a start that one has ended; other exceptions come
            out as they are.
    """
    _ended_by.clear()
    try:
        yield
    except faults.Fault as fault:
        log(fault)
        sys.exit(exit_code(fault))
    except SystemExit as ended:
        if ended.code != _STARTUP_FAILED or not _ended_by:
            raise
        sys.exit(exit_code(_ended_by[0]))


def log(fault: faults.Fault, lines: logs.Lines | None = None, service: str = "") -> None:
    """Logs a fault as its one line, once; as JSON with `service`, `state` (where the database was judged) and `code`."""
    if not getattr(fault, "logged", False):
        fault.logged = True  # type: ignore[attr-defined]  # for whoever meets it further up
        _ended_by[:] = [fault]
        (lines or logs.logger_of_errors()).error(told(fault), **logs.beside(**_about(fault, service)))


def _about(fault: faults.Fault, service: str) -> dict[str, Any]:
    judged = getattr(fault, "verdict", None)
    named = {
        "service": service or getattr(judged, "service", ""),
        "state": getattr(judged, "state", ""),
        "code": fault.code,
    }
    return {name: value for name, value in named.items() if value}


def told(fault: faults.Fault) -> str:
    """A fault as one line: what happened, and what to do."""
    return f"{fault.message}; {fault.mend}" if fault.mend else fault.message


def exit_code(fault: faults.Fault) -> int:
    """The exit code of a process that ends with this fault: that of its state, or 1."""
    code = getattr(fault, "exit_code", None)
    return code if isinstance(code, int) and code > 0 else 1
