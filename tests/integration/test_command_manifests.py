"""`invoke render-manifests` as people run it; what it writes, kubectl's own kustomize reads; the carried runtime runs."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import manifest_fleets
from tests.support.program import Program

_ROOT = Path(__file__).parents[2]
_TASKS = "from stillroom.tasks import namespace\n"


def _program(folder: Path, text: str = manifest_fleets.RICH) -> Program:
    (folder / "tasks.py").write_text(_TASKS)
    (folder / "services.yaml").write_text(text)
    return Program(folder)


@pytest.fixture
def kubectl() -> str:
    """kubectl, which has to be there."""
    found = shutil.which("kubectl")
    assert found, "no kubectl on PATH: install 1.30 or newer"
    return found


def test_it_writes_compares_and_writes_again(tmp_path: Path) -> None:
    """`--check` exits with 1 and a diff until what is on disk is what is rendered."""
    shop = _program(tmp_path)
    before = shop.run("render-manifests", "--check")
    assert before.code == 1, before.told
    assert "+++ b/auth/migration-job.yaml" in before.stdout
    assert not (tmp_path / "build").exists()
    written = shop.run("render-manifests")
    assert written.code == 0, written.told
    assert (
        "✓ build/manifests/production: 2 services, 13 objects, held against the schemas of Kubernetes" in written.stdout
    )
    assert shop.run("render-manifests", "--check").code == 0
    job = tmp_path / "build/manifests/production/auth/migration-job.yaml"
    job.write_text(job.read_text().replace("backoffLimit: 0", "backoffLimit: 9"))
    checked = shop.run("render-manifests", "--check")
    assert checked.code == 1
    assert "-  backoffLimit: 9\n" in checked.stdout
    assert "had been edited" in checked.stderr
    told = shop.run("render-manifests", "--json").json
    changes = {each["path"]: each["change"] for each in told["files"]}
    assert changes["auth/migration-job.yaml"] == "changed"
    assert set(changes.values()) == {"changed", "unchanged"}
    assert {each["kind"] for each in told["objects"]} >= {"Job", "ConfigMap", "Deployment", "Role"}


def test_one_service_at_a_time_gives_what_all_at_once_give(tmp_path: Path) -> None:
    """kustomization.yaml names the others as well, once they were rendered."""
    shop = _program(tmp_path)
    assert shop.run("render-manifests", "--output", "all").code == 0
    for name in ("tenant", "auth"):
        ran = shop.run("render-manifests", "--output", "one", "--service", name)
        assert ran.code == 0, ran.told

    def listed(folder: str) -> list[str]:
        return sorted(yaml.safe_load((tmp_path / folder / "kustomization.yaml").read_text())["resources"])

    assert listed("one") == listed("all")
    for file in (tmp_path / "all").rglob("*.yaml"):
        if file.name != "kustomization.yaml":
            assert (tmp_path / "one" / file.relative_to(tmp_path / "all")).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("profile", ["plain", "argocd", "kustomize"])
def test_kustomize_reads_what_is_written(profile: str, kubectl: str, tmp_path: Path) -> None:
    """In order; as a component, its patches meet the team's Deployments."""
    ran = _program(tmp_path).run("render-manifests", "--profile", profile, "--output", "out")
    assert ran.code == 0, ran.told
    place = tmp_path / "out"
    if profile == "kustomize":
        place = tmp_path / "team"
        place.mkdir()
        (place / "kustomization.yaml").write_text("resources: [deployment.yaml]\ncomponents: [../out]\n")
        (place / "deployment.yaml").write_text(json.dumps(_deployment("auth")))
    output = subprocess.run([kubectl, "kustomize", str(place)], capture_output=True, check=True, text=True).stdout
    objects = list(yaml.safe_load_all(output))
    kinds = [each["kind"] for each in objects]
    assert kinds.count("Job") == 2
    if profile != "kustomize":
        assert kinds.index("ConfigMap") < kinds.index("ServiceAccount") < kinds.index("Job") < len(kinds) - 1
        return
    (deployment,) = (each for each in objects if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert {each["name"] for each in pod["initContainers"]} == {"verify-database"}
    assert pod["containers"][0]["image"] == "the-teams-own"
    assert pod["containers"][0]["startupProbe"]["failureThreshold"] == 37


def _deployment(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": name, "image": "the-teams-own"}]},
            },
        },
    }


def test_the_fleet_of_this_repository_has_manifests(tmp_path: Path) -> None:
    """The fourteen services of the example, in each environment on Kubernetes, with little said."""
    shop = Program(_ROOT)
    for environment in ("staging", "production"):
        ran = shop.run("render-manifests", "--environment", environment, "--output", str(tmp_path / environment))
        assert ran.code == 0, ran.told
        assert len(list((tmp_path / environment).glob("*/migration-job.yaml"))) == 14
        config = yaml.safe_load((tmp_path / environment / "configmap.yaml").read_text())
        assert config["metadata"]["name"] == "bakery-config"
        assert config["data"]["ENVIRONMENT"] == environment


def test_what_is_wrong_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    """Exit code 2, each mistake with its mend; `--json` has them as data."""
    shop = _program(tmp_path, manifest_fleets.plain(1, job="{deadline: 1min}"))
    ran = shop.run("render-manifests")
    assert ran.code == 2
    assert "[deadline-too-short]" in ran.stderr
    assert not (tmp_path / "build").exists()
    told = shop.run("render-manifests", "--json").json
    assert told["error"]["code"] == "manifests-wrong"
    assert [each["code"] for each in told["error"]["data"]["problems"]] == ["deadline-too-short"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--profile", "flux"), "there is no such profile"),
        (("--tag", "a b"), "no tag of an image"),
        (("--kubernetes-version", "1.2"), "no schemas of that release"),
        (("--check", "--diff-cluster"), "one after the other"),
    ],
)
def test_wrong_use_is_told(arguments: tuple[str, ...], told: str, tmp_path: Path) -> None:
    """With what would be right."""
    ran = _program(tmp_path, manifest_fleets.plain(1)).run("render-manifests", *arguments)
    assert ran.code == 2
    assert told in ran.stderr


def test_the_carried_runtime_is_a_program(tmp_path: Path) -> None:
    """`python runtime.zip COMMAND`, without stillroom, in a folder whose modules would shadow the standard library's."""
    ran = _program(tmp_path, manifest_fleets.plain(1, carry_runtime="true")).run("render-manifests", "--output", "out")
    assert ran.code == 0, ran.told
    carried = yaml.safe_load((tmp_path / "out" / "runtime.yaml").read_text())
    archive = tmp_path / "runtime.zip"
    archive.write_bytes(base64.b64decode(carried["binaryData"]["runtime.zip"]))
    service = tmp_path / "service"
    service.mkdir()
    (service / "json.py").write_text("raise SystemExit('shadowed')\n")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    url = "postgresql://me@127.0.0.1:1/nowhere"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(archive), *arguments],
            cwd=service,
            env={**environment, "MIGRATION_DATABASE_URL": url, "STILLROOM_SERVICE": "shop"},
            capture_output=True,
            text=True,
        )

    helped = run("--help")
    assert (helped.returncode, "migrate" in helped.stdout) == (0, True), helped.stderr
    waited = run("wait", "--timeout", "100ms")
    assert waited.returncode == 15, waited.stderr
    assert "DB not ready" in waited.stderr
    migrated = run("migrate")
    assert migrated.returncode == 22, migrated.stderr
    assert "no Alembic configuration" in migrated.stdout
