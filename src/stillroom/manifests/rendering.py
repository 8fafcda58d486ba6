"""The rendering of one environment: contexts into templates, texts into objects, and all of it checked.

Nothing is read but templates, schemas and the runtime's own files; nothing is written.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stillroom import errors
from stillroom.manifests import checking, naming, places, profiles, schemas, settings
from stillroom.manifests.contexts import Contexts
from stillroom.manifests.engine import Engine
from stillroom.manifests.meaning import Meaning
from stillroom.manifests.objects import CONFIG, JOBS, RBAC, REST, Object, Options, Rendered
from stillroom.manifests.problems import Problem, raise_if_any
from stillroom.registry import model, order
from stillroom.targets import carrier

__all__ = ["render"]


def render(
    fleet: model.Fleet,
    environment: model.Environment,
    services: Sequence[model.Service],
    options: Options | None = None,
) -> Rendered:
    """The manifests of some services in an environment: the same input gives the same bytes.

    Args:
        fleet: the registry.
        environment: of the services; its target is `kubernetes`.
        services: which.
        options: how.

    Raises:
        errors.UsageError: the environment has another target.
        ManifestsWrong: with everything that is wrong.
    """
    if environment.target != "kubernetes":
        raise errors.UsageError(
            f"environment {environment.name} has target {environment.target}, and manifests are for kubernetes",
            "name a kubernetes environment with --environment; services.yaml lists them",
        )
    chosen = options or Options()
    everyone = fleet.services_in(environment)
    if chosen.namespace is not None:
        services = [dataclasses.replace(each, namespace=chosen.namespace) for each in services]
        everyone = tuple(dataclasses.replace(each, namespace=chosen.namespace) for each in everyone)
    return _Rendering(fleet, environment, tuple(services), everyone, chosen).rendered()


class _Rendering:
    """One rendering.

    Args:
        fleet, environment, options: as given.
        services: those that are rendered.
        everyone: all of the environment: what is shared is laid out for all.
    """

    def __init__(
        self,
        fleet: model.Fleet,
        environment: model.Environment,
        services: tuple[model.Service, ...],
        everyone: tuple[model.Service, ...],
        options: Options,
    ) -> None:
        self._environment = environment
        self._services = services
        self._options = options
        self._profile = options.profile or environment.profile
        self._places = places.Places(self._profile, everyone)
        self._engine = Engine(options.templates or fleet.root / "templates")
        self._meaning = Meaning(self._engine)
        self._schemas = schemas.choose(options.kubernetes, needed=options.needs_schemas)
        self._problems: list[Problem] = []
        self._notes: list[str] = []
        self._files: dict[str, tuple[int, str]] = {}
        self._objects: list[Object] = []
        self._configs: dict[tuple[str | None, str], str] = {}
        self._carried = carrier.program() if any(each.carry_runtime for each in services) else None
        self._contexts = Contexts(environment, self._profile, self._runtime(), options.tag, _depths(everyone))

    def rendered(self) -> Rendered:
        """All of it.

        Raises:
            ManifestsWrong: something is wrong.
        """
        self._problems += checking.before(self._services, self._profile, self._carried)
        self._shared()
        for each in self._services:
            self._of(each)
        objects = sorted(self._objects, key=lambda each: (each.wave, each.depth))
        self._problems += checking.objects(objects, self._services, self._profile)
        raise_if_any(self._problems)
        self._notes += checking.notes(self._services, self._contexts)
        files = {path: text for path, (_, text) in sorted(self._files.items(), key=lambda each: each[1][0])}
        files.update(self._beside(objects))
        return Rendered(
            files={path: self._finished(path, text) for path, text in files.items()},
            objects=tuple(objects),
            notes=tuple(self._notes),
            profile=self._profile,
            kubernetes=None if self._schemas is None else self._schemas.version,
        )

    def _runtime(self) -> tuple[str, str] | None:
        if self._carried is None:
            return None
        name = f"stillroom-runtime-{naming.short_hash(self._carried)}"
        return name, base64.b64encode(self._carried).decode()

    def _shared(self) -> None:
        """What several services have in common: in each of their namespaces."""
        for namespace in places.namespaces(self._services):
            here = [each for each in self._services if each.namespace == namespace]
            for name in sorted({each.config_map for each in here}):
                made = self._add("configmap.yaml", self._contexts.config(name, namespace), CONFIG, namespace, name)
                self._configs[namespace, name] = naming.short_hash(naming.canonical_data(made))
            if any(each.carry_runtime for each in here):
                self._add("runtime.yaml", self._contexts.carried(namespace), CONFIG, namespace)
            if self._environment.operator is not None:
                context = self._contexts.operator(namespace)
                self._add("operator-role.yaml", context, RBAC, namespace)
                self._add("operator-role-binding.yaml", context, RBAC, namespace)
            if any(each.monitoring is not None for each in here):
                self._add("prometheus-rule.yaml", self._contexts.rule(namespace), REST, namespace)

    def _of(self, service: model.Service) -> None:
        """What one service has to itself."""
        limits, wrong = settings.job(service)
        start, too = settings.startup(service)
        self._problems += [*wrong, *too]
        before = len(self._objects)
        if service.service_account is None:
            self._add("service-account.yaml", self._contexts.account(service), RBAC, service)
        if service.network_policy:
            self._add("network-policy.yaml", self._contexts.policy(service), RBAC, service)
        self._job(service, limits)
        self._add("deployment-patch.yaml", self._contexts.patch(service, start, limits.user), REST, service)
        if service.monitoring is not None:
            self._add("service-monitor.yaml", self._contexts.monitor(service), REST, service)
        if not wrong and not too:
            for each in self._objects[before:]:
                self._problems += checking.times(each, limits.budget, start.seconds)

    def _job(self, service: model.Service, limits: settings.JobSettings) -> None:
        """The Job, named after what it would be with any name."""
        template = "migration-job.yaml"
        config = self._configs[service.namespace, service.config_map]
        meant, _ = self._meaning.documents(template, self._contexts.job(service, limits, "0" * 8, config))
        jobs = [each for each in meant if isinstance(each, dict) and each.get("kind") == "Job"]
        content = naming.content_hash(jobs[0]) if jobs else "0" * 8
        self._add(template, self._contexts.job(service, limits, content, config), JOBS, service)

    def _add(
        self, template: str, context: Mapping[str, Any], wave: int, whose: model.Service | str | None, name: str = ""
    ) -> list[dict[str, Any]]:
        """Renders a file; gives its documents."""
        service = whose if isinstance(whose, model.Service) else None
        path = (
            self._places.of(service, template)
            if service is not None
            else self._places.shared(template, whose if isinstance(whose, str) else None, name)
        )
        meant, neutral = self._meaning.documents(template, context)
        text, found = self._meaning.text(template, context, meant)
        self._files[path] = (wave, text)
        patch = template == "deployment-patch.yaml"
        self._problems += checking.shape(found, template, context["where"])
        good = [each for each in found if checking.is_object(each)]
        if self._schemas is not None:
            same = neutral if len(neutral) == len(found) else found
            self._problems += self._schemas.problems(same, found, template, context["where"], patch=patch)
        for body in good:
            self._objects.append(_object(body, service, wave, path, self._contexts.depths, patch=patch))
        return good

    def _beside(self, objects: Sequence[Object]) -> Iterator[tuple[str, str]]:
        """The files that hold no object: kustomization.yaml, or the chart."""
        if self._profile == "helm":
            context: dict[str, Any] = {
                "where": "chart",
                "name": f"stillroom-{self._environment.name.lower()}",
                "version": "0.1.0",
            }
            yield "Chart.yaml", self._text("chart.yaml", context)
            return
        resources, patches = self._places.listed(objects, self._options.beside)
        context = {
            "where": "kustomization",
            "component": self._profile == "kustomize",
            "resources": resources,
            "patches": patches,
        }
        yield "kustomization.yaml", self._text("kustomization.yaml", context)

    def _text(self, template: str, context: Mapping[str, Any]) -> str:
        meant, _ = self._meaning.documents(template, context)
        return self._meaning.text(template, context, meant)[0]

    def _finished(self, path: str, text: str) -> str:
        """What is written: in a chart, braces of ours are none of Helm's."""
        return profiles.escaped(text) if self._profile == "helm" and path.startswith("templates/") else text


def _object(
    body: dict[str, Any],
    service: model.Service | None,
    wave: int,
    path: str,
    depths: Mapping[str, int],
    *,
    patch: bool,
) -> Object:
    metadata = body["metadata"]
    return Object(
        service=service.name if service is not None else None,
        kind=body["kind"],
        name=metadata["name"],
        namespace=metadata.get("namespace"),
        body=body,
        wave=wave,
        path=path,
        patch=patch,
        depth=depths.get(service.name, 0) if service is not None and wave == JOBS else 0,
    )


def _depths(services: Sequence[model.Service]) -> dict[str, int]:
    """Service -> in which group of `after:` it comes."""
    return {each.name: depth for depth, group in enumerate(order.batches(services)) for each in group}
