"""The Job that is made of a workload's pod template, byte by byte: `kubernetes_jobs/` has what it has to be."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from stillroom.targets.kubernetes import one_off

_GOLDEN = Path(__file__).parent / "kubernetes_jobs"

_WORKLOAD: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "shop", "namespace": "bakery", "labels": {"team": "tills"}},
    "spec": {
        "replicas": 3,
        "template": {
            "metadata": {"labels": {"app": "shop"}, "annotations": {"prometheus.io/scrape": "true"}},
            "spec": {
                "serviceAccountName": "shop",
                "imagePullSecrets": [{"name": "registry"}],
                "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 1000},
                "nodeSelector": {"kubernetes.io/arch": "amd64"},
                "tolerations": [{"key": "spot", "operator": "Exists"}],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 120,
                "topologySpreadConstraints": [{"maxSkew": 1}],
                "initContainers": [
                    {"name": "verify-database", "image": "registry.test/shop:1"},
                    {"name": "cloud-sql-proxy", "image": "proxy:2", "restartPolicy": "Always"},
                ],
                "containers": [
                    {"name": "log-shipper", "image": "shipper:1"},
                    {
                        "name": "app",
                        "image": "registry.test/shop@sha256:" + "1" * 64,
                        "command": ["uvicorn"],
                        "args": ["app.main:app"],
                        "ports": [{"containerPort": 8000}],
                        "env": [
                            {
                                "name": "SHOP_DATABASE_URL",
                                "valueFrom": {"secretKeyRef": {"name": "shop", "key": "url"}},
                            }
                        ],
                        "envFrom": [{"configMapRef": {"name": "shop"}}],
                        "resources": {"limits": {"memory": "512Mi"}},
                        "livenessProbe": {"httpGet": {"path": "/live", "port": 8000}},
                        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8000}},
                        "startupProbe": {"httpGet": {"path": "/start", "port": 8000}},
                        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
                        "securityContext": {"readOnlyRootFilesystem": True},
                        "volumeMounts": [{"name": "tmp", "mountPath": "/scratch"}],
                        "workingDir": "/srv/app",
                    },
                ],
            },
        },
    },
}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain", one_off.Options("python3", "0a1b2c3d")),
        ("with_scratch", one_off.Options("/venv/bin/python", "0a1b2c3d", seconds=600, scratch_image="postgres:17")),
    ],
)
def test_the_job(name: str, options: one_off.Options) -> None:
    """Image, environment, account, pull secrets, volumes and a proxy of the cloud's stay; what serves and probes goes."""
    workload = copy.deepcopy(_WORKLOAD)
    made = json.dumps(one_off.job("shop", workload, "app", options), indent=2) + "\n"
    assert made == (_GOLDEN / f"{name}.json").read_text(encoding="utf-8")
    assert workload == _WORKLOAD


def test_what_is_made_shares_nothing_with_the_workload() -> None:
    """Whoever changes the one does not change the other."""
    workload = copy.deepcopy(_WORKLOAD)
    made = one_off.job("shop", workload, "app", one_off.Options("python3", "t"))
    made["spec"]["template"]["spec"]["containers"][0]["env"].clear()
    made["spec"]["template"]["spec"]["volumes"].clear()
    assert workload == _WORKLOAD


def test_a_long_name_fits() -> None:
    """Into the 63 characters of a name and of a label, and stays unique."""
    name = "a" * 60 + "-very-long-service"
    made = one_off.job(name, _WORKLOAD, "app", one_off.Options("python3", "0a1b2c3d"))
    assert len(made["metadata"]["name"]) <= 63
    assert made["metadata"]["name"].endswith("-stillroom-0a1b2c3d")
    assert all(len(each) <= 63 for each in made["metadata"]["labels"].values())


def test_a_service_does_not_find_it() -> None:
    """It has none of the labels by which a Service chooses the workload's pods."""
    made = one_off.job("shop", _WORKLOAD, "app", one_off.Options("python3", "t"))
    assert "app" not in made["spec"]["template"]["metadata"]["labels"]
