"""Stillroom on a cluster, by the commands that people type: generation in pods, verifying, stale images, one-off Jobs."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import objects, servers
from tests.cluster.asking import Asking
from tests.cluster.places import Place
from tests.support import projects
from tests.support.program import Program, Ran

_IDLE = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); time.sleep(3600)"
_FOLDER = "/srv/shop"


@pytest.fixture(scope="session")
def pod_server(place: Place) -> Iterator[servers.PodServer | None]:
    """A PostgreSQL in the cluster; None where pods are processes of this machine, and reach that of the tests."""
    if place.cluster is not None:
        yield None
        return
    with place.namespace() as name:
        yield servers.in_pod(place.asking(name), place.postgres)


@pytest.fixture
def url(request: pytest.FixtureRequest, pod_server: servers.PodServer | None) -> Iterator[str]:
    """Of an empty database that pods reach."""
    if pod_server is None:
        yield request.getfixturevalue("new_database")().asyncpg
        return
    with pod_server.database() as made:
        yield made


@dataclasses.dataclass
class Shop:
    """A service with its checkout, and where it is deployed."""

    place: Place
    ask: Asking
    made: projects.Made
    program: Program

    def run(self, *arguments: str) -> Ran:
        """A command, in the checkout."""
        return self.program.run(*arguments)

    @property
    def history(self) -> list[str]:
        """The revision files of the checkout."""
        return sorted(path.name for path in (self.made.path / "migrations" / "versions").glob("*.py"))

    def deploy(self, replicas: int = 1) -> None:
        """Puts the code of the checkout, as it is now, into a Deployment, and waits until its pods are ready."""
        files = {
            path.relative_to(self.made.path).as_posix(): path.read_text(encoding="utf-8")
            for path in sorted(self.made.path.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        }
        digest = hashlib.sha256(repr(files).encode()).hexdigest()[:8]
        self.ask.applied(self._deployment(self._image(digest), self._code(files, digest), replicas))
        rolled = self.ask.run("rollout", "status", "deployment/shop", "--timeout=120s")
        assert rolled.code == 0, rolled.err

    def _image(self, digest: str) -> str:
        """A loopback cluster has images of folders; on a real one the code comes in a volume."""
        if self.place.cluster is None:
            return self.place.image
        return self.place.cluster.image(f"registry.test/shop:{digest}", self.made.path).reference

    def _code(self, files: dict[str, str], digest: str) -> dict[str, Any]:
        """What brings the code into the pod, where the image does not."""
        if self.place.cluster is not None:
            return {}
        name = f"shop-code-{digest}"
        keys = {path: f"file-{number}" for number, path in enumerate(files)}
        self.ask.applied(objects.config_map(name, {keys[path]: text for path, text in files.items()}))
        # One mount a file: a whole folder of a ConfigMap is made of links, and what is linked is no image's own code.
        mounts = [{"name": "code", "mountPath": f"{_FOLDER}/{path}", "subPath": key} for path, key in keys.items()]
        return {"volumes": [{"name": "code", "configMap": {"name": name}}], "mounts": mounts}

    def _deployment(self, image: str, code: dict[str, Any], replicas: int) -> dict[str, Any]:
        mounted = {"workingDir": _FOLDER, "volumeMounts": code.pop("mounts")} if code else {}
        secret = {"secretKeyRef": {"name": "shop-database", "key": "url"}}
        running = objects.container(
            image, _IDLE, name="shop", env=[{"name": self.made.url_variable, "valueFrom": secret}], **mounted
        )
        spec = {key: value for key, value in objects.pod_spec(running, **code).items() if key != "restartPolicy"}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "shop"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "shop"}},
                "template": {"metadata": {"labels": {"app": "shop"}}, "spec": spec},
            },
        }


@pytest.fixture
def shop(place: Place, namespace: str, ask: Asking, url: str, tmp_path: Path) -> Shop:
    """A service with one table and no history, deployed."""
    root = tmp_path / "checkout"
    made = projects.make_service(root / "shop", models=projects.table("product", "name: Mapped[str]"))
    made.write("migrations/versions/.gitkeep", "")  # a ConfigMap holds no empty folder, and neither does git
    environment = {"target": "kubernetes", "namespace": namespace, "kubeconfig": str(place.kubeconfig)}
    projects.make_registry(root, made, environments={"staging": environment})
    (root / "tasks.py").write_text("from stillroom.tasks import namespace\n", encoding="utf-8")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-database"}, "stringData": {"url": url}}
    ask.applied(secret)
    found = Shop(place, ask, made, Program(root, {"PATH": f"{Path(place.program).parent}:/usr/bin:/bin"}))
    found.deploy()
    return found


def test_a_service_goes_from_models_to_a_verified_database(shop: Shop) -> None:
    """Preflight, a proven baseline from the pod, the next image, the upgrade in its pod, and the database's own word."""
    looked = shop.run("preflight")
    assert looked.code == 0, looked.told
    generated = shop.run("regenerate", "--yes", "--json")
    assert generated.code == 0, generated.told
    (told,) = generated.json["services"]
    assert shop.history == [told["file"]["name"]] if isinstance(told.get("file"), dict) else len(shop.history) == 1
    shop.deploy()
    applied = shop.run("apply", "--yes")
    assert applied.code == 0, applied.told
    verified = shop.run("verify", "--deep", "--json")
    assert verified.code == 0, verified.told
    assert verified.json["services"][0]["state"] == "at_head"


def test_an_image_of_yesterday_is_found(shop: Shop) -> None:
    """Its models are not those of the checkout: nothing is generated, and the file is named."""
    shop.made.write_models(projects.table("product", "name: Mapped[str]", "price: Mapped[int]"))
    refused = shop.run("regenerate", "--yes")
    assert refused.code == 3, refused.told
    assert "app/models.py" in refused.told
    assert shop.history == []


def test_a_service_without_pods_is_reached_by_a_job(shop: Shop) -> None:
    """Made from its pod template, in the same namespace, and gone afterwards."""
    shop.deploy(replicas=0)
    generated = shop.run("regenerate", "--yes")
    assert generated.code == 0, generated.told
    assert len(shop.history) == 1
    assert shop.ask.get("jobs")["items"] == []


def test_a_database_that_lost_a_column_is_drifted(shop: Shop, request: pytest.FixtureRequest, url: str) -> None:
    """The stamp says head; a deep look names the column."""
    shop.made.add(
        projects.revision(
            "0001",
            upgrade='op.create_table("product", sa.Column("id", sa.Integer, primary_key=True),'
            ' sa.Column("name", sa.String, nullable=False))',
            downgrade='op.drop_table("product")',
        )
    )
    shop.deploy()
    assert shop.run("apply", "--yes").code == 0
    _statement(request, url, "ALTER TABLE product DROP COLUMN name")
    shallow = shop.run("verify", "--json")
    assert shallow.code == 0, shallow.told
    deep = shop.run("verify", "--deep", "--json")
    assert deep.code == 1, deep.told
    assert "drifted" in deep.stdout
    assert "name" in deep.stdout


def _statement(request: pytest.FixtureRequest, url: str, statement: str) -> None:
    """Runs it where the database is."""
    server: servers.PodServer | None = request.getfixturevalue("pod_server")
    name = url.rpartition("/")[2].partition("?")[0]
    if server is not None:
        server.psql(name, statement)
        return
    import asyncio

    import asyncpg

    async def run() -> None:
        connection = await asyncpg.connect(url.replace("postgresql+asyncpg", "postgresql"))
        await connection.execute(statement)
        await connection.close()

    asyncio.run(run())
