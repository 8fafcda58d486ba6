"""One use of a command: its common options, its place in the fleet, its session, and what it says to people."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Any

from invoke.exceptions import Exit

from stillroom import errors

if TYPE_CHECKING:
    from stillroom.fleet import Outcome, Watcher
    from stillroom.registry import model
    from stillroom.session import Session

__all__ = ["Call"]

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
        self._check_via(found)
        return found

    @functools.cached_property
    def services(self) -> tuple[model.Service, ...]:
        """The services that `--service` selects; all without it."""
        from stillroom.registry import load

        found = load.select(self.fleet, self._options["service"], self.environment)
        namespace: str = self._options["namespace"]
        return tuple(dataclasses.replace(each, namespace=namespace) for each in found) if namespace else found

    @property
    def namespace(self) -> str | None:
        """The Kubernetes namespace, if `--namespace` says one."""
        return self._options["namespace"] or None

    @property
    def via(self) -> str | None:
        """How code in a cluster is reached, if `--via` says it."""
        return self._options.get("via") or None

    def _check_via(self, environment: model.Environment) -> None:
        if self.via is None:
            return
        if environment.target != "kubernetes":
            raise errors.UsageError(
                f"--via was given, but environment {environment.name} has target {environment.target}",
                "leave --via out, or name a kubernetes environment with --environment",
            )
        if self.via not in ("exec", "job"):
            raise errors.UsageError(f"--via {self.via}: there is no such way", "give exec or job, or leave it out")

    @property
    def given_environment(self) -> str:
        """What `--environment` was given; empty where the registry's default counts."""
        given: str = self._options["environment"]
        return given

    @property
    def given_namespace(self) -> str:
        """What `--namespace` was given; empty where the registry's counts."""
        given: str = self._options["namespace"]
        return given

    @property
    def jobs(self) -> int:
        """How many services at a time."""
        from stillroom import fleet

        return self.jobs_or(fleet.default_jobs(elsewhere=self.environment.target != "local"))

    def jobs_or(self, default: int) -> int:
        """How many services at a time; `default` where nothing is given."""
        given: str = self._options["jobs"]
        if not given:
            return default
        if not given.isascii() or not given.isdigit() or int(given) < 1:
            raise errors.UsageError(
                f"--jobs {given}: a whole number of at least 1 is needed",
                f"leave it out for the default ({default})",
            )
        return int(given)

    @contextmanager
    def session(self, services: Sequence[model.Service] | None = None, *, either: bool = False) -> Iterator[Session]:
        """The opened environment; what an interrupted command left is put right first.

        Args:
            services: those to open databases for; None: the selected ones.
            either: code in a cluster is reached as the registry says, whatever `--via` means to the command.
        """
        with self._moment("getting ready"):
            from stillroom import head_start

        here = not self.given_environment or self.environment.target == "local"
        with closing(head_start.begin(wanted=here)) as machine:
            with self._moment("getting ready"):
                from stillroom import session

                wanted = tuple(self.services if services is None else services)
            self.recover()
            opened = session.Session(self.fleet, self.environment, self.jobs, machine, None if either else self.via)
            with self._told(), opened, self.interruptible(opened.interrupt):
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
    def interruptible(self, interrupt: Callable[[], bool]) -> Iterator[None]:
        """Ctrl-C, a signal to end or a closed terminal lets what runs clean up first; asking again does not hurry it.

        Args:
            interrupt: ends what runs, and says whether anything does; called in the signal handler.
        """

        def stop(number: int, frame: FrameType | None) -> None:
            for each in _SIGNALS:
                signal.signal(each, signal.SIG_IGN)
            if interrupt():
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
    def watching(
        self, title: str, *, brief: bool = False, looks: bool = False, logs: bool = False
    ) -> Iterator[Watcher]:
        """Live progress for the selected services.

        Args:
            title: what is done.
            brief: without a terminal, say nothing while all goes well: what is found is shown afterwards.
            looks: nothing is done yet, it is only looked at: an interrupt finds all of it undone.
            logs: show what services print.
        """
        from stillroom.people import progress

        names = [each.name for each in self.services]
        quiet = self.json or (brief and not sys.stderr.isatty() and not self.verbose)
        self._done.clear()
        try:
            with progress.watching(title, names, verbose=self.verbose, quiet=quiet, logs=logs) as watcher:
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
