"""`rollback`: back to an older revision, from the newer image, which has the way down.

Observe and decide (`look`: the runtime plans in a Job, and touches nothing), act (`Rollback.all`: it goes down in a Job, and
another one verifies). Several services go back in the reverse of the order in which they came.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any

from stillroom import errors, fleet, journal, manifests, protection
from stillroom.registry import model, order
from stillroom.rollout import bodies, cluster, commands, manifest_store, running
from stillroom.runtime import faults

__all__ = ["Loss", "Options", "Planned", "Rollback", "reversed_order", "targets"]

_PURPOSE = "rollback"


@dataclasses.dataclass(frozen=True)
class Options:
    """What the person asked for.

    Attributes:
        to: service to the revision that it goes back to.
        accepted: losses that are meant, as printed, or globs.
        image: whose way down is taken; None: that of the newest Job that completed, or else the registry's.
        permission: to do it in a protected environment.
        tag: instead of the tags of all images of the registry.
    """

    to: Mapping[str, str]
    accepted: tuple[str, ...] = ()
    image: str | None = None
    permission: protection.Permission = dataclasses.field(default_factory=protection.Permission)
    tag: str | None = None


@dataclasses.dataclass(frozen=True)
class Loss:
    """What undoing a revision takes away: `table:orders`, `column:orders.note`, `what:line 12 does (execute)`.

    `rows`: how many go with it; None: that can't be told.
    """

    name: str
    rows: int | None

    def __str__(self) -> str:
        return f"{self.name} ({'unknown' if self.rows is None else self.rows} rows)"


@dataclasses.dataclass(frozen=True)
class Planned:
    """What going back means for one service.

    Attributes:
        current, target: revisions noted now, and afterwards.
        undone: the revisions that are undone, in that order, with what each takes away.
        image: whose way down is taken.
        outcome: `would roll back`, `nothing to do`, `rolled back`.
        state: of the database afterwards, as the newer image sees it; empty: it was not asked yet.
    """

    current: tuple[str, ...]
    target: tuple[str, ...]
    undone: tuple[tuple[str, tuple[Loss, ...]], ...]
    image: str
    outcome: str
    state: str = ""

    @property
    def losses(self) -> tuple[Loss, ...]:
        """All that goes with rows, or may."""
        return tuple(loss for _, losses in self.undone for loss in losses if loss.rows != 0)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        undone = [
            {"revision": revision, "losses": [dataclasses.asdict(loss) for loss in losses]}
            for revision, losses in self.undone
        ]
        return {**dataclasses.asdict(self), "undone": undone}


def targets(services: Sequence[model.Service], to: Sequence[str]) -> dict[str, str]:
    """Service to revision: from `--to REV` for the only service (or `base` for all), or `--to NAME=REV` of each.

    Raises:
        errors.UsageError: one has none, or a name is not among them.
    """
    names = [each.name for each in services]
    found: dict[str, str] = {}
    for each in to:
        name, equals, revision = each.partition("=")
        if equals and name not in names:
            raise errors.UsageError(f"--to {each}: {name} is not among the services: {', '.join(names)}", "name it")
        if not equals and len(names) > 1 and each != "base":
            raise errors.UsageError(
                f"--to {each}: several services are meant, and a revision is one of a single service",
                f"name it for each: --to {names[0]}={each}; base holds for all",
            )
        found.update({name: revision} if equals else dict.fromkeys(names, each))
    missing = [name for name in names if not found.get(name)]
    if missing:
        raise errors.UsageError(
            f"where to is not said for {', '.join(missing)}", "--to REVISION, or --to NAME=REVISION"
        )
    return found


def reversed_order(services: Sequence[model.Service], everyone: Sequence[model.Service]) -> list[model.Service]:
    """The services such that each comes `after` those that came after it: the last one up is the first one down."""
    before = order.predecessors(services, everyone)
    dependants = {name: tuple(other for other in before if name in before[other]) for name in before}
    batches = order.batches(services, everyone)
    return [dataclasses.replace(each, after=dependants[each.name]) for batch in reversed(batches) for each in batch]


class Rollback:
    """Plans and carries out. A context manager: watches end with it.

    Args:
        found: the cluster.
        written: the journal of this run.
        actor: who asks.
        options: what was asked for.
    """

    def __init__(self, found: cluster.Cluster, written: journal.Journal, actor: str, options: Options) -> None:
        self._cluster = found
        self._journal = written
        self._options = options
        self._store = manifest_store.Store(written.folder)
        self._runner = running.Runner(found.door, found.selector)
        self._commands = commands.Commands(found, self._runner, written, actor)

    def __enter__(self) -> Rollback:
        self._runner.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._runner.__exit__(*error)

    def interrupt(self) -> bool:
        """Ends watching; a Job that runs goes on. For signal handlers."""
        return self._runner.interrupt()

    def look(
        self, registry: model.Fleet, services: Sequence[model.Service], watcher: fleet.Watcher, jobs: int
    ) -> list[fleet.Outcome[Planned]]:
        """What going back would undo and lose, service by service; no database is changed.

        Raises:
            errors.StillroomError: what is rendered is wrong; the environment is protected.
        """
        environment = self._cluster.environment
        for each in services:
            given = self._options.permission
            name = given.database or "NAME"
            protection.check(each.name, environment.name, environment.protected, None, name, given)
        wanted = manifests.Options(profile="plain", tag=self._options.tag, namespace=self._cluster.namespace)
        self._store.render(registry, environment, services, wanted)

        def one(service: model.Service, follower: fleet.Follower) -> Planned:
            image = self._options.image or self._newest(service)
            found = self._commands.ask(
                service,
                self._store.job(service.name),
                _PURPOSE,
                ["downgrade", "--to", self._options.to[service.name], *self._permission()],
                follower,
                image=image,
            )
            planned = _planned(found, image or self._image(service))
            self._journal.write("plan", service.name, **planned.to_dict())
            return self._unless_lost(service, planned)

        return fleet.run(services, one, watcher, jobs=jobs)

    def all(
        self, entries: Sequence[fleet.Outcome[Planned]], watcher: fleet.Watcher, jobs: int
    ) -> list[fleet.Outcome[Planned]]:
        """Goes back, each service after those that depend on it, and verifies each."""
        planned = {each.service.name: each.value for each in entries}

        def one(service: model.Service, follower: fleet.Follower) -> Planned:
            plan = planned[service.name]
            if plan is None or not plan.undone:
                if plan is None:
                    raise faults.Fault("not-planned", f"{service.name} could not be looked at", "")
                return plan
            try:
                done = self._one(service, plan, follower)
            except (faults.Fault, errors.StillroomError) as error:
                failure = fleet.Failure.of(error)
                told = {"code": failure.code, "message": failure.message, "mend": failure.mend}
                if failure.code != "interrupted":  # its Job goes on: nothing has come of it yet
                    self._journal.write("result", service.name, ok=False, error=told)
                raise
            self._journal.write("result", service.name, ok=True, **done.to_dict())
            return done

        return fleet.run([each.service for each in entries], one, watcher, jobs=jobs, fail_fast=True, ordered=True)

    def _one(self, service: model.Service, plan: Planned, follower: fleet.Follower) -> Planned:
        body = self._store.job(service.name)
        to = self._options.to[service.name]
        confirm = ["--confirm", ",".join(plan.current), *self._permission()]
        follower.step("downgrade")
        found = self._commands.ask(
            service, body, _PURPOSE, ["downgrade", "--to", to, *confirm], follower, image=plan.image
        )
        if not found.get("ok"):
            raise _fault(found)
        follower.step("verify")
        verified = self._commands.ask(service, body, "verify", bodies.verify(body), follower, image=plan.image)
        if not verified.get("state"):
            raise _fault(verified)
        now = tuple(sorted(map(str, verified.get("current") or ())))
        if now != tuple(sorted(plan.target)):
            raise faults.Fault(
                "other-revision",
                f"{service.name}: the rollback ended well, and the database is at {', '.join(now) or 'no revision'} instead "
                f"of {', '.join(plan.target) or 'no revision'}: {verified.get('message', '')}",
                "look for who else migrates: invoke history",
            )
        return dataclasses.replace(plan, outcome="rolled back", state=str(verified.get("state") or ""))

    def _newest(self, service: model.Service) -> str | None:
        """The image that last brought the database forward: no older one has the way down."""
        return next((job.image for job in self._cluster.jobs(service) if job.complete and job.image), None)

    def _image(self, service: model.Service) -> str:
        containers = self._store.job(service.name)["spec"]["template"]["spec"]["containers"]
        return str(containers[0]["image"])

    def _permission(self) -> list[str]:
        given = self._options.permission
        named = [] if given.environment is None else ["--allow-protected", given.environment]
        return [*named, *([] if given.database is None else ["--expect-database", given.database])]

    def _unless_lost(self, service: model.Service, planned: Planned) -> Planned:
        """The plan, unless rows go with it that nobody gave up."""
        kept = [each for each in planned.losses if not _accepted(each, self._options.accepted)]
        if not kept:
            return planned
        named = " ".join(f"--accept-loss '{each.name}'" for each in kept)
        raise faults.RefusedFault(
            "rows-would-be-lost",
            f"{service.name}: going back to {self._options.to[service.name]} loses {', '.join(map(str, kept))}",
            f"dump the rows first; if they may go: {named}",
            data=planned.to_dict(),
        )


def _accepted(loss: Loss, names: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(loss.name, each) for each in names)


def _planned(found: Mapping[str, Any], image: str) -> Planned:
    """What the runtime planned; it refuses to go on without a confirmation, and says the plan with that.

    Raises:
        faults.Fault: what it says is wrong instead.
    """
    if found.get("ok"):
        plan = found
    elif found.get("code") == "unconfirmed":
        plan = found.get("data") or {}
    else:
        raise _fault(found)
    undone = tuple(
        (str(each["revision"]), tuple(_loss(loss) for loss in each["losses"])) for each in plan.get("reverted") or ()
    )
    current, target = (tuple(map(str, plan.get(key) or ())) for key in ("current", "target"))
    return Planned(current, target, undone, image, "would roll back" if undone else "nothing to do")


def _loss(value: Mapping[str, Any]) -> Loss:
    return Loss(str(value["what"]).replace(" ", ":", 1), value["rows"])


def _fault(found: Mapping[str, Any]) -> faults.Fault:
    """The fault that the runtime in a Job told; of an image that does not know the database's revision, whose to take."""
    fault = faults.from_dict(dict(found))
    if fault.code == "unknown-revision":
        fault.mend = (
            "go back from the newer image, which has that revision: --image IMAGE (invoke history names images)"
        )
    return fault
