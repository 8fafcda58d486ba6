"""A fleet whose services are images on a loopback cluster: what tests of Jobs start from."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

from tests.conftest import NewDatabase
from tests.support import program, projects
from tests.support.cluster import Cluster
from tests.support.cluster.fixtures import Kubectl
from tests.support.postgres import Database

__all__ = ["BROKEN", "FIRST", "GATE", "HELD", "SECOND", "Rollouts"]

FIRST = projects.revision(
    "0001",
    upgrade="op.create_table('product', sa.Column('id', sa.Integer, primary_key=True), "
    "sa.Column('name', sa.String, nullable=False))",
    downgrade="op.drop_table('product')",
)
SECOND = projects.revision(
    "0002",
    "0001",
    upgrade="op.add_column('product', sa.Column('note', sa.String))",
    downgrade="op.drop_column('product', 'note')",
)
BROKEN = projects.revision("0002", "0001", upgrade="op.execute('SELECT nothing FROM nowhere')", downgrade="pass")
GATE = "SELECT pg_advisory_lock(4711)"
HELD = projects.revision(
    "0001",
    upgrade="op.create_table('product', sa.Column('id', sa.Integer, primary_key=True))\n"
    "print('at the gate', flush=True)\n"
    "op.execute('SELECT pg_advisory_xact_lock(4711)')",
    downgrade="op.drop_table('product')",
)
"""A revision that waits until nobody holds the `GATE` of its database."""

_MODELS = projects.table("product", "name: Mapped[str]", "note: Mapped[str | None]")


@dataclasses.dataclass
class Rollouts:
    """Services in a checkout, images of them on a cluster, a database each, and `invoke` there."""

    folder: Path
    cluster: Cluster
    kubectl: Kubectl
    new_database: NewDatabase

    def __post_init__(self) -> None:
        self.services: dict[str, projects.Made] = {}
        self.databases: dict[str, Database] = {}
        self._images = 0
        self.program = program.Program(self.folder)
        self.folder.mkdir(parents=True)

    def add(self, name: str, *, history: Any = (FIRST, SECOND), pushed: bool = True, **said: Any) -> projects.Made:
        """Adds a service with its image (`pushed`: the cluster can pull it), its database and its Secret."""
        said = {"image": f"registry.test/{name}:1", "carry_runtime": True, **said}
        made = projects.make_service(self.folder / name, models=_MODELS, history=list(history), **said)
        self.services[name] = made
        self.databases[name] = self.new_database()
        self.cluster.secret(f"{name}-database", {"url": self.databases[name].asyncpg})
        if pushed:
            self.push(name)
        return made

    def push(self, name: str, tag: str = "1", **facts: Any) -> None:
        """Builds the image of a service from the checkout as it is now."""
        self._images += 1
        built = self.folder.parent / "images" / f"{name}-{self._images}"
        shutil.copytree(self.services[name].path, built, ignore=shutil.ignore_patterns("__pycache__"))
        self.cluster.image(f"registry.test/{name}:{tag}", built, **facts)

    def deploy(self, name: str, tag: str = "1") -> None:
        """Runs the service itself."""
        made = self.services[name]
        env = {made.url_variable: self.databases[name].asyncpg}
        self.cluster.deploy(name, image=f"registry.test/{name}:{tag}", env=env)

    def written(self, **environment: Any) -> Rollouts:
        """Writes services.yaml and tasks.py."""
        cluster = {
            "target": "kubernetes",
            "namespace": "default",
            "kubeconfig": str(self.cluster.kubeconfig),
            **environment,
        }
        projects.make_registry(
            self.folder, *self.services.values(), environments={"test": cluster}, default_environment="test"
        )
        (self.folder / "tasks.py").write_text("from stillroom.tasks import namespace\n")
        return self

    def run(self, *arguments: str) -> program.Ran:
        """Runs invoke."""
        return self.program.run(*arguments)

    def apply(self, *arguments: str) -> program.Ran:
        """`invoke apply --via job --yes`."""
        return self.run("apply", "--via", "job", "--yes", *arguments)

    def jobs(self, name: str = "") -> list[str]:
        """The names of the Jobs that there are, which begin so."""
        found = [each["metadata"]["name"] for each in self.cluster.all("Job", "default")]
        return sorted(each for each in found if each.startswith(name))

    def at(self, name: str) -> list[str]:
        """The revisions that a service's database notes."""
        there = self.databases[name].fetch("SELECT to_regclass('alembic_version') IS NOT NULL")
        if there != [(True,)]:
            return []
        return [each for (each,) in self.databases[name].fetch("SELECT version_num FROM alembic_version")]
