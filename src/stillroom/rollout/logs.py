"""What a pod's containers print: followed while they run, read whole afterwards, a line at a time.

A line is handed on before the next one is read: whoever is slow to take them holds up kubectl, and through it the server,
and nothing piles up here.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections import deque
from collections.abc import Callable

from stillroom.runtime import secrecy
from stillroom.targets.kubernetes import kubectl

__all__ = ["MOST_STREAMS", "Reader", "Tail", "plain"]

MOST_STREAMS = 16
"""How many logs are followed at a time: each is a kubectl of its own. The others are read when their pods have ended."""

_LONGEST = 16 * 1024
_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]"
)


class Tail:
    """The last lines of a service, for when it fails. Safe to share between threads."""

    def __init__(self, most: int = 20) -> None:
        self._lines: deque[str] = deque(maxlen=most)

    def add(self, line: str) -> None:
        """One line more."""
        self._lines.append(line)

    @property
    def lines(self) -> tuple[str, ...]:
        """The last of them, in order."""
        return tuple(self._lines)


class Reader:
    """Reads the log of one container, from where it was read to; nothing is handed on twice.

    Args:
        door: to the cluster.
        namespace, pod, container: whose log.
        take: is given each line.
    """

    def __init__(
        self, door: kubectl.Kubectl, namespace: str, pod: str, container: str, take: Callable[[str], None]
    ) -> None:
        self._door = door
        self._where = (namespace, pod, container)
        self._take = take
        self._taken = 0  # bytes, as a log only grows
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self.complete = False

    def read(self, *, follow: bool) -> bool:
        """Hands on what is new; with `follow` until the container has ended. Whether kubectl ended well.

        Raises:
            kubectl.KubectlFailed: kubectl can't be started.
        """
        with self._lock:
            if self._stopped:
                return False
            namespace, pod, container = self._where
            asked = ["logs", pod, "--container", container, *(["--follow"] if follow else [])]
            self._process = process = self._door.popen(*asked, namespace=namespace, stderr=subprocess.DEVNULL)
            rest = b""
            try:
                rest = self._pass_on(process)
            finally:
                status = process.wait()
                self._process = None
            self.complete = status == 0 and not self._stopped
            if rest and self.complete:  # a last line without an end; of a cut stream it would be half a line
                self._hand_on(rest)
            return self.complete

    def stop(self) -> None:
        """Ends a reading under way, and lets no more begin."""
        self._stopped = True
        process = self._process
        if process is not None:
            kubectl.kill(process)

    def _pass_on(self, process: subprocess.Popen[bytes]) -> bytes:
        """Hands on whole lines; gives what follows the last of them."""
        assert process.stdout is not None  # noqa: S101 - for the type checker: PIPE is the default
        with process.stdout as stream:
            left = self._taken
            while left > 0:
                skipped = stream.read(min(left, 65536))
                if not skipped:
                    return b""
                left -= len(skipped)
            while True:
                line = stream.readline(_LONGEST)
                if not line.endswith(b"\n") and len(line) < _LONGEST:
                    return line
                self._hand_on(line)

    def _hand_on(self, line: bytes) -> None:
        self._taken += len(line)
        self._take(plain(line.decode("utf-8", "replace").rstrip("\r\n")))


def plain(line: str) -> str:
    """A line without control characters, which would move a terminal's cursor, and without passwords."""
    return str(secrecy.scrubbed(_CONTROL.sub("", line)))
