"""What the watches have seen of the Jobs that somebody waits for. Everything else they see is forgotten at once.

So it holds as many Jobs as run at a time, however many the fleet has.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable, Mapping

from stillroom import errors
from stillroom.rollout import judging

__all__ = ["Board", "Key", "Seen"]

Key = tuple[str, str]
"""Namespace and name of a Job."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """What is known of one Job.

    Attributes:
        version: grows with each change.
        job: None: it has been deleted, or is not there yet.
        pods: those of it.
        gone: whether it was there, and is no more.
        doubtful: a list did not have it, which may be older than the Job: ask for it.
    """

    version: int = 0
    job: judging.Job | None = None
    pods: tuple[judging.Pod, ...] = ()
    gone: bool = False
    doubtful: bool = False


class Board:
    """Where watches write and waiting threads read. Safe to share between threads."""

    def __init__(self) -> None:
        self._changed = threading.RLock()
        self._seen: dict[Key, Seen] = {}
        self._waiting: dict[Key, threading.Condition] = {}  # each wakes its own: hundreds may wait
        self._error: errors.StillroomError | None = None

    def expect(self, key: Key) -> None:
        """From now on what happens to this Job is kept."""
        with self._changed:
            self._seen[key] = Seen()
            self._waiting[key] = threading.Condition(self._changed)

    def forget(self, key: Key) -> None:
        """Nobody waits for it any more."""
        with self._changed:
            self._seen.pop(key, None)
            self._waiting.pop(key, None)

    def applied(self, key: Key, job: judging.Job) -> None:
        """The Job as the server answered when it was applied: what is seen of another one of that name is not meant."""

        def change(seen: Seen) -> Seen:
            known = seen.job if seen.job is not None and seen.job.uid == job.uid else job
            return dataclasses.replace(seen, job=known, gone=False, doubtful=False)

        self._change(key, change)

    def job(self, key: Key, job: judging.Job, *, deleted: bool = False) -> None:
        """A watch has seen a Job."""

        def change(seen: Seen) -> Seen:
            if seen.job is not None and seen.job.uid != job.uid:
                return seen
            if deleted:
                return dataclasses.replace(seen, job=None, gone=True) if seen.job is not None else seen
            return dataclasses.replace(seen, job=job, gone=False, doubtful=False)

        self._change(key, change)

    def listed(self, namespace: str, jobs: Mapping[str, str]) -> None:
        """A list of all Jobs of a namespace (name to uid) was read: whichever it lacks may be gone."""
        with self._changed:
            expected = [key for key, seen in self._seen.items() if key[0] == namespace and seen.job is not None]
        for key in expected:

            def change(seen: Seen, name: str = key[1]) -> Seen:
                missing = seen.job is not None and jobs.get(name) != seen.job.uid
                return dataclasses.replace(seen, doubtful=True) if missing else seen

            self._change(key, change)

    def pod(self, namespace: str, pod: judging.Pod, *, deleted: bool = False) -> None:
        """A watch has seen a pod."""

        def change(seen: Seen) -> Seen:
            others = tuple(each for each in seen.pods if each.name != pod.name)
            return dataclasses.replace(seen, pods=others if deleted else (*others, pod))

        self._change((namespace, pod.job), change)

    def pods_listed(self, namespace: str, names: Iterable[str]) -> None:
        """A list of all pods was read: those that it lacks are gone."""
        there = frozenset(names)
        with self._changed:
            expected = [key for key in self._seen if key[0] == namespace]
        for key in expected:
            self._change(
                key, lambda seen: dataclasses.replace(seen, pods=tuple(pod for pod in seen.pods if pod.name in there))
            )

    def wait(self, key: Key, after: int, timeout: float) -> Seen:
        """What is known of a Job, as soon as that is newer than `after`, or after `timeout` seconds.

        Raises:
            errors.StillroomError: the watches have given up, or the command was interrupted.
        """
        with self._changed:
            news = self._waiting[key]
            news.wait_for(lambda: self._error is not None or self._seen[key].version > after, timeout)
            if self._error is not None:
                raise self._error
            return self._seen[key]

    def fail(self, error: errors.StillroomError) -> None:
        """Whoever waits fails with this."""
        with self._changed:
            self._error = self._error or error
            for each in self._waiting.values():
                each.notify_all()

    def _change(self, key: Key, change: Callable[[Seen], Seen]) -> None:
        with self._changed:
            seen = self._seen.get(key)
            if seen is None:
                return
            changed = change(seen)
            if changed != seen:
                self._seen[key] = dataclasses.replace(changed, version=seen.version + 1)
                self._waiting[key].notify_all()
