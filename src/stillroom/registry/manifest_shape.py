"""The shape of what a service says about its manifests: settings of Job, Secret, patch and sidecars, each a mapping.

Part of `shape`; the texts under the fields are read for the JSON Schema in the same way.
"""

from __future__ import annotations

import re
from typing import Annotated

import pydantic
from pydantic import Field
from pydantic_core import PydanticCustomError

__all__ = [
    "JobShape",
    "MonitoringShape",
    "OperatorShape",
    "Part",
    "ResourcesShape",
    "SecretShape",
    "SidecarShape",
    "StartupShape",
]

DURATION = r"^\d+(\.\d+)?\s*(ms|s|min|m|h)?$"
"""As the runtime reads durations: `500ms`, `4s`, `10min`, `2h`; a plain number counts seconds."""


def _duration(value: object) -> object:
    text = f"{value}" if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(text, str) and re.fullmatch(DURATION[1:-1], text.strip()):
        return text.strip()
    raise PydanticCustomError("duration", "a duration is expected, as 500ms, 4s, 10min or 2h")


Duration = Annotated[
    str,
    pydantic.BeforeValidator(_duration),
    pydantic.WithJsonSchema({"anyOf": [{"type": "string", "pattern": DURATION}, {"type": "number"}]}),
]
"""A duration, as a text of the form above; a number counts seconds."""


class Part(pydantic.BaseModel):
    """What all parts have in common: nothing is guessed, nothing else is allowed."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


class SecretShape(Part):
    """The Secret that holds the database's URLs: they are referred to, and never read here."""

    name: str = "{name}-database"
    """Name of the Secret in the service's namespace. Default: `{name}-database`."""

    key: str = "url"
    """Its key with the URL of the service's own role. Default: `url`."""

    migration_name: str | None = None
    """Name of the Secret with the URL that migrations use. Default: the same."""

    migration_key: str | None = None
    """Its key with the URL that migrations use. Default: as `key`; name another one where another role migrates."""


class ResourcesShape(Part):
    """What a migration's container asks for, as Kubernetes writes it."""

    requests: dict[str, str] = {"cpu": "50m", "memory": "128Mi"}
    """What is set aside for it. Default: 50m of cpu, 128Mi of memory."""

    limits: dict[str, str] = {"memory": "512Mi"}
    """What it may not go beyond. Default: 512Mi of memory, and no limit of cpu, which would only slow it down."""


class JobShape(Part):
    """How a migration Job goes about it; what is not said is as the runtime has it."""

    backoff_limit: int = Field(2, ge=0, le=6)
    """How often Kubernetes starts another pod after one that failed. Default 2; Kubernetes' own 6 hides what is wrong."""

    deadline: Duration | None = None
    """How long the whole Job may take (`activeDeadlineSeconds`). It has to be more than all waits and retries together.
    Default: twice that."""

    ttl: Duration = "24h"
    """How long a finished Job and its log stay. Default: a day, so that somebody reads them."""

    wait: Duration = "2min"
    """How long its init container waits for the database to let it in. Default: 2min."""

    lock_wait: Duration | None = None
    """How long it waits for another migrator (`STILLROOM_LOCK_WAIT`). Default: the runtime's, 5min."""

    lock_timeout: Duration | None = None
    """How long a statement waits for a lock (`STILLROOM_LOCK_TIMEOUT`). Default: the runtime's, 4s."""

    statement_timeout: Duration | None = None
    """How long a statement may take (`STILLROOM_STATEMENT_TIMEOUT`); 0: without a limit, and then `deadline` has to be
    said. Default: the runtime's, 10min."""

    lock_retries: int | None = Field(None, ge=0, le=1000)
    """How often a revision that got no lock is tried again (`STILLROOM_LOCK_RETRIES`). Default: the runtime's, 10."""

    user: int = Field(65532, ge=1, le=2_147_483_647)
    """Numeric user that its containers run as; never root. Default: 65532, as distroless images have it."""


class StartupShape(Part):
    """What the Deployment's patch says about the service's start."""

    wait: Duration = "2min"
    """How long the init container waits for the database to be ready (`verify --wait`). Default: 2min."""

    path: str = "/health/ready"
    """Path that the startupProbe asks. Default: the one that answers 200 once the database was verified."""

    period: int = Field(5, ge=1, le=300)
    """Seconds between two tries of the startupProbe. Default: 5."""

    failures: int | None = Field(None, ge=1, le=10_000)
    """How many tries may fail. Together with `period` it has to last longer than `wait`. Default: so that it lasts half as
    long again."""

    config_maps: list[str] = []
    """Further ConfigMaps in the container's `envFrom`, which a patch replaces as a whole. Default: none."""

    secrets: list[str] = []
    """Further Secrets in the container's `envFrom`. Default: none."""


class SidecarShape(Part):
    """A native sidecar of the Job: an init container that goes on (`restartPolicy: Always`), a database proxy mostly."""

    name: str
    """Name of the container."""

    image: str
    """Its image."""

    command: list[str] = []
    """Its command. Default: the image's."""

    args: list[str] = []
    """Its arguments. Default: the image's."""

    env: dict[str, str] = {}
    """Plain variables, no secrets. Default: none."""

    port: int | None = Field(None, ge=1, le=65_535)
    """Port that answers once it is ready; what comes after it waits for that. Default: nothing is waited for."""

    resources: ResourcesShape | None = None
    """What it asks for. Default: as the migration's container."""


class MonitoringShape(Part):
    """What Prometheus' operator is told about the service."""

    match: dict[str, str] = {"app.kubernetes.io/name": "{name}"}
    """Labels by which the service's Service is found. Default: `app.kubernetes.io/name: {name}`."""

    port: str = "http"
    """Name of the port of that Service which answers `/metrics`. Default: `http`."""

    interval: int = Field(30, ge=5, le=3600)
    """Seconds between two questions. Default: 30."""


class OperatorShape(Part):
    """Who may run these commands: subjects of a RoleBinding."""

    users: list[str] = []
    """Users, as the cluster knows them. Default: none."""

    groups: list[str] = []
    """Groups, as the cluster knows them. Default: none."""

    service_accounts: list[str] = []
    """Service accounts of the same namespace, of a pipeline, say. Default: none."""
