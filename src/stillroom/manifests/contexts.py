"""What templates are told: plain data, every decision made, so that a template only lays it out.

Mappings whose keys come from the registry are lists of `{key, value}`. None stands for what is left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from stillroom.manifests import naming, profiles, settings
from stillroom.manifests.objects import CONFIG, JOBS, RBAC, REST
from stillroom.manifests.permissions import PERMISSIONS
from stillroom.registry import model
from stillroom.runtime.migrating import exits

__all__ = ["DEVELOPMENT", "Contexts", "pairs"]

DEVELOPMENT = ("development", "dev", "local", "test")
"""Environments in which a service may migrate at its start: `runtime.service.mode.FREE_ENVIRONMENTS`."""

_FOLDER = "/opt/stillroom"
_ARCHIVE = "runtime.zip"
_MIGRATION_URL = "MIGRATION_DATABASE_URL"
_WRONG_USE = 2  # of `wait` and `verify`
_TEMPLATE_SETS = ("HOME", "PYTHONDONTWRITEBYTECODE", "STILLROOM_ACTOR")


def pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    """A mapping as templates are told it, in its order."""
    return [{"key": key, "value": value} for key, value in values.items()]


@dataclasses.dataclass(frozen=True)
class Contexts:
    """What the templates of one environment are told.

    Attributes:
        environment: its name.
        profile: what for.
        runtime: (name of the ConfigMap, its content) of the carried runtime; None where no image needs it.
        tag: instead of the images' own.
        depths: service -> how many come before it by `after:`.
    """

    environment: model.Environment
    profile: str
    runtime: tuple[str, str] | None
    tag: str | None
    depths: Mapping[str, int]

    # Shared, one a namespace

    def config(self, name: str, namespace: str | None) -> dict[str, Any]:
        """`configmap.yaml`: the common environment."""
        return {
            **self._metadata(name, namespace, CONFIG),
            "environment": self.environment.name,
            "development": self.environment.name.lower() in DEVELOPMENT,
        }

    def carried(self, namespace: str | None) -> dict[str, Any]:
        """`runtime.yaml`: the runtime, for images that do not contain it."""
        name, content = self.runtime or ("", "")
        return {
            **self._metadata(name, namespace, CONFIG, large=True),
            "archive": _ARCHIVE,
            "content": content,
        }

    def operator(self, namespace: str | None) -> dict[str, Any]:
        """`operator-role.yaml` and `operator-role-binding.yaml`: who runs these commands, and what they may do."""
        said = self.environment.operator or {}
        kinds = (("User", "users"), ("Group", "groups"), ("ServiceAccount", "service_accounts"))
        subjects = [
            {"kind": kind, "name": name, "is_account": kind == "ServiceAccount"}
            for kind, key in kinds
            for name in said.get(key, ())
        ]
        return {
            **self._metadata("stillroom-operator", namespace, RBAC, needed=False),
            "rules": [
                {"group": each.group, "resource": each.resource, "verbs": list(each.verbs), "why": each.why}
                for each in PERMISSIONS
            ],
            "subjects": subjects,
        }

    def rule(self, namespace: str | None) -> dict[str, Any]:
        """`prometheus-rule.yaml`: alerts on the runtime's metrics."""
        return self._metadata("stillroom", namespace, REST)

    # Of a service

    def account(self, service: model.Service) -> dict[str, Any]:
        """`service-account.yaml`: the Job's own, which may do nothing."""
        found = self._metadata(self.account_name(service), service.namespace, RBAC, service)
        found["annotations"] += pairs(service.service_account_annotations)
        return found

    def policy(self, service: model.Service) -> dict[str, Any]:
        """`network-policy.yaml`: what the Job's pod may reach."""
        return {
            **self._metadata(f"{service.name}-migration", service.namespace, RBAC, service),
            "selector": pairs({"app.kubernetes.io/name": service.name, naming.COMPONENT: naming.MIGRATION}),
            "database_port": service.database_port,
        }

    def monitor(self, service: model.Service) -> dict[str, Any]:
        """`service-monitor.yaml`."""
        from stillroom.registry import manifest_shape

        said = settings.said(manifest_shape.MonitoringShape, service.monitoring)
        match = {key: value.replace("{name}", service.name) for key, value in said["match"].items()}  # the default's
        return {
            **self._metadata(service.name, service.namespace, REST, service),
            "match": pairs(match),
            "port": said["port"],
            "interval": f"{said['interval']}s",
        }

    def job(self, service: model.Service, limits: settings.JobSettings, content: str, config: str) -> dict[str, Any]:
        """`migration-job.yaml`.

        Args:
            service: whose.
            limits: of it.
            content: the hash in its name.
            config: the hash of the ConfigMap that it reads.
        """
        own = naming.labels(self.environment.name, service, naming.MIGRATION)
        extra = {key: value for key, value in service.labels.items() if key not in own}
        secret = settings.secret(service)
        found = self._metadata(naming.job(service.name, content), service.namespace, JOBS, service)
        found["labels"] += pairs({naming.CODE_LABEL: content, **extra})
        found["annotations"] += pairs(service.annotations)
        return {
            **found,
            "pod_labels": pairs({**own, **extra}),
            "pod_annotations": pairs({"stillroom.dev/config": config, **service.annotations}),
            "backoff_limit": limits.backoff_limit,
            "deadline": limits.deadline,
            "ttl": limits.ttl,
            "grace": settings.GRACE,
            "exit_codes": {
                "fail": [exits.WRONG, exits.REFUSED],
                "fail_waiting": [_WRONG_USE],
                "ended": [exits.TERMINATED],
                "again": [exits.TRY_AGAIN],
            },
            "account": self.account_name(service),
            "user": limits.user,
            "image": self.image(service),
            "image_pull_secrets": list(service.image_pull_secrets),
            "working_dir": service.remote_path,
            "config_map": service.config_map,
            "resources": settings.resources(service),
            "runtime": self._mounted(service),
            "sidecars": [_sidecar(service, each, limits.user) for each in service.sidecars],
            "wait": self._command(service, "wait", "--timeout", limits.wait),
            "migrate": self._command(service, "migrate", *_only_migrating(service)),
            "env": _once(
                {"name": _MIGRATION_URL, "secret": secret["migration_name"], "key": secret["migration_key"]},
                *self._variables(service),
                *_plain(_of_roles(service)),
                *_plain(limits.variables),
                *_plain({"STILLROOM_LAST_ATTEMPT": "true"} if limits.backoff_limit == 0 else {}),
                *_plain({"STILLROOM_IMAGE": self.image(service)}),
                *_plain(service.env),
            ),
        }

    def patch(self, service: model.Service, start: settings.StartupSettings, user: int) -> dict[str, Any]:
        """`deployment-patch.yaml`: the service's start verifies."""
        secret = settings.secret(service)
        return {
            **self._metadata(service.workload, service.namespace, REST),
            "container": service.container or service.name,
            "image": self.image(service),
            "working_dir": service.remote_path,
            "config_map": service.config_map,
            "further_config_maps": list(start.config_maps),
            "further_secrets": list(start.secrets),
            "resources": settings.resources(service),
            "user": user,
            "runtime": self._mounted(service),
            "verify": self._command(service, "verify", "--wait", start.wait),
            "env": [
                {"name": service.url_variable, "secret": secret["name"], "key": secret["key"]},
                *self._variables(service),
            ],
            "probe": {
                "path": start.path,
                "port": service.port,
                "period": start.period,
                "failures": start.failures,
                "wait": start.wait,
            },
        }

    def account_name(self, service: model.Service) -> str:
        """The service account of a Job."""
        return service.service_account or f"{service.name}-migration"

    def image(self, service: model.Service) -> str:
        """The image of a service, with the tag that is asked for."""
        image = service.image or ""
        if self.tag is None:
            return image
        repository = image.partition("@")[0]
        head, slash, last = repository.rpartition("/")
        return f"{head}{slash}{last.partition(':')[0]}:{self.tag}"

    def _metadata(
        self,
        name: str,
        namespace: str | None,
        wave: int,
        service: model.Service | None = None,
        *,
        large: bool = False,
        needed: bool = True,
    ) -> dict[str, Any]:
        """What every object has; `needed`: by the Jobs, so that it has to come before them."""
        component = naming.MIGRATION if wave in (JOBS, RBAC) and service is not None else ""
        depth = self.depths.get(service.name, 0) if service is not None and wave == JOBS else 0
        marks = profiles.marks(self.profile, wave if needed else REST, depth, large=large)
        return {
            "where": service.name if service is not None else name,
            "name": name,
            "namespace": namespace,
            "labels": pairs(naming.labels(self.environment.name, service, component)),
            "annotations": pairs(marks),
        }

    def _mounted(self, service: model.Service) -> dict[str, str] | None:
        if not service.carry_runtime or self.runtime is None:
            return None
        return {"config_map": self.runtime[0], "folder": _FOLDER}

    def _command(self, service: model.Service, name: str, *options: str) -> list[str]:
        python = service.python or "python"
        program = [f"{_FOLDER}/{_ARCHIVE}"] if self._mounted(service) else ["-m", "stillroom.runtime"]
        return [python, *program, name, *_place(service), *options]

    def _variables(self, service: model.Service) -> list[dict[str, str]]:
        """What tells the runtime whose database it is about."""
        said = {"STILLROOM_SERVICE": service.name, "STILLROOM_URL_VARIABLE": service.url_variable}
        if service.schemas:
            said["STILLROOM_SCHEMAS"] = ",".join(service.schemas)
        if service.version_table:
            said["STILLROOM_VERSION_TABLE"] = service.version_table
        if service.version_table_schema:
            said["STILLROOM_VERSION_TABLE_SCHEMA"] = service.version_table_schema
        return _plain(said)


def _place(service: model.Service) -> list[str]:
    """Options that name the project, where it is not simply `alembic.ini`."""
    found: list[str] = []
    if service.config is not None and service.config.is_relative_to(service.path):
        config = service.config.relative_to(service.path).as_posix()
        found += [] if config == "alembic.ini" else ["--config", config]
    if service.ini_section != "alembic":
        found += ["--section", service.ini_section]
    return found


def _only_migrating(service: model.Service) -> list[str]:
    found = ["--heads", str(service.heads)] if service.heads != 1 else []
    return [*found, "--models", service.models[0]] if len(service.models) == 1 else found


def _of_roles(service: model.Service) -> dict[str, str]:
    found = {"STILLROOM_SERVICE_ROLE": service.service_role} if service.service_role else {}
    return {**found, "STILLROOM_GRANTS": ",".join(service.grants)} if service.grants else found


def _plain(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": values[name]} for name in values]


def _once(*entries: dict[str, str]) -> list[dict[str, str]]:
    """Each variable once; what stands first holds, so that no `env` of the registry takes the place of ours."""
    found: dict[str, dict[str, str]] = {}
    for each in entries:
        if each["name"] not in _TEMPLATE_SETS:
            found.setdefault(each["name"], each)
    return list(found.values())


def _sidecar(service: model.Service, said: Mapping[str, Any], user: int) -> dict[str, Any]:
    return {
        "name": said["name"],
        "image": said["image"],
        "command": list(said.get("command", ())),
        "args": list(said.get("args", ())),
        "env": _plain(said.get("env", {})),
        "port": said.get("port"),
        "resources": settings.resources(service, said.get("resources")),
        "user": user,
    }
