"""Which container of a pod a request means."""

from __future__ import annotations

from tests.support.cluster import statuses
from tests.support.cluster.kubelet import Runner
from tests.support.cluster.units import Unit

__all__ = ["container_of"]


def container_of(runner: Runner, name: str) -> Unit:
    """The container named, or the only one. Raises `Refused` as the API server words it."""
    mains = [each.name for each in runner.of_kind("main")]
    inits = [each.name for each in runner.of_kind("init", "sidecar")]
    if not name and len(mains) > 1:
        others = f" or one of the init containers: [{' '.join(inits)}]" if inits else ""
        raise statuses.bad_request(
            f"a container name must be specified for pod {runner.name}, choose one of: [{' '.join(mains)}]{others}"
        )
    found = runner.unit(name or mains[0])
    if found is None:
        raise statuses.bad_request(f"container {name} is not valid for pod {runner.name}")
    return found
