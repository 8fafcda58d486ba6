"""The PostgreSQL that pods of a cluster reach: that of the tests, or a pod made of the example fleet's manifest."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.asking import Asking

__all__ = ["MANIFEST", "PodServer", "in_pod"]

MANIFEST = Path(__file__).parents[2] / "examples" / "bakery" / "cluster" / "postgres.yaml"


@dataclasses.dataclass(frozen=True)
class PodServer:
    """A PostgreSQL in a pod. It is found by the pod's address: no DNS is needed, and no Service."""

    ask: Asking
    pod: str
    address: str
    password: str

    def psql(self, database: str, statement: str) -> str:
        """What a statement prints, bare; run in the pod by the superuser."""
        answer = self.ask.run(
            "exec", self.pod, "-c", "postgres", "--",
            "psql", "-h", "/var/run/postgresql", "-U", "postgres", "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1",
            "-c", statement,
        )  # fmt: skip
        assert answer.code == 0, answer.err
        return answer.out.strip()

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database, for pods; it is dropped afterwards."""
        name = f"shop_{secrets.token_hex(4)}"
        self.psql("postgres", f'CREATE DATABASE "{name}" OWNER bakery')
        try:
            yield f"postgresql://bakery:{self.password}@{self.address}:5432/{name}"
        finally:
            self.psql("postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def in_pod(ask: Asking, image: str) -> PodServer:
    """Starts one, of the manifest for trying out with another image; the namespace's end is its own."""
    password = secrets.token_urlsafe(24)
    data = {"postgres-password": secrets.token_urlsafe(24), "bakery-password": password}
    ask.applied({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "postgres"}, "stringData": data})
    for body in yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8")):
        if body["kind"] == "Deployment":
            body["spec"]["template"]["spec"]["containers"][0]["image"] = image
        ask.applied(body)
    rolled = ask.run("rollout", "status", "deployment/postgres", "--timeout=180s")
    assert rolled.code == 0, rolled.err + ask.run("get", "pods", "-o", "yaml").out
    pod: dict[str, Any] = ask.run("get", "pods", "-l", "app.kubernetes.io/name=postgres", "-o", "json").json["items"][0]
    return PodServer(ask, pod["metadata"]["name"], pod["status"]["podIP"], password)
