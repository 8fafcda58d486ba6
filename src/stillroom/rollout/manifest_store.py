"""What a run applies: rendered a few services at a time, and kept in the run's folder, not in memory."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stillroom import manifests
from stillroom.history import durable
from stillroom.manifests import objects
from stillroom.registry import model

__all__ = ["Store", "Summary"]

_AT_A_TIME = 25


@dataclasses.dataclass(frozen=True)
class Summary:
    """A service's migration Job, as far as planning needs it."""

    job: str
    namespace: str | None
    image: str


class Store:
    """Manifests of a run, a file a service.

    Args:
        folder: the run's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "manifests"

    def render(
        self, fleet: model.Fleet, environment: model.Environment, services: Sequence[model.Service], options: Any
    ) -> dict[str, Summary]:
        """Renders all services and keeps what is applied; gives name to summary.

        Raises:
            errors.StillroomError: what is rendered is wrong; the disk says no.
        """
        found: dict[str, Summary] = {}
        for at in range(0, len(services), _AT_A_TIME):
            part = services[at : at + _AT_A_TIME]
            rendered = manifests.render(fleet, environment, part, options)
            for service in part:
                found[service.name] = self._keep(service.name, rendered.objects)
        return found

    def job(self, service: str) -> dict[str, Any]:
        """The body of a service's migration Job."""
        body: dict[str, Any] = self._read(service)["job"]
        return body

    def before(self, service: str) -> list[dict[str, Any]]:
        """What has to be there before the Job, in order: configuration, the service's own account and rights."""
        found: list[dict[str, Any]] = self._read(service)["before"]
        return found

    def _read(self, service: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self._folder / f"{service}.json").read_bytes())
        return found

    def _keep(self, service: str, rendered: Sequence[objects.Object]) -> Summary:
        job = next(each for each in rendered if each.service == service and each.wave == objects.JOBS)
        before = [dict(each.body) for each in sorted(rendered, key=lambda each: each.wave) if _precedes(each, service)]
        content = json.dumps({"before": before, "job": job.body}, indent=1).encode()
        path = self._folder / f"{service}.json"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise durable.trouble("What is to be applied can't be kept", path, error) from error
        return Summary(job.name, job.namespace, _image(job.body))


def _precedes(each: objects.Object, service: str) -> bool:
    """The service's own, and the configuration that it shares. Rights of operators are for whoever may give them."""
    if each.patch or each.wave >= objects.JOBS:
        return False
    return each.service == service or (each.service is None and each.wave == objects.CONFIG)


def _image(body: Mapping[str, Any]) -> str:
    return str(body["spec"]["template"]["spec"]["containers"][0]["image"])
