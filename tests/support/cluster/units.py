"""One container of a pod: a local process, its state as `containerStatuses` tells it, its logs."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.cluster.files import Paths
from tests.support.cluster.images import Image
from tests.support.cluster.logs import Log
from tests.support.cluster.store import now

__all__ = ["Made", "Unit", "release"]

_MESSAGE = 4096
_MESSAGE_LINES = 80
_MESSAGE_FROM_LOG = 2048


@dataclasses.dataclass(frozen=True)
class Made:
    """A container that has been made: what processes inside it start with.

    Attributes:
        folder: the working directory.
        words: what it runs; () idles.
        message: where what it writes to its terminationMessagePath arrives.
        paths: where what it mounts lies.
    """

    image: Image
    folder: Path
    variables: Mapping[str, str]
    words: Sequence[str]
    message: Path
    paths: Paths


class Unit:
    """A container of a pod.

    Attributes:
        kind: "init", "sidecar" (an init container that restarts always) or "main".
        state: waiting, running or terminated, as in the status.
        made: while it runs.
        inside: the processes that run in it.
    """

    def __init__(self, spec: Mapping[str, Any], kind: str) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.kind = kind
        self.state: dict[str, Any] = {"waiting": {"reason": "PodInitializing"}}
        self.last: dict[str, Any] = {}
        self.restarts = 0
        self.image_id = ""
        self.container_id = ""
        self.made: Made | None = None
        self.log: Log | None = None
        self.previous: Log | None = None
        self.inside: set[asyncio.subprocess.Process] = set()
        self.ended = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._told_to_end = asyncio.Event()

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        """Of the last run, if that is over."""
        code: int | None = self.state.get("terminated", {}).get("exitCode")
        return code

    def status(self, ready: bool) -> dict[str, Any]:
        """Its entry in the pod's status."""
        over = self.exit_code == 0 and self.kind == "init"
        return {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": self.image_id,
            **({"containerID": self.container_id} if self.container_id else {}),
            "ready": over or (self.running and ready),
            "started": self.running,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last,
        }

    def waits(self, reason: str, message: str = "") -> None:
        """It can't start yet."""
        self.state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}

    def begins(self, made: Made) -> None:
        """A run begins: what is printed from now on is a log of its own."""
        if self.log is not None:
            self.previous = self.log
        self.log = Log()
        self.made = made
        self.image_id = made.image.id
        self.container_id = f"containerd://{uuid.uuid4().hex}{uuid.uuid4().hex}"
        self.ended.clear()
        self.state = {"running": {"startedAt": now()}}

    async def starts(self) -> None:
        """Starts the process. Raises OSError."""
        assert self.made is not None
        if self.made.words:
            self._process = await asyncio.create_subprocess_exec(
                *self.made.words,
                cwd=self.made.folder,
                env=self.made.variables,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )

    async def runs(self) -> int:
        """Until its end: the exit status as a container's (128 + signal). A container without a command idles."""
        assert self.log is not None
        if self._process is None:
            await self._told_to_end.wait()
            code = 0
        else:
            assert self._process.stdout is not None
            while data := await self._process.stdout.read(65536):
                self.log.write(data)
            code = await self._process.wait()
        return code if code >= 0 else 128 - code

    def ends(self, code: int, reason: str = "", message: str = "") -> None:
        """A run is over; what else ran inside ends with it."""
        began = self.state.get("running", {}).get("startedAt") or now()
        for each in self.inside:
            _kill(each)
        if self._process is not None:
            _kill(self._process)
            release(self._process)
        self._process = None
        if self.log is not None:
            self.log.end()
        told = message or self._message(code)
        self.state = {
            "terminated": {
                "exitCode": code,
                "reason": reason or ("Completed" if code == 0 else "Error"),
                "startedAt": began,
                "finishedAt": now(),
                "containerID": self.container_id,
                **({"message": told} if told else {}),
            }
        }
        self.made = None
        self.ended.set()

    async def stop(self, grace: float) -> None:
        """SIGTERM to its first process, SIGKILL to what is left after the grace. Returns when it has ended."""
        self._told_to_end.set()
        if not self.running:
            return
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM if grace else signal.SIGKILL)
        try:
            await asyncio.wait_for(self.ended.wait(), grace or 0.2)
        except TimeoutError:
            if self._process is not None:
                _kill(self._process)
            await self.ended.wait()

    def kill(self) -> None:
        """Ends everything in it at once, without waiting."""
        self._told_to_end.set()
        for each in (*self.inside, *([self._process] if self._process else [])):
            _kill(each)

    def _message(self, code: int) -> str:
        """What the container left at its terminationMessagePath, or else, if it wants that, the end of its log."""
        assert self.log is not None
        if self.made is not None:
            with contextlib.suppress(OSError):
                if left := self.made.message.read_bytes()[:_MESSAGE].decode("utf-8", "replace"):
                    return left
        if code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            return self.log.last(_MESSAGE_LINES, _MESSAGE_FROM_LOG)
        return ""


def release(process: asyncio.subprocess.Process) -> None:
    """Closes the pipes to a process that is over; asyncio has no public way, and else does so some time later."""
    process._transport.close()


def _kill(process: asyncio.subprocess.Process) -> None:
    """The process and those that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
