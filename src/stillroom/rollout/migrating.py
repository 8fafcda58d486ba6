"""`apply --via job`: each service's migration Job, applied and watched, after all have been looked at.

Observe and decide (`look`), act (`run`). Kubernetes places, retries and ends; here it is watched and told.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stillroom import errors, fleet, journal, layout, manifests, told
from stillroom.registry import model
from stillroom.rollout import applying, bodies, cluster, judging, manifest_store, plan, results, running
from stillroom.runtime import faults
from stillroom.runtime.verifying import expected

__all__ = ["Done", "Options", "Plan", "Run", "look"]

Ask = Callable[[model.Service, fleet.Follower], Mapping[str, Any]]
"""Asks a service's database through its pod what `verify` asks; see the operation `verify` of the runtime."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What the person asked for.

    Attributes:
        rerun: run the Jobs again that are complete.
        stale: run images that lack the heads of this checkout.
        force: take fields over that another tool owns.
        fail_fast: after the first failure no further service is begun.
        tag: instead of the tags of all images.
    """

    rerun: bool = False
    stale: bool = False
    force: bool = False
    fail_fast: bool = False
    tag: str | None = None


@dataclasses.dataclass(frozen=True)
class Done:
    """What was done about one service, or is to be done.

    Attributes:
        step: what was planned.
        outcome: `upgraded`, `nothing to do`, `done`; or, where it is only planned, `would run`.
        before, after, applied: revisions, where the runtime told of them.
        image_id: the digest of the image that ran.
        log: the file with what its pods printed; empty where none ran.
    """

    step: plan.Step
    outcome: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    image_id: str = ""
    log: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        found = {key: value for key, value in dataclasses.asdict(self).items() if key != "step"}
        return {**self.step.to_dict(), **found}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run carries out: for each service a step, or why not."""

    options: Options
    entries: tuple[fleet.Outcome[Done], ...]

    @property
    def pending(self) -> list[fleet.Outcome[Done]]:
        """The entries where a Job is to be run, or watched."""
        return [each for each in self.entries if each.value is not None and each.value.step.action != plan.NOTHING]

    @property
    def question(self) -> str:
        """What has to be confirmed; empty where nothing is to be run."""
        count = len(self.pending)
        if not count:
            return ""
        where = ", ".join(sorted({each.value.step.namespace for each in self.pending if each.value is not None}))
        return f"Run the migration Job{'s' if count != 1 else ''} of {count} service{'s' if count != 1 else ''} in {where}?"


def look(
    found: cluster.Cluster,
    registry: model.Fleet,
    services: Sequence[model.Service],
    options: Options,
    written: journal.Journal,
    ask: Ask,
    watcher: fleet.Watcher,
    jobs: int,
) -> Plan:
    """Renders, looks at all services at once and decides; changes nothing on the cluster.

    Args:
        found: the cluster.
        registry: the fleet, of which `services` are those meant.
        options: what was asked for.
        written: the journal of this run, in whose folder the manifests are kept.
        ask: asks a database through its service's pod.
        watcher: is told.
        jobs: how many are asked at a time.

    Raises:
        errors.StillroomError: what is rendered is wrong; the cluster can't be asked.
    """
    wanted = manifests.Options(profile="plain", tag=options.tag, namespace=found.namespace)
    store = manifest_store.Store(written.folder)
    rendered = store.render(registry, found.environment, services, wanted)
    there = found.known(services)

    def one(service: model.Service, follower: fleet.Follower) -> Done:
        job = rendered[service.name]
        namespace = job.namespace or found.namespace_of(service)
        needed = () if options.stale else heads_of(service)
        name = bodies.applied_name(job.job)
        known = there.get((namespace, name))
        complete = known is not None and known.complete and not known.deleting and not options.rerun
        standing = _asked(service, ask, follower) if complete else None
        action, why = plan.decide(known, standing, needed, rerun=options.rerun)
        outcome = "nothing to do" if action == plan.NOTHING else "would run"
        return Done(plan.Step(action, why, name, namespace, job.image, needed, known), outcome)

    entries = fleet.run(services, one, watcher, jobs=jobs)
    for each in entries:
        _write_down(written, each)
    return Plan(options, tuple(entries))


def _write_down(written: journal.Journal, entry: fleet.Outcome[Done]) -> None:
    """What is planned; and what came of it, where that is all."""
    name, done = entry.service.name, entry.value
    if done is None:
        written.write("result", name, ok=False, error=None if entry.failure is None else _error(entry.failure))
        return
    written.write("plan", name, **done.step.to_dict())
    if done.step.action == plan.NOTHING:
        written.write("result", name, ok=True, **done.to_dict())


def heads_of(service: model.Service) -> tuple[str, ...]:
    """The heads of a service's history in this checkout, sorted; none where there is no history.

    Raises:
        faults.Fault, errors.StillroomError: it can't be read, or leaves open what they are.
    """
    where = layout.of(told.of(service), {}, local=False)
    return tuple(sorted(expected.of_folders(where.folders, recursive=where.recursive).heads))


def _asked(service: model.Service, ask: Ask, follower: fleet.Follower) -> plan.Standing:
    try:
        return plan.standing_of(ask(service, follower))
    except faults.Fault as fault:
        standing = plan.standing_of(fault.data)
        return standing if standing.state else plan.Standing("", why=fault.message)
    except errors.StillroomError as error:  # running the Job again is safe, and asks the database itself
        return plan.Standing("", why=error.message)


class Run:
    """Carries a plan out.

    Args:
        found: the cluster.
        written: the journal that `look` had.
        actor: who asked; noted in the ledger.
    """

    def __init__(self, found: cluster.Cluster, written: journal.Journal, actor: str) -> None:
        self._cluster = found
        self._journal = written
        self._actor = actor
        self._store = manifest_store.Store(written.folder)
        self._runner = running.Runner(found.door, found.selector)
        self._shared: set[tuple[str, str, str]] = set()
        self._lock = threading.Lock()

    def interrupt(self) -> bool:
        """Ends watching; the Jobs go on. For signal handlers."""
        return self._runner.interrupt()

    def all(self, planned: Plan, watcher: fleet.Watcher, jobs: int) -> list[fleet.Outcome[Done]]:
        """Runs what is pending, `jobs` at a time, each service after those that the registry puts before it."""
        entries = {each.service.name: each for each in planned.entries}

        def one(service: model.Service, follower: fleet.Follower) -> Done:
            entry = entries[service.name]
            if entry.value is None:
                raise _again(entry)
            if entry.value.step.action == plan.NOTHING:
                return entry.value
            return self._noted(service, lambda: self._one(service, entry.value, planned.options, follower))

        services = [each.service for each in planned.entries]
        with self._runner:
            return fleet.run(services, one, watcher, jobs=jobs, fail_fast=planned.options.fail_fast, ordered=True)

    def _one(self, service: model.Service, planned: Done | None, options: Options, follower: fleet.Follower) -> Done:
        assert planned is not None  # noqa: S101 - for the type checker: `all` has looked
        step = planned.step
        body = bodies.for_run(self._store.job(service.name), step.needed, self._actor)
        watched: judging.Job | None = step.found if step.action == plan.WATCH else None
        if watched is None:
            follower.step("configuration")
            self._configure(step.namespace, self._store.before(service.name), force=options.force)
            if step.action == plan.REPLACE:
                follower.step("delete the old Job")
                applying.delete_job(self._cluster.door, step.namespace, step.job)
        found = self._runner.run(
            service.name, step.namespace, body, follower, self._journal, found=watched, force=options.force
        )
        return _done(planned, found, str(self._journal.folder / "logs" / f"{service.name}.log"))

    def _configure(self, namespace: str, wanted: Sequence[Mapping[str, Any]], *, force: bool) -> None:
        """Applies what comes before the Job; what services share, once."""
        with self._lock:
            new = [each for each in wanted if _key(namespace, each) not in self._shared]
            applying.apply(self._cluster.door, namespace, new, force=force)
            self._shared.update(_key(namespace, each) for each in new)

    def _noted(self, service: model.Service, work: Callable[[], Done]) -> Done:
        """Does it, and writes into the journal what came of it."""
        try:
            done = work()
        except (faults.Fault, errors.StillroomError) as error:
            if error.code != "interrupted":  # its Job goes on: nothing has come of it yet
                self._journal.write("result", service.name, ok=False, error=_error(fleet.Failure.of(error)))
            raise
        self._journal.write("result", service.name, ok=True, **done.to_dict())
        return done


def _key(namespace: str, body: Mapping[str, Any]) -> tuple[str, str, str]:
    return namespace, str(body["kind"]), str(body["metadata"]["name"])


def _done(planned: Done, found: results.Result, log: str) -> Done:
    said = found.done
    outcome = str(said.get("outcome") or "done")
    revisions = [tuple(map(str, said.get(key) or ())) for key in ("before", "after", "applied")]
    return dataclasses.replace(
        planned,
        outcome=outcome,
        before=revisions[0],
        after=revisions[1],
        applied=revisions[2],
        image_id=found.image_id,
        log=log,
    )


def _error(failure: fleet.Failure) -> dict[str, Any]:
    return {
        "code": failure.code,
        "message": failure.message,
        "mend": failure.mend,
        "refused": failure.refused,
        "data": dict(failure.data),
    }


def _again(entry: fleet.Outcome[Any]) -> Exception:
    """The failure of the plan as the failure of the run."""
    failure = entry.failure
    if failure is None:
        return faults.Fault("not-planned", f"{entry.service.name} was not looked at: {entry.skipped}", "")
    kind = faults.RefusedFault if failure.refused else faults.Fault
    return kind(failure.code, failure.message, failure.mend, detail=failure.detail, data=dict(failure.data))
