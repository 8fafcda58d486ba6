"""Services in pods: everything that works on this machine works there, over one exec a service."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import stillroom
from stillroom import fleet, preflight, regenerate, session
from stillroom.registry import load, model
from stillroom.reports import Finding
from stillroom.runtime import faults
from stillroom.runtime.wire import protocol
from stillroom.targets import base, channel
from tests.conftest import NewDatabase
from tests.support import program, projects
from tests.support.cluster import Cluster
from tests.support.postgres import Database

_TABLE = projects.table("product", "name: Mapped[str]")


class Watcher:
    """Sees nothing but warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def begin(self, service: str) -> None:
        """See `fleet.Watcher`."""

    def step(self, service: str, step: str) -> None:
        """See `fleet.Watcher`."""

    def warn(self, service: str, message: str) -> None:
        """See `fleet.Watcher`."""
        self.warnings.append(message)

    def output(self, service: str, line: str) -> None:
        """See `fleet.Watcher`."""

    def end(self, service: str, outcome: fleet.Outcome[Any]) -> None:
        """See `fleet.Watcher`."""


@dataclasses.dataclass
class Shop:
    """A service in a checkout, deployed."""

    made: projects.Made
    database: Database
    fleet: model.Fleet
    cluster: Cluster

    @property
    def environment(self) -> model.Environment:
        """The cluster's."""
        return self.fleet.environments["staging"]

    @property
    def service(self) -> model.Service:
        """In the cluster."""
        return self.fleet.service("podded", "staging")

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
        self.cluster.deploy("podded", **{"folder": self.made.path, "env": env, **facts})


def _registry(root: Path, cluster: Cluster, said: Mapping[str, str]) -> None:
    lines = ", ".join(f"{key}: {value}" for key, value in said.items())
    (root / "tasks.py").write_text("from stillroom.tasks import namespace\n", encoding="utf-8")
    (root / "services.yaml").write_text(
        f"environments:\n  staging: {{target: kubernetes, namespace: default, kubeconfig: {cluster.kubeconfig}}}\n"
        f"services:\n  podded: {{{lines}}}\n",
        encoding="utf-8",
    )


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster, new_database: NewDatabase) -> Iterator[Shop]:
    """A service with one table, whose image is not deployed yet; no other test calls one so, nor its scratch databases."""
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


def _findings(shop: Shop, **options: Any) -> list[Finding]:
    with shop.opened() as opened:
        opened.open((shop.service,))
        (outcome,) = preflight.run(opened, (shop.service,), preflight.Options(**options), Watcher())
    assert outcome.value is not None, outcome.failure
    return list(outcome.value.findings)


def _told(found: list[Finding], check: str) -> list[tuple[str, str]]:
    return [(each.level, each.message) for each in found if each.check == check]


def test_preflight_of_a_cluster(shop: Shop) -> None:
    """kubectl, cluster, rights, pods and the image's code are looked at, beside all that is looked at anywhere."""
    shop.deploy()
    found = _findings(shop)
    assert [each for each in found if each.level == "error"] == []
    assert [level for level, _ in _told(found, "cluster")] == ["ok"]
    assert [level for level, _ in _told(found, "permissions")] == ["ok"]
    assert _told(found, "pods")[0] == ("ok", "pods running (1/1)")
    assert "container app, image registry.test/podded:1 (sha256:" in _told(found, "pods")[1][1]
    assert _told(found, "image") == [("ok", "its code is that of this folder: 3 source files, 0 revisions")]
    assert _told(found, "driver")[0][0] == "ok"
    assert shop.cluster.count("pods/exec") == 1


def test_stale_code_is_found(shop: Shop) -> None:
    """Models that are newer here than in the image are named; it can be allowed, and the file comes home then."""
    shop.deploy()
    models = shop.made.path / "app" / "models.py"
    models.write_text(models.read_text(encoding="utf-8") + projects.table("stock"), encoding="utf-8")
    (shop.made.path / "migrations" / "versions" / "abc_start.py").write_text(
        projects.revision("abc").text, encoding="utf-8"
    )
    found = _told(_findings(shop), "image")
    assert found == [
        (
            "error",
            "podded: the code in its image is not that of this folder: app/models.py differs, "
            "revision abc_start.py is not in the image",
        )
    ]
    assert _told(_findings(shop, allow_stale_image=True), "image")[0][0] == "warning"
    options = regenerate.Options(allow_stale_image=True, accept_loss=("*",))
    with shop.opened() as opened:
        opened.open((shop.service,))
        (made,) = regenerate.run(opened, [shop.service], options, Watcher(), facts={})
    assert made.failure is None
    assert made.value is not None
    assert shop.versions == [made.value.file]


def _generated(shop: Shop, via: str | None = None) -> tuple[fleet.Outcome[regenerate.Done], Watcher]:
    watcher = Watcher()
    with shop.opened(via) as opened:
        opened.open((shop.service,))
        (made,) = regenerate.run(opened, [shop.service], regenerate.Options(), watcher, facts={})
    return made, watcher


@pytest.mark.parametrize("state", ["crashing", "scaled to zero", "asked for"])
def test_a_job_serves_where_no_pod_does(shop: Shop, state: str) -> None:
    """It is made of the pod template, one exec is all it takes, and it is gone afterwards."""
    shop.deploy(crashing=state == "crashing", replicas=0 if state == "scaled to zero" else 1)
    made, _ = _generated(shop, "job" if state == "asked for" else None)
    assert made.failure is None
    assert len(shop.versions) == 1
    assert shop.cluster.count("pods/exec") == 1
    assert shop.cluster.count("jobs", "create") == 1
    shop.cluster.wait(lambda: shop.cluster.all("Job") == [], "the Job to go")


def test_exec_alone_does_not_start_a_job(shop: Shop) -> None:
    """`--via exec` fails where no pod is ready, and says what ails it."""
    shop.deploy(crashing=True)
    made, _ = _generated(shop, "exec")
    assert made.failure is not None
    assert made.failure.code == "no-pod"
    assert "is in CrashLoopBackOff" in made.failure.message
    assert shop.cluster.count("jobs") == 0


_FAULTS = {
    "cut at once": lambda faults: faults.cut_exec(0),
    "cut in the middle": lambda faults: faults.cut_exec(900),
    "ended without a status": lambda faults: faults.end_exec_without_status(900),
    "ended where nothing was said": lambda faults: faults.end_exec_without_status(0),
    "a byte swapped in the greeting": lambda faults: faults.swap_byte(20),
    "a byte swapped in the answer": lambda faults: faults.swap_byte(1200),
    "pod deleted": lambda faults: faults.delete_pod(900),
    "two in a row": lambda faults: faults.cut_exec(900, times=2),
    "refused at first": lambda faults: faults.answer(503, resource="pods/exec"),
    "busy at first": lambda faults: faults.answer(429, retry_after=1, resource="pods"),
}


@pytest.mark.parametrize("name", _FAULTS)
def test_what_happens_on_the_way_is_survived(shop: Shop, name: str) -> None:
    """A generation is begun again; what comes home is whole, and no scratch database stays."""
    shop.deploy()
    _FAULTS[name](shop.cluster.faults)
    made, _ = _generated(shop)
    assert made.failure is None, made.failure
    assert made.value is not None
    assert shop.versions == [made.value.file]
    rows = shop.database.server.fetch(
        "SELECT datname FROM pg_database WHERE datname LIKE %s", ["stillroom_scratch_podded%"]
    )
    assert rows == []


def test_a_connection_that_never_holds_is_a_clear_failure(shop: Shop) -> None:
    """Nothing here is touched, and kubectl's exit status 0 fools nobody."""
    shop.deploy()
    shop.cluster.faults.end_exec_without_status(900, times=50)
    made, _ = _generated(shop)
    assert made.failure is not None
    assert made.failure.code == "connection-lost"
    assert "pod podded-" in made.failure.message
    assert shop.versions == []


def test_what_changes_a_database_is_not_done_twice(shop: Shop) -> None:
    """An upgrade whose connection was lost may have come to its end: that is said, and left to the person."""
    shop.deploy()
    with shop.opened() as opened:
        opened.open((shop.service,))
        opened.call(shop.service, "echo", {})
        before = shop.cluster.count("pods/exec")
        target = opened.cluster
        assert target is not None
        begun = target.start("r1", shop.service)
        shop.cluster.faults.restart()
        with pytest.raises(base.TargetFailed) as caught:
            channel.converse(begun, protocol.Request("r1", "upgrade", {}, {}), channel.Quiet())
        assert caught.value.code == "connection-lost"
        assert shop.cluster.count("pods/exec") == before
        opened.call(shop.service, "status", {})  # another way is made
        assert shop.cluster.count("pods/exec") == before + 1


def test_the_commands_work_in_a_cluster(shop: Shop) -> None:
    """As people type them: from preflight to a verified database, with nothing but kubectl."""
    shop.deploy()
    taken = ("PATH", "KUBECACHEDIR", "PYTHONPATH")
    invoke = program.Program(shop.fleet.root, {name: os.environ[name] for name in taken if name in os.environ})
    preflighted = invoke.run("preflight", "--verbose")
    assert preflighted.code == 0, preflighted.told
    assert "pods running (1/1)" in preflighted.stdout
    regenerated = invoke.run("regenerate", "--yes", "--json")
    assert regenerated.code == 0, regenerated.told
    before = shop.cluster.count("pods/exec")
    shop.deploy(image="registry.test/shop:2")  # with the new revision
    for command in (("apply", "--yes"), ("status",), ("verify",), ("history",)):
        ran = invoke.run(*command, "--json")
        assert ran.code == 0, ran.told
        assert ran.json["services"][0]["name"] == "podded"
    assert shop.cluster.count("pods/exec") == before + 4
    emptied = invoke.run("cleanup", "--yes", "--skip-backup")
    assert emptied.code == 0, emptied.told
    assert shop.database.server.fetch("SELECT 1", []) == [(1,)]
    other = invoke.run("status", "--namespace", "nowhere")
    assert other.code == 1, other.told
    assert "there is no Deployment (or StatefulSet) podded" in other.stderr


def test_the_runtime_is_never_a_file_there(shop: Shop) -> None:
    """A traceback of it in a pod names the carried files, and no place of this machine."""
    shop.deploy()
    with shop.opened() as opened:
        target = opened.cluster
        assert target is not None
        with pytest.raises(faults.Fault, match="TypeError") as caught:
            channel.converse(
                target.start("r1", shop.service), protocol.Request("r1", "status", {}, {}), channel.Quiet()
            )
    assert 'File "<carried>/stillroom_carried/facts.py"' in caught.value.detail
    assert str(Path(stillroom.__file__).parent) not in caught.value.detail


def test_an_interrupt_ends_what_runs_there(shop: Shop) -> None:
    """The process in the pod cleans up behind itself and says so; nothing new is begun."""
    models = shop.made.path / "app" / "models.py"
    models.write_text("import time; time.sleep(600)\n" + models.read_text(encoding="utf-8"), encoding="utf-8")
    shop.deploy()
    with shop.opened() as opened:
        opened.open((shop.service,))
        watcher = _Interrupting(opened)
        (made,) = regenerate.run(opened, [shop.service], regenerate.Options(), watcher, facts={})
        assert made.failure is not None
        assert made.failure.code == "terminated"
        with pytest.raises(base.TargetFailed, match="interrupted"):
            opened.call(shop.service, "echo", {})
    rows = shop.database.server.fetch(
        "SELECT datname FROM pg_database WHERE datname LIKE %s", ["stillroom_scratch_podded%"]
    )
    assert rows == []


def test_an_api_server_that_goes_away_and_comes_back(shop: Shop) -> None:
    """In the middle of a generation: it is begun again once the server answers."""
    shop.deploy()
    with shop.opened() as opened:
        opened.open((shop.service,))
        watcher = _Restarting(shop.cluster)
        (made,) = regenerate.run(opened, [shop.service], regenerate.Options(), watcher, facts={})
    assert watcher.done
    assert made.failure is None, made.failure
    assert len(shop.versions) == 1


class _Restarting(Watcher):
    """Restarts the API server when the first work on the models begins."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster
        self.done = False

    def step(self, service: str, step: str) -> None:
        """See `fleet.Watcher`."""
        if step == "autogenerate" and not self.done:
            self.done = True
            self._cluster.faults.restart(1.0)


class _Interrupting(Watcher):
    """Interrupts when the work on the models begins."""

    def __init__(self, opened: session.Session) -> None:
        super().__init__()
        self._opened = opened

    def step(self, service: str, step: str) -> None:
        """See `fleet.Watcher`."""
        if step == "autogenerate":
            assert self._opened.interrupt()
