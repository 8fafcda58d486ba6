"""What a cluster costs: a fleet regenerated in pods of the loopback cluster, against the same on this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from stillroom.embedded import server
from tests.bench import fleets, meter, processes
from tests.support.cluster import Cluster
from tests.support.cluster import kubectl as programs

__all__ = ["execs", "opened", "regenerate"]

_ENVIRONMENT = "loopback"


@contextlib.contextmanager
def opened(fleet: fleets.Fleet, embedded: server.Embedded, folder: Path) -> Iterator[Cluster]:
    """A cluster in which the services of a fleet are deployed, each in a pod; the fleet's registry has it as another
    environment, and its databases are on the embedded server.

    Args:
        fleet: whose version folders are emptied first: an image has what there is.
        embedded: the server, up.
        folder: for the cluster's files.
    """
    fleet.empty_versions()
    embedded.ensure(sorted({each.database for each in fleet.services}))
    cluster = Cluster(folder)
    try:
        _register(fleet, cluster)
        for each in fleet.services:
            url = embedded.url(each.database, "postgresql+asyncpg")
            cluster.deploy(
                f"{each.name}-service",
                folder=each.folder,
                env={each.variable: url, "PGSSLMODE": "disable"},
                container=f"{each.name}-service",
            )
        yield cluster
    finally:
        cluster.close()


def _register(fleet: fleets.Fleet, cluster: Cluster) -> None:
    file = fleet.root / "services.yaml"
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    said["environments"][_ENVIRONMENT] = {
        "target": "kubernetes",
        "namespace": "default",
        "kubeconfig": str(cluster.kubeconfig),
    }
    file.write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")


def regenerate(fleet: fleets.Fleet, cluster: Cluster, clock: meter.Meter) -> meter.Sample:
    """`invoke regenerate --yes` on all services, in their pods; the version folders here are emptied before."""
    fleet.empty_versions()
    more = {
        "KUBECACHEDIR": str(cluster.kubeconfig.parent / "cache"),
        "PATH": os.pathsep.join([str(Path(programs.find()).parent), os.environ["PATH"]]),
    }
    command = [processes.program("invoke"), "regenerate", "--yes", "--environment", _ENVIRONMENT]
    sample = clock.run(lambda: processes.run(command, fleet.root, more))
    made = [len(list(each.versions.glob("*.py"))) for each in fleet.services]
    if set(made) != {1}:
        raise processes.ProgramFailed(f"after regenerate in pods, the version folders hold {made} files")
    return sample


def execs(cluster: Cluster) -> int:
    """How many execs there were up to now."""
    return cluster.count("pods/exec")
