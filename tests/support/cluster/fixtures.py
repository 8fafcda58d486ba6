"""Fixtures: a cluster of its own for each test that asks, and the real kubectl to talk to it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import kubectl as programs
from tests.support.cluster.cluster import Cluster

__all__ = ["Kubectl", "cluster", "kubectl", "kubectl_program", "needed"]

_PATIENCE_SECONDS = 120.0  # against hanging tests only


class Kubectl:
    """The real kubectl, told of one cluster by its kubeconfig."""

    def __init__(self, program: str, cluster: Cluster) -> None:
        self.words = [program, "--kubeconfig", str(cluster.kubeconfig)]

    def __call__(self, *words: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Runs it to its end, whatever that is."""
        source: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        return subprocess.run(
            [*self.words, *words], capture_output=True, timeout=_PATIENCE_SECONDS, check=False, **source
        )

    def ok(self, *words: str, stdin: bytes | None = None) -> str:
        """Its output; an exit status other than 0 fails the test with what it said."""
        done = self(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.returncode}\n{done.stderr.decode()}"
        return done.stdout.decode()

    @contextlib.contextmanager
    def popen(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """Starts it, and ends it with the block."""
        with subprocess.Popen(
            [*self.words, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as started:
            try:
                yield started
            finally:
                started.kill()


def needed(find: Callable[[], str] = programs.find) -> str:
    """A kubectl that is new enough. Without one, the test that needs it fails and says so: it is never skipped."""
    try:
        return find()
    except programs.Unavailable as reason:
        return pytest.fail(str(reason), pytrace=False)


@pytest.fixture(scope="session")
def kubectl_program() -> str:
    """Path of a kubectl that is new enough."""
    return needed()


@pytest.fixture
def cluster(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, kubectl_program: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    """A cluster of the test's own, with the namespaces `default` and `kube-system`.

    `kubectl` on the PATH is the one that is new enough; it keeps what it caches to this cluster.
    """
    folder = tmp_path / "cluster"
    folder.mkdir()
    monkeypatch.setenv("KUBECACHEDIR", str(folder / "cache"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("PATH", str(Path(kubectl_program).parent), prepend=os.pathsep)
    made = Cluster(folder)
    try:
        yield made
    finally:
        made.close()
    assert not made.problems, "\n".join(made.problems)


@pytest.fixture
def kubectl(cluster: Cluster, kubectl_program: str) -> Kubectl:
    """The real kubectl, for `cluster`."""
    return Kubectl(kubectl_program, cluster)
