"""The example fleet on a cluster: manifests, Dockerfile and skaffold.yaml, held against the registry and the schemas.

No container engine builds any of it here; what can be known without one is known here.
"""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import tomllib
import yaml

from stillroom.manifests import restricted
from stillroom.registry import load, model

_ROOT = Path(__file__).parents[2]
_BAKERY = _ROOT / "examples" / "bakery"
_CLUSTER = _BAKERY / "cluster"
_SERVICES = load.load(_ROOT / "services.yaml").services_in("staging")
_FILES = ("namespace.yaml", "postgres.yaml", "services.yaml")
_DOCKERFILE = (_BAKERY / "Dockerfile").read_text("utf-8")


def _objects(*names: str) -> list[dict[str, Any]]:
    return [each for name in names for each in yaml.safe_load_all((_CLUSTER / name).read_text("utf-8"))]


def _made(kind: str) -> dict[str, dict[str, Any]]:
    """The objects of a kind, by their names."""
    return {each["metadata"]["name"]: each for each in _objects(*_FILES) if each["kind"] == kind}


def _secrets() -> dict[str, dict[str, str]]:
    """What make_secrets.py prints: name to data."""
    printed = subprocess.run([sys.executable, _CLUSTER / "make_secrets.py"], capture_output=True, check=True).stdout
    items = json.loads(printed)["items"]
    assert {each["kind"] for each in items} == {"Secret"}
    return {each["metadata"]["name"]: each["stringData"] for each in items}


@pytest.mark.parametrize("release", ["1.30", "1.32", kubernetes_validate.latest_version()])
def test_all_manifests_are_those_of_kubernetes(release: str) -> None:
    """No unknown field, in old releases and in the newest. (Of the services one is enough: they are of one template.)"""
    one = [each for each in _objects("services.yaml") if each["metadata"]["name"] == "auth-service"]
    assert len(one) == 2
    for each in [*_objects("namespace.yaml", "postgres.yaml"), *one]:
        kubernetes_validate.validate(each, release, strict=True)


def test_the_written_files_are_what_the_template_says() -> None:
    """services.yaml and skaffold.yaml were written anew after the last change."""
    code = "import write; names = write.services(); print(write.manifests(names), write.skaffold(names), sep='\\0', end='')"
    ran = subprocess.run([sys.executable, "-B", "-c", code], cwd=_CLUSTER, capture_output=True, text=True, check=True)
    manifests, skaffold = ran.stdout.split("\0")
    assert (_CLUSTER / "services.yaml").read_text("utf-8") == manifests
    assert (_BAKERY / "skaffold.yaml").read_text("utf-8") == skaffold


def test_deployments_are_those_of_the_registry() -> None:
    """Workload, container, image, variable and Secret of each service are where Stillroom looks for them."""
    deployments = _made("Deployment")
    assert set(deployments) == {service.workload for service in _SERVICES} | {"postgres"}
    for service in _SERVICES:
        (container,) = deployments[service.workload]["spec"]["template"]["spec"]["containers"]
        assert (container["name"], container["image"]) == (service.container, service.image)
        (variable,) = container["env"]
        assert variable["name"] == service.url_variable
        assert variable["valueFrom"]["secretKeyRef"] == {"name": f"{service.name}-database", "key": "url"}
        assert [port["containerPort"] for port in container["ports"]] == [service.port]


@pytest.mark.parametrize("name", sorted(_made("Deployment")))
def test_every_pod_is_restricted(name: str) -> None:
    """Else the namespace would refuse it; a root file system that is read-only is asked for as well."""
    deployment = _made("Deployment")[name]
    spec = deployment["spec"]["template"]["spec"]
    assert restricted.violations(spec) == []
    assert all(each["securityContext"]["readOnlyRootFilesystem"] for each in spec["containers"])
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_a_service_finds_the_pods_of_its_deployment_alone() -> None:
    """Not those of its migration Job, which have the same name in their labels."""
    services = _made("Service")
    for name, deployment in _made("Deployment").items():
        selector = services[name]["spec"]["selector"]
        assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    for service in _SERVICES:
        job = {"app.kubernetes.io/name": service.name, "app.kubernetes.io/component": "migration"}
        assert not services[service.workload]["spec"]["selector"].items() <= job.items()


def test_each_url_leads_to_a_database_that_is_made() -> None:
    """A Secret a service, whose database the PostgreSQL makes; services that share one in the registry share it there."""
    made = set(
        re.findall(r'CREATE DATABASE "([a-z-]+)"', _made("ConfigMap")["postgres-init"]["data"]["10-databases.sql"])
    )
    secrets = _secrets()
    urls = {service.name: secrets.pop(f"{service.name}-database")["url"] for service in _SERVICES}
    password = secrets.pop("postgres")["bakery-password"]
    assert secrets == {}
    prefix = f"postgresql://bakery:{password}@postgres:5432/"
    assert {name: url.removeprefix(prefix) for name, url in urls.items()} == {
        service.name: _database(service) for service in _SERVICES
    }
    assert {_database(service) for service in _SERVICES} == made


def _database(service: model.Service) -> str:
    return service.database or service.name


def test_passwords_are_fresh_and_in_no_file() -> None:
    """Two runs agree in no password."""
    first, second = _secrets(), _secrets()
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first)


def test_the_postgres_needs_nothing_of_the_cluster() -> None:
    """No storage class, no load balancer."""
    assert {each["kind"] for each in _objects(*_FILES)} == {"Namespace", "ConfigMap", "Service", "Deployment"}
    assert all(each["spec"].get("type", "ClusterIP") == "ClusterIP" for each in _made("Service").values())


def test_what_the_dockerfile_copies_is_there_and_is_let_in() -> None:
    """Every source of a COPY exists for every service, and the .dockerignore does not keep it out."""
    sources = [word for line in _copies() for word in line.split()[1:-1]]
    assert sources
    for service in _SERVICES:
        for source in sources:
            path = source.replace("${SERVICE}", service.name)
            assert (_ROOT / path).exists(), path
            assert _let_in(path.rstrip("/")), path
    assert _let_in("examples/bakery/auth/migrations/versions/0123456789ab_initial_schema.py")
    assert not _let_in(".stillroom/postgres/data")
    assert not _let_in("services.yaml")
    assert not _let_in("examples/bakery/auth/app/__pycache__")


def _copies() -> list[str]:
    return [line for line in _DOCKERFILE.splitlines() if line.startswith("COPY ") and "--from" not in line]


def _let_in(path: str) -> bool:
    """What the .dockerignore makes of a path: the last line that matches it, or a folder above it, decides."""
    lines = (_BAKERY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    parts = path.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    decided = True
    for line in lines:
        pattern = line.lstrip("!")
        if not pattern or pattern.startswith("#"):
            continue
        names = [pattern, pattern.removeprefix("**/")] if pattern.startswith("**/") else [pattern]
        if any(fnmatch.fnmatchcase(each, name) and (each.count("/") <= name.count("/") or "**" in pattern)
               for each in above for name in names):  # fmt: skip
            decided = line.startswith("!")
    return decided


def test_the_image_installs_every_package_of_the_project() -> None:
    """Each folder that packages come from is copied before `pip install`."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))
    folders = {place.split("/")[0] for place in project["tool"]["setuptools"]["package-dir"].values()}
    copied = {word.rstrip("/") for line in _copies() for word in line.split()[1:-1]}
    assert folders | {"pyproject.toml", project["project"]["readme"]} <= copied
    assert "'.[examples]'" in _DOCKERFILE
    assert "examples" in project["project"]["optional-dependencies"]


def test_the_image_runs_as_the_user_of_its_pods() -> None:
    """A number, and no root."""
    (user,) = re.findall(r"^USER (\d+):\d+$", _DOCKERFILE, re.MULTILINE)
    users = {
        each["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
        for name, each in _made("Deployment").items()
        if name != "postgres"
    }
    assert users == {int(user)}
    assert int(user) > 0


def test_skaffold_builds_each_service_once() -> None:
    """With its own build argument, from the root of the repository, under the name and tag that the registry has."""
    skaffold = yaml.safe_load((_BAKERY / "skaffold.yaml").read_text("utf-8"))
    assert skaffold["apiVersion"].startswith("skaffold/v4")
    artifacts = {each["image"]: each for each in skaffold["build"]["artifacts"]}
    assert len(artifacts) == len(skaffold["build"]["artifacts"])
    tag = skaffold["build"]["tagPolicy"]["envTemplate"]["template"]
    assert {f"{image}:{tag}" for image in artifacts} == {service.image for service in _SERVICES}
    for image, each in artifacts.items():
        assert each["docker"]["buildArgs"] == {"SERVICE": image.removeprefix("bakery/")}
        context = (_BAKERY / each["context"]).resolve()
        assert (context / each["docker"]["dockerfile"]).samefile(_BAKERY / "Dockerfile")
    for path in skaffold["manifests"]["kustomize"]["paths"]:
        assert (_BAKERY / path / "kustomization.yaml").is_file()
