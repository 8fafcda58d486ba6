"""Where these tests run: the loopback API, or the cluster of `KUBECONFIG`."""

from __future__ import annotations

import dataclasses
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from stillroom.targets.kubernetes.kubectl import Kubectl
from tests.cluster.asking import Asking
from tests.support.cluster import kubectl as programs
from tests.support.cluster.cluster import Cluster

__all__ = ["IMAGE", "POSTGRES", "REAL", "Place", "loopback", "real"]

REAL = "STILLROOM_TEST_CLUSTER"
"""The variable that asks for the real cluster as well; `make test-cluster` sets it."""

IMAGE = "STILLROOM_TEST_IMAGE"
"""The variable with the image that pods run: `python` on its PATH, and what `pip install stillroom[examples]` installs."""

POSTGRES = "STILLROOM_TEST_POSTGRES_IMAGE"
"""The variable with the image of the PostgreSQL, with the contract of the official one."""

_LEVEL = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}


@dataclasses.dataclass(frozen=True)
class Place:
    """A cluster to ask.

    Attributes:
        name: "loopback" or "real".
        kubeconfig: the file by which kubectl finds it.
        program: kubectl.
        image: what pods run.
        postgres: the image of the PostgreSQL.
        cluster: the loopback cluster itself, or None.
    """

    name: str
    kubeconfig: Path
    program: str
    image: str
    postgres: str
    cluster: Cluster | None = None

    def asking(self, namespace: str | None = None) -> Asking:
        """kubectl in a namespace."""
        return Asking(Kubectl(kubeconfig=self.kubeconfig, namespace=namespace, program=(self.program,)))

    @contextmanager
    def namespace(self) -> Iterator[str]:
        """A namespace of its own, of the level `restricted`; gone afterwards with all that is in it."""
        name = f"stillroom-test-{secrets.token_hex(4)}"
        ask = self.asking()
        made = ask.run(
            "create",
            "-f",
            "-",
            stdin={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": _LEVEL}},
        )
        assert made.code == 0, made.err
        try:
            if self.cluster is None:  # a real one admits no pod before the namespace has its account
                self.asking(name).until("create", "serviceaccount/default")
            yield name
        finally:
            ask.run("delete", "namespace", name, "--wait=false")


def _program() -> str:
    try:
        return str(programs.find())
    except programs.Unavailable as reason:
        pytest.fail(str(reason), pytrace=False)


@contextmanager
def loopback(folder: Path, **facts: object) -> Iterator[Place]:
    """The API of these tests, on 127.0.0.1; its pods are processes of this machine."""
    made = Cluster(folder)
    try:
        image = "registry.test/stillroom-test:1"
        made.image(image)
        yield Place("loopback", made.kubeconfig, _program(), image, "", made)
    finally:
        made.close()


def real(variables: Mapping[str, str] = os.environ) -> Place:
    """The cluster of `KUBECONFIG`: never the one that happens to be kubectl's default."""
    missing = [name for name in ("KUBECONFIG", IMAGE, POSTGRES) if not variables.get(name)]
    if missing:
        pytest.fail(
            f"{REAL} asks for a real cluster, and needs {', '.join(missing)}: docs/on-a-cluster.md", pytrace=False
        )
    return Place("real", Path(variables["KUBECONFIG"]), _program(), variables[IMAGE], variables[POSTGRES])
