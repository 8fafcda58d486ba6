"""kubectl as a person calls it: what it printed, and how it ended."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from typing import Any

from stillroom.targets.kubernetes.kubectl import Kubectl

__all__ = ["Answer", "Asking"]

_SECONDS = 120.0


@dataclasses.dataclass(frozen=True)
class Answer:
    """How a kubectl ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """What it printed, parsed."""
        assert self.code == 0, self.err
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


class Asking:
    """kubectl in one namespace; nothing is retried and nothing is judged, unlike with `Kubectl`."""

    def __init__(self, kubectl: Kubectl) -> None:
        self.kubectl = kubectl

    def run(self, *args: str, stdin: object = None) -> Answer:
        """Runs it to its end. `stdin`: bytes as they are, anything else as JSON."""
        given = stdin if isinstance(stdin, bytes) or stdin is None else json.dumps(stdin).encode()
        ran = subprocess.run(
            self.kubectl.arguments(*args),
            input=given if given is not None else b"",
            capture_output=True,
            timeout=_SECONDS,
        )
        return Answer(ran.returncode, ran.stdout.decode(errors="replace"), ran.stderr.decode(errors="replace"))

    def apply(self, body: dict[str, Any], *options: str, manager: str = "stillroom") -> Answer:
        """A server-side apply of one object."""
        return self.run("apply", "--server-side", f"--field-manager={manager}", *options, "-f", "-", stdin=body)

    def applied(self, body: dict[str, Any], *options: str, manager: str = "stillroom") -> dict[str, Any]:
        """The object that such an apply gives; it has to succeed."""
        return self.apply(body, "-o", "json", *options, manager=manager).json

    def get(self, kind: str, *names: str) -> dict[str, Any]:
        """One object, or a list."""
        return self.run("get", kind, *names, "-o", "json").json

    def until(self, what: str, name: str, seconds: int = 90) -> Answer:
        """`kubectl wait`: `what` is what stands behind `--for=`. It has to come within `seconds`."""
        answer = self.run("wait", f"--for={what}", name, f"--timeout={seconds}s")
        assert answer.code == 0, f"{answer.err}\n{self.run('get', name, '-o', 'yaml', '--ignore-not-found').out}"
        return answer

    def pods_of(self, job: str) -> list[dict[str, Any]]:
        """The pods of a Job, oldest first."""
        found = self.run("get", "pods", "-l", f"batch.kubernetes.io/job-name={job}", "-o", "json").json["items"]
        return sorted(found, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]))
