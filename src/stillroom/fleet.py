"""One operation over many services: in parallel, in the order that the registry asks for, every outcome collected."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from stillroom import errors
from stillroom.registry import model
from stillroom.runtime import faults

__all__ = ["Failure", "Follower", "Outcome", "Watcher", "default_jobs", "run"]

T = TypeVar("T")

_ELSEWHERE = 8


def default_jobs(*, elsewhere: bool = False) -> int:
    """How many services are worked on at a time unless told: the work is split between Python and the database.

    Args:
        elsewhere: whether the services run on other machines, so that this one mostly waits.
    """
    return _ELSEWHERE if elsewhere else (os.cpu_count() or 1) + 1


class Watcher(Protocol):
    """Who is shown what happens, while it happens. Called from several threads."""

    def begin(self, service: str) -> None:
        """Work on a service begins."""

    def step(self, service: str, step: str) -> None:
        """A step of it begins."""

    def warn(self, service: str, message: str) -> None:
        """Something that a person should know."""

    def output(self, service: str, line: str) -> None:
        """A line that the service's own code printed."""

    def end(self, service: str, outcome: Outcome[Any]) -> None:
        """Work on it has ended."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a service failed: what happened, what to do, and the longer story."""

    code: str
    message: str
    mend: str
    detail: str = ""
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    refused: bool = False

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """The failure that an error of the runtime or of the operator side tells of."""
        if isinstance(error, faults.Fault):
            refused = isinstance(error, faults.RefusedFault)
            return cls(error.code, error.message, error.mend, error.detail, error.data, refused)
        if isinstance(error, errors.StillroomError):
            return cls(
                error.code, error.message, error.mend, error.detail, error.data, isinstance(error, errors.Refused)
            )
        raise error


@dataclasses.dataclass(frozen=True)
class Outcome(Generic[T]):
    """What became of one service: a value, a failure, or skipped because of another one.

    With a value and a failure (or skipped) it was done in part.
    """

    service: model.Service
    seconds: float
    value: T | None = None
    failure: Failure | None = None
    skipped: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all of it was done."""
        return self.failure is None and self.skipped is None


class Follower:
    """Passes what a conversation says on to the watcher, under the service's name (see `channel.Listener`)."""

    def __init__(self, service: str, watcher: Watcher) -> None:
        self._service = service
        self._watcher = watcher
        self._rest = b""
        self.warnings: list[str] = []

    def step(self, name: str) -> None:
        """A step on the operator's side begins."""
        self._watcher.step(self._service, name)

    def warn(self, message: str) -> None:
        """Something that a person should know."""
        self.warnings.append(message)
        self._watcher.warn(self._service, message)

    def event(self, event: dict[str, Any]) -> None:
        """See `channel.Listener`."""
        if event["event"] == "step":
            self.step(str(event.get("step", "")))
        elif event["event"] == "warning":
            mend = f" ({event['mend']})" if event.get("mend") else ""
            self.warn(f"{event.get('message', '')}{mend}")

    def output(self, data: bytes) -> None:
        """See `channel.Listener`."""
        *lines, self._rest = (self._rest + data)[-64 * 1024 :].split(b"\n")
        for line in lines:
            self._watcher.output(self._service, line.decode("utf-8", "replace"))


def run(
    services: Sequence[model.Service],
    work: Callable[[model.Service, Follower], T],
    watcher: Watcher,
    *,
    jobs: int,
    fail_fast: bool = False,
    ordered: bool = False,
    earlier: Sequence[Outcome[Any]] = (),
    sizes: Mapping[str, int] | None = None,
) -> list[Outcome[T]]:
    """Does `work` for each service, `jobs` at a time.

    Args:
        services: in the order in which the outcomes come back.
        work: raises `faults.Fault` or `errors.StillroomError` where a service fails; anything else is a bug and
            ends the run.
        watcher: is told.
        jobs: at least 1.
        fail_fast: after the first failure nothing new is begun; what runs is let finish.
        ordered: a service begins only when those that it comes `after` are done well.
        earlier: what became of other services before; they count for the order, and are not told of again.
        sizes: name -> how much work there is. Several at a time, the largest begin first: the last one to end works
            alone, and should be a small one. Not with `fail_fast`, where the order is the person's.

    Returns:
        One outcome a service.

    Raises:
        errors.Interrupted: on an interrupt in this thread, once those that run have ended; naming what was done.
    """
    going = _Run(services, work, watcher, jobs, fail_fast, ordered, earlier)
    if sizes and jobs > 1 and not fail_fast:
        going.largest_first(sizes)
    return going.all()


class _Run(Generic[T]):
    def __init__(
        self,
        services: Sequence[model.Service],
        work: Callable[[model.Service, Follower], T],
        watcher: Watcher,
        jobs: int,
        fail_fast: bool,
        ordered: bool,
        earlier: Sequence[Outcome[Any]],
    ) -> None:
        self._services = services
        self._waiting = list(services)
        self._work = work
        self._watcher = watcher
        self._jobs = max(1, jobs)
        self._fail_fast = fail_fast
        self._names = list(dict.fromkeys([*(each.name for each in services), *(each.service.name for each in earlier)]))
        self._before = {each.name: set(each.after).intersection(self._names) if ordered else set() for each in services}
        self._outcomes: dict[str, Outcome[T]] = {each.service.name: each for each in earlier}
        # As the threads have them; an interrupt may come before this one has heard of it.
        self._ended: dict[str, Outcome[T]] = {}

    def largest_first(self, sizes: Mapping[str, int]) -> None:
        """The order in which they begin."""
        self._waiting.sort(key=lambda service: -sizes.get(service.name, 0))

    def all(self) -> list[Outcome[T]]:
        running: set[concurrent.futures.Future[Outcome[T]]] = set()
        try:
            with concurrent.futures.ThreadPoolExecutor(self._jobs) as pool:
                self._go(running, pool)
        except KeyboardInterrupt as interrupt:
            raise self._interrupted(interrupt) from interrupt
        return [self._outcomes[each.name] for each in self._services]

    def _go(
        self,
        running: set[concurrent.futures.Future[Outcome[T]]],
        pool: concurrent.futures.ThreadPoolExecutor,
    ) -> None:
        waiting = self._waiting
        while waiting or running:
            waiting = self._begin(waiting, running, pool)
            if running:
                done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    self._note(future.result())
                    running.discard(future)

    def _interrupted(self, interrupt: KeyboardInterrupt) -> errors.Interrupted:
        """What to tell: by now, those that ran have ended one way or the other."""
        outcomes = {**self._outcomes, **self._ended}
        done = tuple(name for name in self._names if name in outcomes and outcomes[name].ok)
        undone = tuple(name for name in self._names if name not in done)
        number = interrupt.number if isinstance(interrupt, errors.Interrupted) else signal.SIGINT
        return errors.Interrupted(number, done=done, undone=undone)

    def _begin(
        self,
        waiting: list[model.Service],
        running: set[concurrent.futures.Future[Outcome[T]]],
        pool: concurrent.futures.ThreadPoolExecutor,
    ) -> list[model.Service]:
        """Starts or skips what can be; the rest goes on waiting."""
        left = []
        for service in waiting:
            reason = self._reason_to_skip(service)
            if reason is not None:
                self._note(Outcome(service, 0.0, skipped=reason))
            elif len(running) < self._jobs and self._before[service.name] <= self._outcomes.keys():
                running.add(pool.submit(self._one, service))
            else:
                left.append(service)
        return left

    def _reason_to_skip(self, service: model.Service) -> str | None:
        failed = [name for name, outcome in self._outcomes.items() if not outcome.ok]
        before = [name for name in failed if name in self._before[service.name]]
        if before:
            return f"after {', '.join(before)}"
        if failed and self._fail_fast:
            return f"--fail-fast, {failed[0]} failed"
        return None

    def _one(self, service: model.Service) -> Outcome[T]:
        outcome = self._ended[service.name] = self._worked_on(service)
        return outcome

    def _worked_on(self, service: model.Service) -> Outcome[T]:
        begun = time.monotonic()
        follower = Follower(service.name, self._watcher)
        self._watcher.begin(service.name)
        try:
            value = self._work(service, follower)
        except (faults.Fault, errors.StillroomError) as error:
            return Outcome(
                service, time.monotonic() - begun, failure=Failure.of(error), warnings=tuple(follower.warnings)
            )
        return Outcome(service, time.monotonic() - begun, value, warnings=tuple(follower.warnings))

    def _note(self, outcome: Outcome[T]) -> None:
        self._outcomes[outcome.service.name] = outcome
        self._watcher.end(outcome.service.name, outcome)
