"""Services in pods: everything that works on this machine works there, over one exec a service."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stillroom import fleet, regenerate, session
from stillroom.registry import load, model
from tests.conftest import NewDatabase
from tests.support import projects
from tests.support.cluster import Cluster
from tests.support.postgres import Database

_TABLE = projects.table("product", "name: Mapped[str]")


class Watcher:
    """Sees nothing."""

    def begin(self, service: str) -> None: ...
    def step(self, service: str, step: str) -> None: ...
    def warn(self, service: str, message: str) -> None: ...
    def output(self, service: str, line: str) -> None: ...
    def end(self, service: str, outcome: fleet.Outcome[Any]) -> None: ...


@dataclasses.dataclass
class Shop:
    """A service in a checkout, deployed."""

    made: projects.Made
    database: Database
    fleet: model.Fleet
    cluster: Cluster

    @property
    def environment(self) -> model.Environment:
        return self.fleet.environments["staging"]

    @property
    def service(self) -> model.Service:
        return self.fleet.service("shop", "staging")

    @property
    def versions(self) -> list[str]:
        """The revision files in the checkout."""
        return sorted(each.name for each in (self.made.path / "migrations" / "versions").glob("*.py"))

    def opened(self, via: str | None = None) -> session.Session:
        """A session."""
        return session.Session(self.fleet, self.environment, 2, via=via)

    def deploy(self, **facts: Any) -> None:
        """Puts an image of the checkout as it is now into the cluster."""
        env = {self.made.url_variable: self.database.asyncpg}
        self.cluster.deploy("shop", **{"folder": self.made.path, "env": env, **facts})


def _registry(root: Path, cluster: Cluster, said: Mapping[str, str]) -> None:
    lines = ", ".join(f"{key}: {value}" for key, value in said.items())
    (root / "services.yaml").write_text(
        f"environments:\n  staging: {{target: kubernetes, namespace: default, kubeconfig: {cluster.kubeconfig}}}\n"
        f"services:\n  shop: {{{lines}}}\n",
        encoding="utf-8",
    )


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster, new_database: NewDatabase) -> Iterator[Shop]:
    """A service with one table, whose image is not deployed yet."""
    root = tmp_path / "checkout"
    made = projects.make_service(root / "shop", models=_TABLE)
    _registry(root, cluster, {"path": "shop", "models": "app.models", "url_variable": made.url_variable})
    yield Shop(made, new_database(), load.load(root / "services.yaml"), cluster)


def test_a_whole_regenerate_is_one_exec(shop: Shop) -> None:
    """Preflight, generation, proof and upgrade; the file comes home, and the pod's own folder is as it was."""
    shop.deploy()
    with shop.opened() as opened:
        opened.open((shop.service,))
        opened.call(shop.service, "preflight", {})
        made = regenerate.run(opened, [shop.service], regenerate.Options(), Watcher(), facts={})
        assert made[0].failure is None
        seen = opened.call(shop.service, "history_files", {})
    assert shop.versions == [made[0].value.file if made[0].value else ""]
    assert seen["files"] == []
    assert shop.cluster.count("pods/exec") == 1
