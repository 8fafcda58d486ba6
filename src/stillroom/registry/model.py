"""What the registry says, resolved: `Fleet`, `Environment`, `Service`. Immutable facts, used by every other part.

Importing this module costs nothing: neither pydantic nor yaml is needed to hold or to hand around a fleet.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["DATABASES", "JOB_NAME_EXTRA", "TARGETS", "Environment", "Fleet", "Service"]

TARGETS = ("local", "kubernetes", "ssh")
"""The kinds of target: where a service's Python runs."""

DATABASES = ("embedded", "environment")
"""Which server an environment's databases are on: the embedded one, or the real ones that the URL variables name."""

JOB_NAME_EXTRA = len("-migration-") + 10
"""Characters that a migration Job's name (`<name>-migration-<hash>`) has beside the service's name."""


@dataclasses.dataclass(frozen=True)
class Service:
    """One service as it is in one environment: defaults, overrides and placeholders are resolved.

    Attributes:
        name: the key in `services:`; a DNS-1123 label.
        environment: name of the environment that these facts hold in.
        path: folder of the service's code on this machine, absolute.
        config: the configuration file on this machine, absolute; None: none is named, and `script_location` is, so that
            there need not be any.
        models: modules to import so that every model is known; empty when `env.py` imports them itself.
        metadata: `module:attribute` of the `MetaData`; None: found as `Base.metadata` or env.py's `target_metadata`.
        url_variable: name of the variable from which `env.py` reads the database's URL.
        ini_section: the section of the ini file (`alembic -n`).
        script_location: folder of `env.py`, as written (relative to `path`, absolute, `package:folder`), or None: as the
            configuration file says.
        version_locations: folders of revision files, written the same way; None: as the configuration file says.
        recursive_version_locations: whether folders below count; None: as the configuration file says.
        prepend_sys_path: folders to import from, relative to `path`; None: as the configuration file says.
        setup: `module:function` to be called before Alembic, or None.
        run_in: "main" or "thread": where `env.py` runs.
        bootstrap: `module:function`, or a command's arguments, that comes before the first revision; None: nothing does.
        url: another way in which `env.py` learns its URL, with one key: `variables` (part to name of a variable; parts
            are `name`, `host`, `port`, `user`, `password`), `ini` (a key of the ini's section) or `argument` (a key of
            `-x`, whose value is in `url_variable`); None: `url_variable` is the way. Treat as read-only.
        password_command: program and arguments that print the password of the URL; None: it stands in the URL.
        service_role: the role that the service connects as, where another one migrates; None: not declared.
        grants: rights on tables that migrations give it; None: they are only checked.
        driver: "asyncpg", "psycopg" or "psycopg2": what the embedded server's URLs are made for.
        scratch_url_variable: name of the variable that holds the URL of an empty scratch database, or None.
        database: name that tells who shares a database; the embedded server's database is called so.
        schemas: what the service owns in it; None: derived from its metadata and history.
        version_table: Alembic's version table; None: read from `env.py`.
        version_table_schema: the schema of it; None: read from `env.py`.
        version_width: how many characters its column holds; None: as `env.py` or a revision makes it, or else 32.
        extensions: PostgreSQL extensions that must exist before the first migration.
        heads: how many heads the history is meant to have.
        python: interpreter. Target local: an absolute path, None: the one that runs stillroom. Elsewhere: a command or
            path over there, None: the target's own choice.
        env: plain variables (no secrets) that the service's settings classes need; treat as read-only.
        env_file: a file in `path` with further variables, which are set where they are not set already; None: none.
        time_limit: seconds that one operation on this service may take.
        after: names of services whose databases are upgraded first.
        namespace: Kubernetes namespace; None: the one of the kubectl context.
        container: name of the container in the service's pods; None: not said.
        workload: name of the service's Deployment (or other workload).
        scratch: "embedded", "create", "sidecar", or None (the strategies are tried in order).
        message: message of a generated baseline.
        shares_with: names of the other services on the same `database`, in file order.
        remote_path: folder of the code where it runs, if that is elsewhere; None: the container's working directory.
        via: "auto", "exec" or "job": how the code is reached in a cluster.
        scratch_image: of the PostgreSQL that `scratch: sidecar` puts beside it.
        image: of the service, with tag or digest; None: not said.
        image_pull_secrets, config_map, service_account, port, carry_runtime, network_policy, database_port: for manifests,
            as `shape.ServiceShape` has them.
        labels, annotations, service_account_annotations: of the migration Job, its pod and its service account.
        secret, job, startup, resources, monitoring: what is said of these (key to value; `manifests.settings` knows what
            holds where nothing is said); None: nothing. Treat as read-only.
        sidecars: of the migration Job, a mapping each. Treat as read-only.
    """

    name: str
    environment: str
    path: Path
    config: Path | None
    models: tuple[str, ...]
    metadata: str | None
    url_variable: str
    scratch_url_variable: str | None
    database: str
    schemas: tuple[str, ...] | None
    version_table: str | None
    version_table_schema: str | None
    extensions: tuple[str, ...]
    heads: int
    python: str | None
    env: Mapping[str, str] = dataclasses.field(hash=False)
    time_limit: float
    after: tuple[str, ...]
    namespace: str | None
    container: str | None
    workload: str
    scratch: str | None
    message: str
    shares_with: tuple[str, ...] = ()
    driver: str = "asyncpg"
    ini_section: str = "alembic"
    script_location: str | None = None
    version_locations: tuple[str, ...] | None = None
    recursive_version_locations: bool | None = None
    prepend_sys_path: tuple[str, ...] | None = None
    setup: str | None = None
    run_in: str = "main"
    bootstrap: str | tuple[str, ...] | None = None
    url: Mapping[str, Any] | None = dataclasses.field(default=None, hash=False)
    password_command: tuple[str, ...] | None = None
    version_width: int | None = None
    service_role: str | None = None
    grants: tuple[str, ...] | None = None
    env_file: str | None = None
    remote_path: str | None = None
    via: str = "auto"
    scratch_image: str = "postgres:17"
    image: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    config_map: str = "stillroom-config"
    secret: Mapping[str, Any] | None = dataclasses.field(default=None, hash=False)
    service_account: str | None = None
    service_account_annotations: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    resources: Mapping[str, Any] | None = dataclasses.field(default=None, hash=False)
    job: Mapping[str, Any] | None = dataclasses.field(default=None, hash=False)
    sidecars: tuple[Mapping[str, Any], ...] = dataclasses.field(default=(), hash=False)
    startup: Mapping[str, Any] | None = dataclasses.field(default=None, hash=False)
    port: int = 8000
    carry_runtime: bool = False
    network_policy: bool = False
    database_port: int = 5432
    monitoring: Mapping[str, Any] | None = dataclasses.field(default=None, hash=False)

    @property
    def url_source(self) -> str:
        """Where the URL comes from, in words: `DATABASE_URL`; `DB_HOST, DB_NAME`; `sqlalchemy.url in alembic.ini`."""
        said = self.url or {}
        if "variables" in said:
            return ", ".join(said["variables"].values())
        if "ini" in said and self.config is not None:
            return f"{said['ini']} in {self.config.name}"
        return self.url_variable

    @property
    def env_name(self) -> str:
        """The name as it stands in environment variables: `alert-processor` is `ALERT_PROCESSOR`."""
        return self.name.upper().replace("-", "_")


@dataclasses.dataclass(frozen=True)
class Environment:
    """One environment: where the services run in it, and how careful to be there.

    Attributes:
        name: the key in `environments:`.
        target: "local", "kubernetes" or "ssh".
        protected: True: whatever destroys data is refused unless it is allowed explicitly.
        database: "embedded" or "environment" (the URL variables name real servers).
        scratch: strategy for scratch databases that the environment asks for; a service may say another.
        namespace: Kubernetes namespace of the environment, as written (may hold placeholders); None: not said here.
        context: kubectl context; None: kubectl's current one.
        kubeconfig: absolute path of the kubeconfig; None: kubectl's own search.
        host: SSH host (a name of `~/.ssh/config`, too); None unless target is ssh.
        user: SSH user; None: what the SSH configuration says.
        port: SSH port; None: what the SSH configuration says.
        time_limit: seconds for one operation that the environment asks for; None: not said here.
        via: how code is reached in a cluster, that the environment asks for; None: not said here.
        profile: what manifests are made for: "plain", "helm", "argocd" or "kustomize".
        operator: who runs these commands there (`users`, `groups`, `service_accounts`: lists of names), or None.
    """

    name: str
    target: str
    protected: bool = False
    database: str = "environment"
    scratch: str | None = None
    namespace: str | None = None
    context: str | None = None
    kubeconfig: Path | None = None
    host: str | None = None
    user: str | None = None
    port: int | None = None
    time_limit: float | None = None
    via: str | None = None
    profile: str = "plain"
    operator: Mapping[str, Any] | None = dataclasses.field(default=None, hash=False)


@dataclasses.dataclass(frozen=True)
class Fleet:
    """Everything that one `services.yaml` says.

    Attributes:
        root: the folder of the file, absolute; relative paths in the file start here.
        path: the file itself, absolute.
        environments: name to environment, in file order; treat as read-only.
        default_environment: name of the environment that is meant when none is given.
        resolved: name of an environment to its services, in file order; `services_in` is the way to ask.
    """

    root: Path
    path: Path
    environments: Mapping[str, Environment] = dataclasses.field(hash=False)
    default_environment: str
    resolved: Mapping[str, tuple[Service, ...]] = dataclasses.field(hash=False, repr=False)

    @property
    def services(self) -> tuple[Service, ...]:
        """The services of the default environment, in file order."""
        return self.resolved[self.default_environment]

    @property
    def names(self) -> tuple[str, ...]:
        """The services' names, in file order."""
        return tuple(service.name for service in self.services)

    @property
    def state(self) -> Path:
        """Folder of what stillroom keeps between runs: backups, journals, the embedded server's data."""
        return self.root / ".stillroom"

    def services_in(self, environment: Environment | str | None = None) -> tuple[Service, ...]:
        """The services as they are in `environment` (default: the default one), in file order.

        Raises KeyError for an unknown name; `load.environment` tells people more.
        """
        return self.resolved[_name_of(environment) or self.default_environment]

    def service(self, name: str, environment: Environment | str | None = None) -> Service:
        """The service called `name` in `environment`. Raises KeyError; `load.select` tells people more."""
        for service in self.services_in(environment):
            if service.name == name:
                return service
        raise KeyError(name)


def _name_of(environment: Environment | str | None) -> str | None:
    return environment.name if isinstance(environment, Environment) else environment
