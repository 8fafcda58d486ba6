"""What a cluster makes of rendered manifests: tried by a dry run, compared, applied for real (all by kubectl)."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support import manifest_fleets
from tests.support.cluster import Cluster
from tests.support.cluster.fixtures import Kubectl
from tests.support.program import Program


@pytest.fixture
def shop(tmp_path: Path, cluster: Cluster) -> Program:
    """A fleet of two services, whose environment `production` is the cluster."""
    text = manifest_fleets.plain(0, namespace="default", network_policy="true")
    text = text.replace(
        "{target: kubernetes}",
        f"{{target: kubernetes, kubeconfig: '{cluster.kubeconfig}', operator: {{groups: [dba]}}}}",
    )
    (tmp_path / "services.yaml").write_text(text + "  auth: {carry_runtime: true}\n  tenant: {after: [auth]}\n")
    (tmp_path / "tasks.py").write_text("from stillroom.tasks import namespace\n")
    return Program(tmp_path)


def test_the_cluster_takes_them_and_nothing_is_changed(shop: Program, cluster: Cluster) -> None:
    """Every object goes through the server's own validation; what the patches are for is not there yet, and told."""
    ran = shop.run("render-manifests", "--server-dry-run")
    assert ran.code == 0, ran.told
    assert "objects tried, the cluster takes them" in ran.stdout
    assert "Deployment auth is not in the cluster yet" in ran.stderr
    assert cluster.all("Job", "default") == []
    assert cluster.all("NetworkPolicy", "default") == []


def test_what_applying_would_change_is_shown(shop: Program, cluster: Cluster, kubectl: Kubectl, tmp_path: Path) -> None:
    """All of it at first; nothing once it was applied; then what somebody changed."""
    before = shop.run("render-manifests", "--diff-cluster")
    assert before.code == 1, before.told
    assert "+  DB_FORCE_RECREATE: 'false'" in before.stdout
    assert shop.run("render-manifests").code == 0
    folder = tmp_path / "build" / "manifests" / "production"
    for name in yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]:
        kubectl.ok("apply", "--server-side", "--field-manager=stillroom", "-f", str(folder / name))
    after = shop.run("render-manifests", "--diff-cluster")
    assert after.code == 0, after.told
    assert "nothing differs" in after.stdout
    text = (folder / "configmap.yaml").read_text().replace('"false"', '"true"')
    kubectl.ok("apply", "--server-side", "--field-manager=hand", "--force-conflicts", "-f", "-", stdin=text.encode())
    changed = shop.run("render-manifests", "--diff-cluster")
    assert changed.code == 1, changed.told
    assert "-  DB_FORCE_RECREATE: 'true'" in changed.stdout
    assert "+  DB_FORCE_RECREATE: 'false'" in changed.stdout
    tried = shop.run("render-manifests", "--server-dry-run")  # somebody else's field now, and nobody is overruled
    assert tried.code == 1, tried.told
    assert "conflict" in tried.stderr


def test_a_patch_is_tried_where_its_deployment_is(shop: Program, cluster: Cluster, tmp_path: Path) -> None:
    """It adds to what is there: the init container, and the probe."""
    code = tmp_path / "code"
    code.mkdir()
    cluster.deploy("auth", folder=code, env={}, container="auth")
    ran = shop.run("render-manifests", "--diff-cluster")
    assert ran.code == 1, ran.told
    assert "Deployment auth" not in ran.stderr
    assert "Deployment tenant is not in the cluster yet" in ran.stderr
    assert "name: verify-database" in ran.stdout
    assert "+        startupProbe:" in ran.stdout
    tried = shop.run("render-manifests", "--server-dry-run", "--service", "auth")
    assert tried.code == 0, tried.told
    assert "not in the cluster yet" not in tried.stderr


def test_a_cluster_that_is_not_there_is_told(shop: Program, cluster: Cluster) -> None:
    """With its mend, and the exit code of a failure."""
    cluster.faults.answer(503, times=1000)
    ran = shop.run("render-manifests", "--server-dry-run")
    assert ran.code == 1, ran.told
    assert "→" in ran.stderr
