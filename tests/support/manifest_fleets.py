"""Fleets whose manifests are rendered in tests, and the golden files of one of them.

`python -m tests.support.manifest_fleets` writes the golden files anew after a change of templates.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from stillroom import manifests
from stillroom.manifests.objects import PROFILES
from stillroom.registry import load, model
from stillroom.targets import carrier

__all__ = ["GOLDEN", "PROGRAM", "RELEASE", "RICH", "fleet", "plain", "rendered", "small_runtime"]

GOLDEN = Path(__file__).parents[1] / "unit" / "manifests_golden"
RELEASE = "1.33"
PROGRAM = b"PK: the runtime of these tests\n"
"""Stands for the carried runtime, whose bytes change with every change of its sources."""

RICH = """\
defaults:
  path: .
  config: "{name}.ini"
  namespace: shop
  image: registry.example/shop/{name}:1.4.2
  network_policy: true
  labels: {team: storefront}
  annotations: {sidecar.istio.io/inject: "false", linkerd.io/inject: disabled}
environments:
  production:
    target: kubernetes
    protected: true
    operator: {groups: [dba], users: [ada@example.com], service_accounts: [pipeline]}
services:
  auth:
    carry_runtime: true
    remote_path: /srv/auth
    service_role: auth_app
    grants: [SELECT, INSERT]
    secret: {name: auth-db, key: app-url, migration_key: owner-url}
    job: {lock_wait: 10min, statement_timeout: 30min, backoff_limit: 0}
    resources: {limits: {memory: 1Gi}}
    startup: {secrets: [auth-keys], config_maps: [flags]}
    service_account_annotations: {iam.gke.io/gcp-service-account: auth@shop.iam.gserviceaccount.com}
    env: {JWT_SECRET_KEY: unused, GREETING: "a: b # {{braces}} 'quoted' \\u2028"}
    image_pull_secrets: registry
    sidecars:
      - name: cloud-sql-proxy
        image: gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.14.0
        args: [--port=5432, "project:region:instance"]
        port: 5432
        env: {QUIET: "yes"}
    monitoring: {match: {app: auth-service}}
  tenant: {after: auth, schemas: tenant, heads: 2, service_account: existing, version_table: v}
"""
"""Every switch is on for one service, and few for the other."""


def plain(count: int, **defaults: str) -> str:
    """A registry of so many services with nothing of their own to say."""
    said = {"path": ".", "config": "'{name}.ini'", "namespace": "shop", "image": "shop/{name}:1", **defaults}
    lines = [f"  {key}: {value}" for key, value in said.items()]
    names = [f"  service-{number:04d}:" for number in range(count)]
    return "\n".join(
        ["defaults:", *lines, "environments:", "  production: {target: kubernetes}", "services:", *names, ""]
    )


def fleet(folder: Path, text: str) -> model.Fleet:
    """The fleet that `text` means in `folder`."""
    (folder / "services.yaml").write_text(text, encoding="utf-8")
    return load.load(folder)


def rendered(found: model.Fleet, environment: str = "production", **options: Any) -> manifests.Rendered:
    """Its manifests, held against the schemas of one release."""
    wanted = manifests.Options(**{"kubernetes": RELEASE, **options})
    return manifests.render(found, found.environments[environment], found.services_in(environment), wanted)


@contextmanager
def small_runtime() -> Iterator[None]:
    """While it lasts, the carried runtime has the bytes of `PROGRAM`."""
    with mock.patch.object(carrier, "program", return_value=PROGRAM):
        yield


def _write() -> None:
    shutil.rmtree(GOLDEN, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder, small_runtime():
        found = fleet(Path(folder), RICH)
        for profile in PROFILES:
            for path, text in rendered(found, profile=profile).files.items():
                file = GOLDEN / profile / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _write()
