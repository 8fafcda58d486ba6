"""One Job from its application to its result: watched, its logs streamed and stored, judged, and told of."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from stillroom import errors, fleet, journal
from stillroom.rollout import applying, board, judging, logs, results, watching
from stillroom.targets.kubernetes import kubectl

__all__ = ["Runner"]

_LOOK_AGAIN = 2.0  # seconds after which a log that found no place, or broke off, is tried once more
_RESTS = 60.0


class Runner:
    """Runs Jobs, as many at a time as there are threads that call it.

    A context manager: watches and logs end with it, the Jobs go on.

    Args:
        door: to the cluster.
        selector: labels that all Jobs have that it runs, and their pods.
    """

    def __init__(self, door: kubectl.Kubectl, selector: str) -> None:
        self.door = door
        self._board = board.Board()
        self._watches = watching.Watches(door, self._board, selector)
        self._streams = threading.BoundedSemaphore(logs.MOST_STREAMS)
        self._readers: set[logs.Reader] = set()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def interrupt(self) -> bool:
        """Ends watching; whoever waits for a Job fails with `interrupted`. The Jobs go on."""
        stopped = errors.StillroomError(
            "interrupted; its Job goes on in the cluster",
            "run it again to watch it, or invoke logs --follow",
        )
        stopped.code = "interrupted"
        self._board.fail(stopped)
        self.door.interrupt()
        self._stop()
        return True

    def _stop(self) -> None:
        self._watches.stop()
        for each in list(self._readers):
            each.stop()

    def run(
        self,
        service: str,
        namespace: str,
        body: Mapping[str, Any],
        follower: fleet.Follower,
        written: journal.Journal,
        *,
        found: judging.Job | None = None,
        force: bool = False,
    ) -> results.Result:
        """Applies a Job, or takes up one that runs, and waits until it has ended.

        Args:
            service: whose.
            namespace: the Job's.
            body: the Job.
            follower: is told of steps and log lines.
            written: the journal of this run, which gets the log.
            found: the Job, where it is there already: it is only watched.
            force: as for `applying.apply`.

        Raises:
            results.JobFailed, results.JobRefused: it failed; what is left of its log is told.
            kubectl.KubectlFailed: the cluster refuses it, or can't be watched.
        """
        name = str(body["metadata"]["name"])

        def begin() -> judging.Job:
            if found is not None:
                return found
            follower.step("apply")
            return judging.Job.from_object(applying.apply(self.door, namespace, [body], force=force)[0])

        def begun(job: judging.Job) -> None:
            written.write("begin", service, step="job", job=name, namespace=namespace, uid=job.uid)

        stored = written.log(service)
        try:
            return self._follow(service, (namespace, name), begin, begun, follower, stored, there=found is not None)
        finally:
            stored.close()

    def watch(self, service: str, namespace: str, found: judging.Job, follower: fleet.Follower) -> results.Result:
        """Follows a Job that is there until it has ended; nothing is written down.

        Raises:
            results.JobFailed, results.JobRefused: it failed.
            kubectl.KubectlFailed: it can't be watched.
        """
        return self._follow(
            service, (namespace, found.name), lambda: found, lambda job: None, follower, None, there=True
        )

    def _follow(
        self,
        service: str,
        key: board.Key,
        begin: Callable[[], judging.Job],
        begun: Callable[[judging.Job], None],
        follower: fleet.Follower,
        stored: journal.Log | None,
        *,
        there: bool,
    ) -> results.Result:
        self._watches.over(key[0])
        self._board.expect(key)
        with contextlib.closing(_Logs(self, key[0], follower, stored)) as streams:
            try:
                job = begin()
                self._board.applied(key, job)
                begun(job)
                if there:
                    self._catch_up(key)
                verdict = self._wait(key, follower, streams)
                verdict, pods = self._looked_at_last(key, verdict)
                streams.finish(pods, whole=verdict.state == judging.FAILED)
            finally:
                self._board.forget(key)
        return _ended(service, key[1], verdict, pods, streams)

    def _catch_up(self, key: board.Key) -> None:
        """What the watches have seen of it before somebody waited for it, they have forgotten: also its end."""
        namespace, name = key
        self._ask(key)
        for each in watching.listed(self.door, watching.PODS, namespace, f"batch.kubernetes.io/job-name={name}"):
            self._board.pod(namespace, judging.Pod.from_object(each))

    def _wait(self, key: board.Key, follower: fleet.Follower, streams: _Logs) -> judging.Verdict:
        """How the Job ends."""
        told, warned, version = "", "", -1
        while True:
            seen = self._board.wait(key, version, _LOOK_AGAIN if streams.wanting else _RESTS)
            version = seen.version
            if seen.doubtful:
                self._ask(key)
                continue
            if seen.job is None and not seen.gone:
                continue
            streams.follow(seen.pods)
            verdict = judging.judge(None if seen.gone else seen.job, seen.pods)
            if verdict.state != judging.RUNNING:
                return verdict
            if verdict.step != told:
                told = verdict.step
                follower.step(told)
            if verdict.trouble and verdict.trouble != warned:
                warned = verdict.trouble
                follower.warn(warned)

    def _ask(self, key: board.Key) -> None:
        """Settles whether a Job that a list did not have is there."""
        found = applying.find_job(self.door, *key)
        known = self._board.wait(key, -1, 0).job
        if found is not None and known is not None and judging.Job.from_object(found).uid == known.uid:
            self._board.applied(key, known)
            self._board.job(key, judging.Job.from_object(found))
        elif known is not None:
            self._board.job(key, known, deleted=True)

    def _looked_at_last(
        self, key: board.Key, verdict: judging.Verdict
    ) -> tuple[judging.Verdict, tuple[judging.Pod, ...]]:
        """The verdict and the pods once more: the watch of pods may be behind that of Jobs."""
        seen = self._board.wait(key, -1, 0)
        if _all_told(seen.pods) or verdict.code == "job-deleted":
            return verdict, seen.pods
        namespace, name = key
        answer = self.door.json("get", "pods", f"--selector=batch.kubernetes.io/job-name={name}", namespace=namespace)
        pods = tuple(judging.Pod.from_object(each) for each in answer["items"])
        return (verdict if verdict.state == judging.DONE else judging.judge(seen.job, pods)), pods

    def place(self) -> bool:
        """Whether one more log may be followed; whoever gets a place gives it back (`leave`)."""
        return self._streams.acquire(blocking=False)

    def leave(self) -> None:
        """A log is no longer followed."""
        self._streams.release()

    @contextlib.contextmanager
    def reading(self, reader: logs.Reader) -> Any:
        """For as long as a log is read, so that an interrupt ends it."""
        self._readers.add(reader)
        try:
            yield
        finally:
            self._readers.discard(reader)


class _Logs:
    """The logs of one service's pods: each container's is followed in a thread, if there is a place."""

    def __init__(self, runner: Runner, namespace: str, follower: fleet.Follower, stored: journal.Log | None) -> None:
        self._runner = runner
        self._namespace = namespace
        self._follower = follower
        self._lock = threading.Lock()
        self._readers: dict[tuple[str, str], logs.Reader] = {}
        self._following: dict[tuple[str, str], threading.Thread] = {}
        self._started: list[tuple[str, str]] = []
        self._stores = stored is not None
        self.stored = stored
        self.tail = logs.Tail()

    @property
    def wanting(self) -> bool:
        """Whether a log is to be followed that is not."""
        return any(each not in self._following and not self._reader(each).complete for each in self._started)

    def follow(self, pods: tuple[judging.Pod, ...]) -> None:
        """Follows what has started since."""
        self._started = _started(pods)
        for each in self._started:
            if each not in self._following and not self._reader(each).complete and self._runner.place():
                thread = threading.Thread(target=self._follow, args=(each,), name=f"log {each[0]}", daemon=True)
                self._following[each] = thread
                thread.start()

    def finish(self, pods: tuple[judging.Pod, ...], *, whole: bool) -> None:
        """Reads what was not followed, or broke off; with `whole` once more what seems complete."""
        for each in dict.fromkeys([*self._started, *_started(pods)]):
            thread = self._following.get(each)
            if thread is not None:
                thread.join()
            reader = self._reader(each)
            if whole or not reader.complete:
                with contextlib.suppress(kubectl.KubectlFailed), self._runner.reading(reader):
                    reader.read(follow=False)

    def close(self) -> None:
        """Ends what is followed."""
        for each in self._readers.values():
            each.stop()
        for thread in list(self._following.values()):
            thread.join()

    def _follow(self, which: tuple[str, str]) -> None:
        reader = self._reader(which)
        try:
            with contextlib.suppress(kubectl.KubectlFailed), self._runner.reading(reader):
                reader.read(follow=True)
        finally:
            self._runner.leave()
            self._following.pop(which, None)

    def _reader(self, which: tuple[str, str]) -> logs.Reader:
        with self._lock:
            if which not in self._readers:
                pod, container = which
                self._readers[which] = logs.Reader(
                    self._runner.door, self._namespace, pod, container, self._taker(container)
                )
            return self._readers[which]

    def _taker(self, container: str) -> Callable[[str], None]:
        def take(line: str) -> None:
            with self._lock:  # also so that lines of two containers never mix
                self.tail.add(line)
                self._store(line)
                self._follower.output(f"{line}\n".encode())

        return take

    def _store(self, line: str) -> None:
        if self.stored is None or not self._stores:
            return
        try:
            self.stored.write(line)
        except errors.StillroomError as error:  # a full disk here is no reason to leave a migration unwatched
            self._stores = False
            self._follower.warn(f"{error.message} The rest of it is only shown.")


def _started(pods: tuple[judging.Pod, ...]) -> list[tuple[str, str]]:
    """Pod and container of what has something to say, in the order in which they started."""
    ordered = sorted(pods, key=lambda pod: (pod.created, pod.name))
    return [(pod.name, each.name) for pod in ordered for each in pod.containers if each.started and not each.sidecar]


def _all_told(pods: tuple[judging.Pod, ...]) -> bool:
    """Whether each container of each pod is known to have ended."""
    return bool(pods) and all(each.state == "terminated" for pod in pods for each in pod.containers if not each.sidecar)


def _ended(
    service: str, job: str, verdict: judging.Verdict, pods: tuple[judging.Pod, ...], streams: _Logs
) -> results.Result:
    if verdict.state == judging.FAILED:
        log = "" if streams.stored is None else str(streams.stored.path)
        raise results.failure(service, job, verdict, streams.tail.lines, log)
    for pod in sorted(pods, key=lambda pod: (pod.created, pod.name), reverse=True):
        for each in pod.containers:
            if not each.init and each.exit_code == 0:
                return results.Result(job, pod.name, each.image_id, results.said(each.message).done)
    return results.Result(job)
