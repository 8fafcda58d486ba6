"""The one door to kubectl: argument lists, never a shell; credentials stay with it.

Every other part asks for objects (`json`), for what kubectl prints (`run`), or for a process that goes on (`popen`).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stillroom.targets.kubernetes import failures
from stillroom.targets.kubernetes.failures import KubectlFailed

__all__ = ["Kubectl", "KubectlFailed", "kill"]

_SECONDS = 60.0
_READS = frozenset({"auth", "config", "describe", "get", "version"})
# Between the tries of a read that found no server, or one with too much to do: 7 s in all, which a restart takes.
_PAUSES = (0.25, 0.5, 1.0, 2.0, 3.0)


class Kubectl:
    """kubectl for one cluster. Safe to share between threads.

    Args:
        context: of the kubeconfig; None: its current one.
        kubeconfig: the file; None: where kubectl looks.
        namespace: of all that does not name another; None: the one of the context.
        program: what is started; further words are its first arguments.
        pauses: seconds between the tries of a read; each is stretched or shortened at random by up to a half.
    """

    def __init__(
        self,
        context: str | None = None,
        kubeconfig: Path | None = None,
        namespace: str | None = None,
        program: tuple[str, ...] = ("kubectl",),
        *,
        pauses: Sequence[float] = _PAUSES,
    ) -> None:
        self.context = context
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self._program = program
        self._pauses = tuple(pauses)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._interrupted = threading.Event()

    def arguments(self, *args: str, namespace: str | None = None) -> list[str]:
        """The whole command line of a call.

        Args:
            args: kubectl's own arguments, the verb first.
            namespace: instead of the one that all calls have.
        """
        chosen = namespace or self.namespace
        return [
            *self._program,
            *(["--kubeconfig", str(self.kubeconfig)] if self.kubeconfig is not None else []),
            *(["--context", self.context] if self.context is not None else []),
            *(["--namespace", chosen] if chosen is not None else []),
            *args,
        ]

    def json(
        self,
        *args: str,
        namespace: str | None = None,
        stdin: bytes | None = None,
        timeout: float = _SECONDS,
        retry: bool | None = None,
    ) -> dict[str, Any]:
        """What kubectl prints with `-o json`, parsed; see `run`.

        Raises:
            KubectlFailed: it failed, or printed something else (`kubectl-failed`).
        """
        output = self.run(*args, "-o", "json", namespace=namespace, stdin=stdin, timeout=timeout, retry=retry)
        try:
            found = json.loads(output)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise KubectlFailed(
                "kubectl-failed",
                f"kubectl {args[0]} printed something else than JSON: {output[:60]!r}",
                "see whether kubectl on PATH is the program itself, and no wrapper that prints of its own",
            )
        return found

    def run(
        self,
        *args: str,
        namespace: str | None = None,
        stdin: bytes | None = None,
        timeout: float = _SECONDS,
        retry: bool | None = None,
        late: bool = False,
    ) -> bytes:
        """What kubectl writes to standard output, once it has ended well.

        Args:
            args: kubectl's own arguments, the verb first.
            namespace: instead of the one that all calls have.
            stdin: what it reads; None: nothing.
            timeout: seconds for one try; then it is killed.
            retry: whether a try that found no server, or a busy one, is repeated. None: where the verb only reads.
            late: also after an interrupt: it clears something away.

        Raises:
            KubectlFailed: with a code that tells the cause, and what kubectl said.
        """
        again = args[0] in _READS if retry is None else retry
        for pause in self._pauses if again else ():
            try:
                return self._once(args, namespace, stdin, timeout, late=late)
            except KubectlFailed as failed:
                if not failed.passing:
                    raise
            self.pause(pause)
        return self._once(args, namespace, stdin, timeout, late=late)

    def popen(
        self,
        *args: str,
        namespace: str | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
        late: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Starts a kubectl that goes on: an exec, a watch, a log that is followed. Whoever starts it ends it.

        In a session of its own, so that Ctrl-C in the terminal does not reach it before us.

        Raises:
            KubectlFailed: `kubectl-missing`, or `interrupted`.
        """
        if self._interrupted.is_set() and not late:
            raise KubectlFailed("interrupted", "not begun: the command was interrupted", "run it again")
        try:
            return subprocess.Popen(
                self.arguments(*args, namespace=namespace),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C.UTF-8"},  # what it says is read, and it speaks several languages
            )
        except OSError as error:
            raise failures.missing(self._program[0], error.strerror or str(error)) from error

    def pause(self, seconds: float) -> None:
        """Waits that long, give or take a half at random; not after an interrupt."""
        self._interrupted.wait(seconds * random.uniform(0.5, 1.5))  # noqa: S311 - no secret is made of it

    def interrupt(self) -> None:
        """Ends the calls under way, and lets no more begin; for signal handlers: returns at once, locks nothing."""
        self._interrupted.set()
        for process in list(self._running):
            kill(process)

    def _once(
        self, args: Sequence[str], namespace: str | None, stdin: bytes | None, timeout: float, *, late: bool
    ) -> bytes:
        given = subprocess.DEVNULL if stdin is None else subprocess.PIPE
        process = self.popen(*args, namespace=namespace, stdin=given, late=late)
        if not late:
            self._running.add(process)
        try:
            output, said = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            kill(process)
            _, said = process.communicate()
            raise failures.did_not_answer(args, timeout, said.decode("utf-8", "replace")) from None
        except BaseException:
            kill(process)
            process.wait()
            raise
        finally:
            self._running.discard(process)
        if process.returncode != 0:
            if self._interrupted.is_set():
                raise KubectlFailed("interrupted", f"kubectl {args[0]} was interrupted", "run it again")
            raise failures.of(args, said.decode("utf-8", "replace"), process.returncode)
        return output


def kill(process: subprocess.Popen[bytes]) -> None:
    """Ends a kubectl at once, with the credential plugins that it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
