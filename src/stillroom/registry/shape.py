"""The shape of services.yaml: which keys there are, of what type, with what default and why.

Only the shape: whether names exist, agree and would be accepted by Kubernetes is `checks`' business. The JSON Schema
that editors use is generated from these models (`json_schema` reads the text under each field), so descriptions are
written for the person who types the file.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field
from pydantic_core import PydanticCustomError

from stillroom.registry import formats, manifest_shape

__all__ = [
    "EnvironmentShape",
    "FileShape",
    "KubernetesEnvironment",
    "LocalEnvironment",
    "ServiceShape",
    "SshEnvironment",
    "UrlShape",
    "UrlVariables",
]


def _one_or_several(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value
    raise PydanticCustomError("plain_value", "a text, number or truth value is expected")


def _text_or_list(value: object) -> object:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        return value
    raise PydanticCustomError("text_or_list", "a text or a list of texts is expected")


Texts = Annotated[
    list[str],
    pydantic.BeforeValidator(_one_or_several),
    pydantic.WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""A list of texts; a single text stands for a list of one."""

Plain = Annotated[
    Any,
    pydantic.BeforeValidator(_plain),
    pydantic.WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
"""The value of an environment variable; numbers and truth values are taken as they are written."""

Step = Annotated[
    Any,
    pydantic.BeforeValidator(_text_or_list),
    pydantic.WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""A function (`module:function`, a text) or a command (a list of its arguments)."""

Scratch = Literal["embedded", "create", "sidecar"]
Via = Literal["auto", "exec", "job"]
Driver = Literal["asyncpg", "psycopg", "psycopg2"]
RunIn = Literal["main", "thread"]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class _Shape(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


class UrlVariables(_Shape):
    """The variables from which env.py puts its URL together."""

    name: str
    """Name of the variable that holds the database's name."""

    host: str | None = None
    """Name of the variable that holds the host, or the folder of the socket. Default: none, as libpq has it."""

    port: str | None = None
    """Name of the variable that holds the port. Default: none, 5432."""

    user: str | None = None
    """Name of the variable that holds the role. Default: none, as libpq has it."""

    password: str | None = None
    """Name of the variable that holds the password. Default: none."""


class UrlShape(_Shape):
    """How env.py learns its URL where that is not one variable: exactly one of these."""

    variables: UrlVariables | None = None
    """The variables that hold its parts."""

    ini: str | None = None
    """The key in the ini's section under which it stands: `sqlalchemy.url`, mostly."""

    argument: str | None = None
    """The key of `alembic -x key=URL`; the URL itself is in `url_variable`."""


class ServiceShape(_Shape):
    """What can be said about a service, in `defaults`, in `services`, or in an environment's `services`.

    In every text, `{name}` stands for the service's name (`alert-processor`) and `{NAME}` for the same as a variable
    (`ALERT_PROCESSOR`).
    """

    path: str = "services/{name}"
    """Folder of the service's code, relative to this file. Default: where most repositories have it."""

    config: str | None = None
    """Alembic's configuration file, relative to `path`: an ini file, or a pyproject.toml with [tool.alembic]. Default:
    `alembic.ini`, or else `pyproject.toml`; with `script_location` there may be none at all."""

    ini_section: str = "alembic"
    """Section of the ini file that holds for this service (`alembic -n`). Default: Alembic's own."""

    script_location: str | None = None
    """Folder of env.py, relative to `path`, absolute, or `package:folder` inside an installed package. Default: read
    from the configuration file."""

    version_locations: Texts | None = None
    """Folders of revision files, each as `script_location` is written. Default: read from the configuration file, or
    else `versions` beside env.py."""

    recursive_version_locations: bool | None = None
    """True: revision files lie in folders below, too (by year, say). Default: read from the configuration file."""

    prepend_sys_path: Texts | None = None
    """Folders, relative to `path`, from which the service's code is imported. Default: read from the configuration file."""

    setup: str | None = None
    """`module:function` that has to be called before Alembic, without arguments. Default: none."""

    run_in: RunIn = "main"
    """Where env.py runs: `main`, or `thread` for one that insists on a worker thread. Default: as Alembic runs it."""

    bootstrap: Step | None = None
    """What makes an empty database ready for the first revision, where that is not Alembic's doing: `module:function`, or
    a command as a list, run in `path`. Default: nothing."""

    models: Texts = []
    """Module or modules whose import makes every model known. Default: none, env.py imports them itself."""

    metadata: str | None = None
    """`module:attribute` of the MetaData. Default: found as `Base.metadata` in `models`, or as env.py's
    `target_metadata`."""

    url_variable: str = "{NAME}_DATABASE_URL"
    """Name of the environment variable from which env.py reads the database's URL. Default: one variable a service, so
    that a whole fleet fits into one shell."""

    url: UrlShape | None = None
    """Another way in which env.py learns its URL, instead of `url_variable`. Default: none."""

    password_command: Texts | None = None
    """Program and arguments, without a shell, run on the operator's machine once a run; what it prints is the password
    of the service's URL (a cloud's token, say). Default: none."""

    driver: Driver = "asyncpg"
    """What the service connects with: the embedded server's URLs are made for it. Default: the driver of async code."""

    service_role: str | None = None
    """The role that the service itself connects as, where migrations are run by another one: after each of them its rights
    on every table are checked. Default: not checked."""

    grants: Texts | None = None
    """Rights on its tables (SELECT, INSERT, …) that migrations give `service_role`. Default: they are only checked."""

    scratch_url_variable: str | None = None
    """Name of the environment variable that holds the URL of an empty database to generate on. Default: none, a scratch
    database is created beside the service's own."""

    database: str = "{name}"
    """Name of the database. It tells which services share one; the embedded server calls it so. Default: one each."""

    schemas: Texts | None = None
    """Schemas that the service owns in its database. Default: derived from its metadata and its history."""

    version_table: str | None = None
    """Alembic's version table. Default: read from env.py."""

    version_table_schema: str | None = None
    """Schema of the version table. Default: read from env.py."""

    version_width: int | None = Field(None, ge=1, le=10000)
    """Characters that the version table's column holds, where that is not Alembic's 32. Default: as env.py or a revision
    makes it, or else 32."""

    extensions: Texts = []
    """PostgreSQL extensions that must exist before the first migration. Default: none."""

    heads: int = Field(1, ge=1, le=1000)
    """How many heads the history is meant to have. Default 1: a second head is mostly two branches merged by git."""

    python: str | None = None
    """The service's interpreter, relative to this file or absolute. Default: the one that runs stillroom. It is an
    interpreter of this machine; for targets elsewhere only an environment can name one."""

    env: dict[str, Plain] = {}
    """Plain variables, no secrets, that the service's settings classes need to be importable; those of `defaults` and
    of the service are merged. Default: none."""

    env_file: str | None = None
    """A file like `.env`, relative to `path`, with variables that are set where they are not set already; passwords in it
    stay there. It may be missing. Default: none is read."""

    time_limit: Seconds = 120.0
    """Seconds that one operation on the service may take. Default 120: large services need up to 23 to import."""

    after: Texts = []
    """Services whose databases are upgraded before this one's. Default: none."""

    namespace: str | None = None
    """Kubernetes namespace. Default: the one of the kubectl context."""

    container: str | None = None
    """Container in the service's pods that has its code. Default: the one that the pods' annotation
    kubectl.kubernetes.io/default-container names, or the only one."""

    workload: str = "{name}"
    """The service's Deployment. Default: called as the service."""

    remote_path: str | None = None
    """Folder of the service's code where it runs, in its image say, absolute or relative to the container's working
    directory. Default: that directory."""

    via: Via = "auto"
    """How its code is reached in a cluster: `exec` into a running pod, or in a `job` made from its pod template. Default
    `auto`: a Job where no pod can be used."""

    scratch: Scratch | None = None
    """Where to generate: `create` makes a scratch database beside the service's own, `embedded` uses the embedded
    server, `sidecar` (in a cluster) a PostgreSQL in the pod of a Job. Default: the URL in `scratch_url_variable`, or else
    `create`."""

    scratch_image: str = "postgres:17"
    """Image of that PostgreSQL. Default: the official one, of a version that is in wide use."""

    message: str = "initial schema"
    """Message of a generated baseline."""

    image: str | None = None
    """Image of the service, with its tag or digest; the migration Job runs it, too. Default: none, and no manifests can be
    rendered."""

    image_pull_secrets: Texts = []
    """Secrets with which the image is pulled. Default: none."""

    config_map: str = "stillroom-config"
    """The ConfigMap with the common environment (ENVIRONMENT, …). Default: `stillroom-config`, one a namespace."""

    secret: manifest_shape.SecretShape | None = None
    """The Secret with the database's URLs. Default: `{name}-database`, key `url`."""

    service_account: str | None = None
    """A service account that is there already, for the migration Job. Default: one of its own, `{name}-migration`, which
    may do nothing."""

    service_account_annotations: dict[str, str] = {}
    """Annotations of the Job's own service account (a cloud's workload identity, say). Default: none."""

    labels: dict[str, str] = {}
    """Further labels of the Job and its pod. Default: none."""

    annotations: dict[str, str] = {}
    """Further annotations of the Job and its pod (of a service mesh, say). Default: none."""

    resources: manifest_shape.ResourcesShape | None = None
    """What the migration's containers ask for. Default: 50m of cpu, 128Mi to 512Mi of memory."""

    job: manifest_shape.JobShape | None = None
    """How the migration Job goes about it: limits, waits, retries. Default: as the runtime has them."""

    sidecars: list[manifest_shape.SidecarShape] = []
    """Native sidecars of the migration Job. Default: none."""

    startup: manifest_shape.StartupShape | None = None
    """What the Deployment's patch says about the start. Default: two minutes for the database, `/health/ready`."""

    port: int = Field(8000, ge=1, le=65_535)
    """Port on which the service answers its probes. Default: uvicorn's."""

    carry_runtime: bool = False
    """True: the runtime comes in a ConfigMap, so that the image need not contain it. Default: false."""

    network_policy: bool = False
    """True: a NetworkPolicy lets the migration's pod reach DNS and the database, and nothing else. Default: false."""

    database_port: int = Field(5432, ge=1, le=65_535)
    """Port of the database, for the NetworkPolicy. Default: PostgreSQL's."""

    monitoring: manifest_shape.MonitoringShape | None = None
    """A ServiceMonitor for the service, and a PrometheusRule for the runtime's metrics. Default: none."""


Services = Annotated[
    dict[str, ServiceShape | None],
    Field(json_schema_extra={"propertyNames": {"pattern": formats.NAME_PATTERN}}),
]


class EnvironmentShape(_Shape):
    """What can be said about every environment, whatever its target."""

    target: str
    """Where the services' Python runs: `local`, `kubernetes` or `ssh`."""

    database: str = "environment"
    """Which server the databases are on: `embedded`, or `environment` (the URL variables name it)."""

    protected: bool = False
    """True: commands that destroy data refuse unless they are told twice. Default false."""

    scratch: Scratch | None = None
    """`scratch` of every service here that does not say its own."""

    time_limit: Seconds | None = None
    """`time_limit` of every service here that does not say its own, in seconds. Default: what `defaults` says."""

    python: str | None = None
    """Interpreter of every service here that does not say its own; `{name}` may stand in it."""

    services: Services = {}
    """What differs for single services in this environment: name to settings."""


class LocalEnvironment(EnvironmentShape):
    """Services run on this machine, as processes."""

    target: Literal["local"]
    """Where the services' Python runs: on this machine."""

    database: Literal["embedded", "environment"] = "environment"
    """`embedded`: the PostgreSQL that stillroom starts itself. `environment`: the URL variables name real servers.
    Default: `environment`, so that nothing is started unasked."""


class KubernetesEnvironment(EnvironmentShape):
    """Services run in pods, reached by kubectl."""

    target: Literal["kubernetes"]
    """Where the services' Python runs: in their pods."""

    database: Literal["environment"] = "environment"
    """Pods have their own URL variables, so only `environment` is possible."""

    namespace: str | None = None
    """Namespace of every service here that does not say its own. Default: what `defaults` says."""

    via: Via | None = None
    """`via` of every service here that does not say its own."""

    context: str | None = None
    """kubectl context. Default: kubectl's current one."""

    kubeconfig: str | None = None
    """Path of the kubeconfig, relative to this file; `~` is one's home. Default: where kubectl looks."""

    image: str | None = None
    """`image` of every service here that does not say its own. Default: what `defaults` says."""

    profile: Literal["plain", "helm", "argocd", "kustomize"] = "plain"
    """What the manifests are made for: `plain` (applied in order), `helm`, `argocd`, `kustomize`. Default: `plain`."""

    operator: manifest_shape.OperatorShape | None = None
    """Who runs these commands here: a Role with what they need, and its RoleBinding, are rendered. Default: nobody."""


class SshEnvironment(EnvironmentShape):
    """Services run on a host, reached by SSH."""

    target: Literal["ssh"]
    """Where the services' Python runs: on a host that SSH reaches."""

    database: Literal["environment"] = "environment"
    """Hosts have their own URL variables, so only `environment` is possible."""

    host: str
    """Name or address of the host; an alias of ~/.ssh/config serves too."""

    user: str | None = None
    """User on the host. Default: what the SSH configuration says."""

    port: int | None = Field(None, ge=1, le=65_535)
    """Port on the host. Default: what the SSH configuration says."""


class FileShape(_Shape):
    """The registry of a fleet: its services, where they run, and what they have in common."""

    default_environment: str | None = None
    """Environment that is meant when none is given. Default: `development`, or the only one there is."""

    defaults: ServiceShape | None = None
    """What holds for every service that does not say otherwise."""

    environments: (
        dict[
            str,
            Annotated[LocalEnvironment | KubernetesEnvironment | SshEnvironment, Field(discriminator="target")],
        ]
        | None
    ) = None
    """Name to environment. Default: `development`, on this machine, on the embedded database."""

    services: Services
    """Name to settings; a service that has nothing of its own to say is one line: `auth:`."""
