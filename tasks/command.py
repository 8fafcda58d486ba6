"""What makes a function a command: the options that all share, and the one boundary that prints errors and exits."""

from __future__ import annotations

import inspect
import io
import math
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from invoke.exceptions import Exit
from invoke.tasks import Task
from stillroom.tasks.call import Call

from stillroom import errors

if TYPE_CHECKING:
    from invoke.context import Context

__all__ = ["Call", "command", "seconds"]

_COMMON: dict[str, tuple[Any, str]] = {
    "service": ([], "NAME: only this service; repeat it, or give several as 'auth,sales', or a glob such as 'pro*'."),
    "environment": ("", "NAME: environment of services.yaml (default: its default_environment)."),
    "namespace": ("", "NAME: Kubernetes namespace instead of the registry's; wrong for targets that have none."),
    "via": (
        "",
        "WAY: how code in a cluster is reached: exec into a running pod, or a job of its own (default: either).",
    ),
    "jobs": ("", "N: how many services at a time (default: processors + 1; in a cluster 8)."),
    "json": (False, "One JSON document on standard output, and nothing else there."),
    "verbose": (False, "Show each step, what the services' own code prints, and details in full."),
    "debug": (False, "Show tracebacks."),
}


def command(
    name: str, *, options: Mapping[str, str], repeatable: Sequence[str] = (), aliases: Sequence[str] = ()
) -> Callable[[Callable[..., None]], Task[Any]]:
    """Makes a function `(call, **own options)` a task with the common options and the error boundary.

    Args:
        name: as people type it.
        options: help text of each own option.
        repeatable: own options that may be given several times (their default is a list).
        aliases: other names.
    """

    def decorate(body: Callable[..., None]) -> Task[Any]:
        own = list(inspect.signature(body).parameters.values())[1:]
        names = {each.name for each in own}
        shared = {key: said for key, said in _COMMON.items() if key not in names}  # a command may mean its own by it

        def run(context: Context, **given: Any) -> None:
            common = {key: given.pop(key, default) for key, (default, _) in shared.items()}
            call = Call(name, common)
            with _boundary(call):
                body(call, **given)

        run.__doc__ = body.__doc__
        run.__name__ = body.__name__
        run.__module__ = body.__module__
        parameters = [inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD), *own]
        parameters += [
            inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
            for key, (default, _) in shared.items()
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        made: Task[Any] = Task(
            run,
            name=name,
            aliases=tuple(aliases),
            help={**options, **{key: text for key, (_, text) in shared.items()}},
            iterable=[*repeatable, "service"],
            auto_shortflags=False,
        )
        return made

    return decorate


def seconds(flag: str, text: str, default: float) -> float:
    """The value of a flag that takes seconds; Invoke's own conversion ends in a traceback.

    Raises:
        errors.UsageError: it is none.
    """
    try:
        found = float(text) if text else default
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise errors.UsageError(f"{flag} {text}: a number of seconds above 0 is needed", f"the default is {default:g}")
    return found


@contextmanager
def _boundary(call: Call) -> Iterator[None]:
    """The one place that tells people of errors and decides the exit code."""
    _prepare_streams()
    try:
        yield
        sys.stdout.flush()
    except errors.StillroomError as error:
        _tell(call, error.code, error.message, error.mend, error.detail, error.data)
        raise Exit(code=error.exit_code) from error
    except errors.Interrupted as error:
        services = {"done": list(error.done), "undone": list(error.undone)}
        _tell(call, "interrupted", error.message, error.mend, data=services)
        raise Exit(code=error.exit_code) from error
    except KeyboardInterrupt as error:
        _tell(call, "interrupted", "interrupted", "")
        raise Exit(code=errors.Interrupted().exit_code) from error
    except BrokenPipeError as error:
        # Whoever read our output has enough (`| head`). What is still to be flushed must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Exit(code=128 + signal.SIGPIPE) from error
    except Exit:
        raise
    except Exception as error:
        first = str(error).strip().splitlines()
        _tell(
            call,
            "unexpected",
            f"{type(error).__name__}: {first[0] if first else '(no message)'}",
            "this is a fault of Stillroom itself: run it again with --debug, and report what that prints",
        )
        raise Exit(code=1) from error


def _prepare_streams() -> None:
    """Lines come out in the order in which they are printed, and a terminal without our characters shows others."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="replace")


def _tell(
    call: Call, code: str, message: str, mend: str, detail: str = "", data: Mapping[str, Any] | None = None
) -> None:
    if call.json:
        error = {"code": code, "message": message, "mend": mend, "detail": detail, "data": dict(data or {})}
        call.answer({"command": call.name, "ok": False, "error": error})
    call.say(f"✗ {message}")
    if detail:
        call.say(detail)
    if mend:
        call.say(f"→ {mend}")
    if call.debug:
        traceback.print_exc(file=sys.stderr)
