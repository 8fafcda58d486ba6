"""What every command shares: its options, its place in the fleet, and the one boundary that prints errors and exits."""

from __future__ import annotations

import functools
import inspect
import io
import math
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Any

from invoke.exceptions import Exit
from invoke.tasks import Task

from stillroom import errors

if TYPE_CHECKING:
    from invoke.context import Context

    from stillroom.fleet import Outcome, Watcher
    from stillroom.registry import model
    from stillroom.session import Session

__all__ = ["Call", "command", "seconds"]

_COMMON: dict[str, tuple[Any, str]] = {
    "service": ([], "NAME: only this service; repeat it, or give several as 'auth,sales', or a glob such as 'pro*'."),
    "environment": ("", "NAME: environment of services.yaml (default: its default_environment)."),
    "namespace": ("", "NAME: Kubernetes namespace instead of the registry's; wrong for targets that have none."),
    "jobs": ("", "N: how many services at a time (default: processors + 1)."),
    "json": (False, "One JSON document on standard output, and nothing else there."),
    "verbose": (False, "Show each step, what the services' own code prints, and details in full."),
    "debug": (False, "Show tracebacks."),
}
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Call:
    """One use of a command: its common options, and what follows from them.

    The registry and everything behind it is imported when it is asked for, so that `invoke --list` stays quick.
    """

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name = name
        self.json: bool = options["json"]
        self.verbose: bool = options["verbose"]
        self.debug: bool = options["debug"]
        self.answered = False
        self._options = options
        self._done: set[str] = set()

    @functools.cached_property
    def fleet(self) -> model.Fleet:
        """The registry, loaded and checked."""
        from stillroom.registry import load

        return load.load()

    @functools.cached_property
    def environment(self) -> model.Environment:
        """The environment that `--environment` names, or the default one."""
        from stillroom.registry import load

        found = load.environment(self.fleet, self._options["environment"] or None)
        if self._options["namespace"] and found.target != "kubernetes":
            raise errors.UsageError(
                f"--namespace was given, but environment {found.name} has target {found.target}, which has no namespaces",
                "leave --namespace out, or name a kubernetes environment with --environment",
            )
        return found

    @functools.cached_property
    def services(self) -> tuple[model.Service, ...]:
        """The services that `--service` selects; all without it."""
        from stillroom.registry import load

        return load.select(self.fleet, self._options["service"], self.environment)

    @property
    def given_environment(self) -> str:
        """What `--environment` was given; empty where the registry's default counts."""
        given: str = self._options["environment"]
        return given

    @property
    def jobs(self) -> int:
        """How many services at a time."""
        from stillroom import fleet

        given: str = self._options["jobs"]
        if not given:
            return fleet.default_jobs()
        if not given.isascii() or not given.isdigit() or int(given) < 1:
            raise errors.UsageError(
                f"--jobs {given}: a whole number of at least 1 is needed",
                f"leave it out for the default ({fleet.default_jobs()})",
            )
        return int(given)

    @contextmanager
    def session(self, services: Sequence[model.Service] | None = None) -> Iterator[Session]:
        """The opened environment; what an interrupted command left is put right first.

        Args:
            services: those to open databases for; None: the selected ones.
        """
        with self._moment("getting ready"):
            from stillroom import session

        with closing(session.head_start()) as machine:
            with self._moment("getting ready"):
                wanted = tuple(self.services if services is None else services)
            self.recover()
            opened = session.Session(self.fleet, self.environment, self.jobs, machine)
            with self._told(), opened, self._interruptible(opened):
                yield self._opened(opened, wanted)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """An interrupt between the works on services, at a question say, tells what was done, too."""
        try:
            yield
        except errors.Interrupted as interrupt:
            if interrupt.done or interrupt.undone:
                raise
            names = [each.name for each in self.services]
            done = tuple(each for each in names if each in self._done)
            undone = tuple(each for each in names if each not in self._done)
            raise errors.Interrupted(interrupt.number, done=done, undone=undone) from interrupt

    def _opened(self, session: Session, services: tuple[model.Service, ...]) -> Session:
        embedded = self.environment.database == "embedded"
        with self._moment("starting the embedded database" if embedded else "getting ready"):
            session.open(services)
        return session

    def _moment(self, text: str) -> AbstractContextManager[None]:
        from stillroom.people import moment

        return nullcontext() if self.json else moment.moment(text)

    @contextmanager
    def _interruptible(self, opened: Session) -> Iterator[None]:
        """Ctrl-C, a signal to end or a closed terminal lets what runs clean up first; asking again does not hurry it."""

        def stop(number: int, frame: FrameType | None) -> None:
            for each in _SIGNALS:
                signal.signal(each, signal.SIG_IGN)
            if opened.interrupt():
                # Straight to the descriptor: the signal may have come in the middle of a print.
                os.write(
                    sys.stderr.fileno(), "\ninterrupted: what runs is ended, and cleans up behind itself …\n".encode()
                )
            raise errors.Interrupted(number)

        # What is ignored stays so: that is how nohup, and a shell's background jobs, are meant.
        heard = [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
        before = {each: signal.signal(each, stop) for each in heard}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def recover(self) -> None:
        """Finishes or undoes what a killed command had begun, and says so."""
        from stillroom.history import replace

        for done in replace.recover(self.fleet.state):
            self.say(str(done))

    @contextmanager
    def watching(self, title: str, *, brief: bool = False, looks: bool = False) -> Iterator[Watcher]:
        """Live progress for the selected services.

        Args:
            title: what is done.
            brief: without a terminal, say nothing while all goes well: what is found is shown afterwards.
            looks: nothing is done yet, it is only looked at: an interrupt finds all of it undone.
        """
        from stillroom.people import progress

        names = [each.name for each in self.services]
        quiet = self.json or (brief and not sys.stderr.isatty() and not self.verbose)
        self._done.clear()
        try:
            with progress.watching(title, names, verbose=self.verbose, quiet=quiet) as watcher:
                yield watcher if looks else _Noting(watcher, self._done)
        except errors.Interrupted as interrupt:
            if looks:
                raise errors.Interrupted(interrupt.number, undone=tuple(names)) from interrupt
            raise

    def answer(self, document: Mapping[str, Any]) -> None:
        """Prints the one JSON document of `--json`. The first counts: an error that follows is told to people only."""
        from stillroom.people import summary

        if not self.answered:
            self.answered = True
            summary.print_json(document)

    def say(self, line: str = "") -> None:
        """A line for people, beside the data: on standard error."""
        from stillroom.people import fitting

        print(fitting.fit(line, sys.stderr), file=sys.stderr)

    def confirm(self, question: str, *, yes: bool, flag: str = "--yes") -> None:
        """Asks, unless the answer was given.

        Raises:
            errors.Refused: on any answer but yes, and where there is nobody to ask.
        """
        if yes:
            return
        if not sys.stdin.isatty() or self.json:
            why = "--json asks nothing" if self.json else "there is no terminal to ask in"
            raise errors.Refused(f"not confirmed, and {why}: {question}", f"if that is meant, give {flag}")
        from stillroom.people import fitting

        print(f"{fitting.fit(f'{question} [y/N]', sys.stderr)} ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise errors.Refused("not confirmed; nothing was done", f"answer y, or give {flag}")

    def finish(
        self, outcomes: Sequence[Outcome[Any]], describe: Callable[[Any], Mapping[str, Any]], **extra: Any
    ) -> None:
        """Prints the end of a run over services, and exits with its code unless all is well."""
        from stillroom.people import summary

        if self.json:
            document = summary.document(self.name, self.environment.name, outcomes, describe)
            self.answer({**document, **extra})
        self.leave(outcomes)

    def leave(self, outcomes: Sequence[Outcome[Any]]) -> None:
        """Tells people of the failures, and exits with the code of the run unless all is well."""
        from stillroom.people import summary

        summary.failures([] if self.json else outcomes, verbose=self.verbose, debug=self.debug)
        code = summary.exit_code(outcomes)
        if code:
            raise Exit(code=code)


class _Noting:
    """Tells a watcher on, and notes which services are done well."""

    def __init__(self, watcher: Watcher, done: set[str]) -> None:
        self.begin, self.step, self.warn, self.output = watcher.begin, watcher.step, watcher.warn, watcher.output
        self._end = watcher.end
        self._done = done

    def end(self, service: str, outcome: Outcome[Any]) -> None:
        """See `fleet.Watcher`."""
        if outcome.ok:
            self._done.add(service)
        self._end(service, outcome)


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

        def run(context: Context, **given: Any) -> None:
            common = {key: given.pop(key, default) for key, (default, _) in _COMMON.items()}
            call = Call(name, common)
            with _boundary(call):
                body(call, **given)

        run.__doc__ = body.__doc__
        run.__name__ = body.__name__
        run.__module__ = body.__module__
        parameters = [inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD), *own]
        parameters += [
            inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
            for key, (default, _) in _COMMON.items()
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        made: Task[Any] = Task(
            run,
            name=name,
            aliases=tuple(aliases),
            help={**options, **{key: text for key, (_, text) in _COMMON.items()}},
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
