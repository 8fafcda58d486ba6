"""One watch for all Jobs of a namespace, and one for their pods: a list, then what changes, until they are stopped.

A watch that ends is taken up where it ended (`resourceVersion`); where the server no longer knows that (410 Gone), it begins
anew with a list. kubectl passes the API's own stream through (`get --raw`), since its own `--watch` ends for good there.
"""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import tempfile
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stillroom import errors
from stillroom.rollout import board, judging
from stillroom.targets.kubernetes import kubectl

__all__ = ["JOBS", "PODS", "Kind", "Watches", "listed", "path"]

_PAGE = 100  # objects at a time: what a list needs in memory
_SECONDS = 290  # after which the server is asked to end a watch, so that a connection that died unseen is noticed
_GRACE = 30.0
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_GIVE_UP = 12  # attempts in a row that brought nothing: about a minute and a half
_GONE = 410


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is watched: its API group and its name in addresses."""

    group: str
    plural: str


JOBS = Kind("apis/batch/v1", "jobs")
PODS = Kind("api/v1", "pods")


class Watches:
    """The watches of a run; they write to a board. A context manager: they end with it.

    Args:
        door: to the cluster.
        seen: what they write to.
        selector: labels that Jobs and pods have.
    """

    def __init__(self, door: kubectl.Kubectl, seen: board.Board, selector: str) -> None:
        self._door = door
        self._board = seen
        self._selector = selector
        self._watches: dict[tuple[str, str], _Watch] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Watches:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def over(self, namespace: str) -> None:
        """Sees to it that a namespace is watched; waits until its first lists are read.

        Raises:
            errors.StillroomError: they can't be.
        """
        with self._lock:
            for kind, write in ((JOBS, self._jobs), (PODS, self._pods)):
                if (namespace, kind.plural) not in self._watches:
                    watch = _Watch(self._door, kind, namespace, self._selector, write(namespace), self._board.fail)
                    self._watches[namespace, kind.plural] = watch
                    watch.begin()

    def stop(self) -> None:
        """Ends them; safe to call twice, and from a signal handler."""
        for each in list(self._watches.values()):
            each.stop()

    def _jobs(self, namespace: str) -> _Writer:
        return _JobWriter(self._board, namespace)

    def _pods(self, namespace: str) -> _Writer:
        return _PodWriter(self._board, namespace)


class _Writer:
    """Keeps what a watch brings: whole lists, and single changes."""

    def __init__(self, seen: board.Board, namespace: str) -> None:
        self.board = seen
        self.namespace = namespace

    def all(self, objects: Iterator[Mapping[str, Any]]) -> None:
        """Everything there is, now."""

    def one(self, value: Mapping[str, Any], *, deleted: bool) -> None:
        """One object as it is now, or was last."""


class _JobWriter(_Writer):
    def all(self, objects: Iterator[Mapping[str, Any]]) -> None:
        names = {}
        for each in objects:
            self.one(each, deleted=False)
            names[str(each["metadata"]["name"])] = str(each["metadata"].get("uid", ""))
        self.board.listed(self.namespace, names)

    def one(self, value: Mapping[str, Any], *, deleted: bool) -> None:
        job = judging.Job.from_object(value)
        self.board.job((self.namespace, job.name), job, deleted=deleted)


class _PodWriter(_Writer):
    def all(self, objects: Iterator[Mapping[str, Any]]) -> None:
        names = []
        for each in objects:
            self.one(each, deleted=False)
            names.append(str(each["metadata"]["name"]))
        self.board.pods_listed(self.namespace, names)

    def one(self, value: Mapping[str, Any], *, deleted: bool) -> None:
        self.board.pod(self.namespace, judging.Pod.from_object(value), deleted=deleted)


class _Watch:
    """One watch, in a thread of its own."""

    def __init__(
        self,
        door: kubectl.Kubectl,
        kind: Kind,
        namespace: str,
        selector: str,
        writer: _Writer,
        fail: Callable[[errors.StillroomError], None],
    ) -> None:
        self._door = door
        self._kind = kind
        self._namespace = namespace
        self._selector = selector
        self._writer = writer
        self._fail = fail
        self._version: str | None = None
        self._stopped = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failed = 0

    def begin(self) -> None:
        """Reads the first list, and watches from there on in the background."""
        self._list()
        threading.Thread(target=self._run, name=f"watch {self._kind.plural}", daemon=True).start()

    def stop(self) -> None:
        """Ends it."""
        self._stopped.set()
        process = self._process
        if process is not None:
            kubectl.kill(process)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                lists = self._version is None
                if lists:
                    self._list()
                    lists = False
                lived = self._watch()
            except errors.StillroomError as error:
                self._failed += 1
                if self._stopped.is_set():
                    return
                if self._failed > _GIVE_UP or (lists and not getattr(error, "passing", False)):
                    self._fail(error)
                    return
                self._version = None  # what made a watch fail may be its version: a list tells whether it is more
                lived = False
            if lived:
                self._failed = 0
            else:
                pause = _PAUSES[min(self._failed, len(_PAUSES) - 1)]
                self._stopped.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret is made of it

    def _list(self) -> None:
        pages = _Pages(self._door, self._kind, self._namespace, self._selector)
        self._writer.all(pages.objects())
        self._version = pages.version

    def _watch(self) -> bool:
        """Follows the changes until the stream ends; whether it brought anything.

        Raises:
            errors.StillroomError: kubectl could not watch.
        """
        address = path(
            self._kind,
            self._namespace,
            self._selector,
            watch="true",
            resourceVersion=self._version or "",
            allowWatchBookmarks="true",
            timeoutSeconds=str(_SECONDS),
        )
        with tempfile.TemporaryFile() as said:
            process = self._door.popen("get", "--raw", address, stderr=said.fileno())
            self._process = process
            overdue = threading.Timer(_SECONDS + _GRACE, kubectl.kill, [process])
            overdue.daemon = True
            overdue.start()
            try:
                if self._stopped.is_set():
                    return False
                lived = self._follow(process)
            finally:
                overdue.cancel()
                kubectl.kill(process)
                status = process.wait()
                self._process = None
            if lived or self._version is None or status == 0:
                return lived
            said.seek(0)
            raise _refused(said.read().decode("utf-8", "replace"), status)

    def _follow(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.stdout is not None  # noqa: S101 - for the type checker: PIPE is the default
        lived = False
        with process.stdout as stream:
            for line in stream:
                try:
                    event = json.loads(line)
                except ValueError:  # cut in the middle of an event: the server sends it again
                    return lived
                if not self._event(event):
                    return lived
                lived = True
        return lived

    def _event(self, event: Mapping[str, Any]) -> bool:
        """Takes in one event; whether the stream goes on."""
        kind, value = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            self._version = None if value.get("code") == _GONE else self._version
            return False
        if kind in ("ADDED", "MODIFIED", "DELETED"):
            self._writer.one(value, deleted=kind == "DELETED")
        self._version = str(value["metadata"]["resourceVersion"])
        return True


def _refused(said: str, status: int) -> errors.StillroomError:
    from stillroom.targets.kubernetes import failures

    return failures.of(["get", "--raw"], said, status)


class _Pages:
    """A list in pages, so that a namespace with thousands of Jobs is no more to hold than one with a hundred."""

    def __init__(self, door: kubectl.Kubectl, kind: Kind, namespace: str, selector: str) -> None:
        self._door = door
        self._kind = kind
        self._namespace = namespace
        self._selector = selector
        self.version = ""

    def objects(self) -> Iterator[Mapping[str, Any]]:
        """Each object; `version` is that of the list afterwards."""
        going_on = ""
        while True:
            more = {"continue": going_on} if going_on else {}
            address = path(self._kind, self._namespace, self._selector, limit=str(_PAGE), **more)
            page = json.loads(self._door.run("get", "--raw", address))
            yield from page.get("items") or ()
            meta = page.get("metadata") or {}
            self.version = str(meta.get("resourceVersion", ""))
            going_on = str(meta.get("continue") or "")
            if not going_on:
                return


def listed(door: kubectl.Kubectl, kind: Kind, namespace: str, selector: str) -> Iterator[Mapping[str, Any]]:
    """All objects of a kind with these labels.

    Raises:
        kubectl.KubectlFailed: they can't be read.
    """
    return _Pages(door, kind, namespace, selector).objects()


def path(kind: Kind, namespace: str, selector: str, **more: str) -> str:
    """The address of a collection, with what is asked of it."""
    asked = urllib.parse.urlencode({"labelSelector": selector, **more})
    return f"/{kind.group}/namespaces/{urllib.parse.quote(namespace)}/{kind.plural}?{asked}"
