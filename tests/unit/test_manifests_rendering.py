"""Manifests of each profile: golden files, names by content, order, and what a Job has to be like."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from stillroom import errors, manifests
from stillroom.manifests import contexts, naming, restricted
from stillroom.manifests.objects import CONFIG, JOBS, PROFILES, RBAC, REST
from stillroom.manifests.permissions import PERMISSIONS
from stillroom.runtime.migrating import exits
from stillroom.runtime.service import metrics, mode
from stillroom.targets import carrier
from tests.support import manifest_fleets
from tests.support.manifest_fleets import GOLDEN, RICH


def _rich(folder: Path, **options: Any) -> manifests.Rendered:
    with manifest_fleets.small_runtime():
        return manifest_fleets.rendered(manifest_fleets.fleet(folder, RICH), **options)


def _job(folder: Path, text: str, name: str = "auth", **options: Any) -> Any:
    """The Job of a service of the registry `text`, as data."""
    found = manifest_fleets.rendered(manifest_fleets.fleet(folder, text), **options)
    return next(each for each in found.jobs if each.service == name).body


def _with(*lines: str) -> str:
    """A registry with the service `auth`, and these lines of its own."""
    return manifest_fleets.plain(0) + "  auth:\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_rendered_is_what_is_committed(profile: str, tmp_path: Path) -> None:
    """Every file of a fleet with every switch on (`python -m tests.support.manifest_fleets` writes them anew)."""
    there = {
        file.relative_to(GOLDEN / profile).as_posix(): file.read_text(encoding="utf-8")
        for file in (GOLDEN / profile).rglob("*")
        if file.is_file()
    }
    assert dict(_rich(tmp_path, profile=profile).files) == there


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """Twice, from registries read twice, in folders of other names."""
    first, second = (_rich(folder) for folder in (_made(tmp_path / "a"), _made(tmp_path / "b")))
    assert list(first.files.items()) == list(second.files.items())


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_job_is_named_after_its_content(tmp_path: Path) -> None:
    """Whatever changes in it, an annotation, the environment or its ConfigMap, makes another Job; nothing else does."""
    texts = [
        _with(),
        _with("annotations: {a: b}"),
        _with("annotations: {a: c}"),
        _with("labels: {a: b}"),
        _with("env: {A: b}"),
        _with("job: {lock_wait: 1min}"),
        _with("image: shop/auth:2"),
        _with().replace("production:", "staging:"),
    ]
    jobs = [_job(tmp_path, text, environment="staging" if "staging" in text else "production") for text in texts]
    names = [each["metadata"]["name"] for each in jobs]
    assert len(set(names)) == len(names)
    assert all(name.startswith("auth-migration-") and len(name) == len("auth-migration-") + 8 for name in names)
    assert names[0] == _job(tmp_path, _with() + "  other: {}\n")["metadata"]["name"]
    assert names[0] == f"auth-migration-{naming.content_hash(jobs[0])}"
    assert jobs[0]["metadata"]["labels"][naming.CODE_LABEL] in names[0]


def test_a_job_of_another_environment_variable_in_the_common_configmap_is_another_job(tmp_path: Path) -> None:
    """A team's own ConfigMap with DB_FORCE_RECREATE changed makes every Job a new one."""
    before = _job(tmp_path, _with())
    own = tmp_path / "templates"
    own.mkdir()
    ours = (Path(manifest_fleets.__file__).parents[2] / "templates" / "configmap.yaml.j2").read_text(encoding="utf-8")
    (own / "configmap.yaml.j2").write_text(
        ours.replace('DB_FORCE_RECREATE: "false"', 'DB_FORCE_RECREATE: "true"'), encoding="utf-8"
    )
    assert _job(tmp_path, _with())["metadata"]["name"] != before["metadata"]["name"]


def test_a_job_is_what_the_runtime_needs(tmp_path: Path) -> None:
    """Retries by the runtime's exit codes; URL by reference; nothing of root, nothing written but /tmp."""
    job = _job(tmp_path, _with())
    spec = job["spec"]
    pod = spec["template"]["spec"]
    assert (spec["backoffLimit"], spec["ttlSecondsAfterFinished"], spec["podReplacementPolicy"]) == (2, 86400, "Failed")
    rules = {
        (rule["action"], code)
        for rule in spec["podFailurePolicy"]["rules"]
        if rule.get("onExitCodes", {}).get("containerName") == naming.MIGRATION
        for code in rule["onExitCodes"]["values"]
    }
    assert rules == {
        ("FailJob", exits.WRONG),
        ("FailJob", exits.REFUSED),
        ("Count", exits.TRY_AGAIN),
        ("Ignore", exits.TERMINATED),
    }
    disruption = [rule for rule in spec["podFailurePolicy"]["rules"] if "onPodConditions" in rule]
    assert [rule["action"] for rule in disruption] == ["Ignore"]
    assert disruption[0]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert pod["restartPolicy"] == "Never"
    assert restricted.violations(pod) == []
    assert [each["name"] for each in pod["initContainers"]] == [naming.WAIT]
    assert pod["initContainers"][0]["command"][:4] == ["python", "-m", "stillroom.runtime", "wait"]
    (container,) = pod["containers"]
    assert container["name"] == naming.MIGRATION
    assert container["command"][:4] == ["python", "-m", "stillroom.runtime", "migrate"]
    assert pod["initContainers"][0]["image"] == container["image"] == "shop/auth:1"
    env = {each["name"]: each for each in container["env"]}
    assert env["MIGRATION_DATABASE_URL"]["valueFrom"]["secretKeyRef"] == {"name": "auth-database", "key": "url"}
    assert "AUTH_DATABASE_URL" not in env  # the service's own role has nothing to do here
    assert container["envFrom"] == [{"configMapRef": {"name": "stillroom-config"}}]
    assert pod["serviceAccountName"] == "auth-migration"
    assert pod["automountServiceAccountToken"] is False


def test_objects_come_in_the_order_in_which_they_need_each_other(tmp_path: Path) -> None:
    """Configuration, accounts, Jobs, the rest; files in the same order."""
    found = _rich(tmp_path)
    waves = [each.wave for each in found.objects]
    assert waves == sorted(waves)
    assert set(waves) == {CONFIG, RBAC, JOBS, REST}
    kinds = {each.kind: each.wave for each in found.objects}
    assert kinds["ConfigMap"] == CONFIG
    assert kinds["ServiceAccount"] == kinds["Role"] == kinds["NetworkPolicy"] == RBAC
    assert kinds["Job"] == JOBS
    assert kinds["Deployment"] == kinds["ServiceMonitor"] == kinds["PrometheusRule"] == REST
    assert [each.path for each in found.objects] == [path for path in found.files if path != "kustomization.yaml"]
    assert [each.kind for each in found.objects if each.patch] == ["Deployment", "Deployment"]
    assert [(each.service, each.depth) for each in found.jobs] == [("auth", 0), ("tenant", 1)]


@pytest.mark.parametrize("profile", ["helm", "argocd"])
def test_who_waits_for_another_service_comes_after_it(profile: str, tmp_path: Path) -> None:
    """By weight, or by wave: `after:` holds where others apply the Jobs."""
    key = {"helm": "helm.sh/hook-weight", "argocd": "argocd.argoproj.io/sync-wave"}[profile]
    weights = {
        each.kind if each.kind != "Job" else each.service: int(each.body["metadata"]["annotations"][key])
        for each in _rich(tmp_path, profile=profile).objects
        if key in (each.body["metadata"].get("annotations") or {})
    }
    assert weights["ConfigMap"] < weights["ServiceAccount"] < weights["auth"] < weights["tenant"] < 0


def test_a_chart_gives_what_was_rendered(tmp_path: Path) -> None:
    """Braces of Prometheus' own templates are none of Helm's; patches are no templates."""
    plain, chart = _rich(tmp_path), _rich(tmp_path, profile="helm")
    escaped = chart.files["templates/prometheus-rule.yaml"]
    assert "{{ $labels" not in escaped
    assert escaped.replace('{{ "{{" }}', "{{") == plain.files["prometheus-rule.yaml"]
    assert "patches/auth/deployment-patch.yaml" in chart.files
    assert not [path for path in chart.files if path.startswith("templates/") and "patch" in path]


def test_the_environment_decides_what_the_configmap_says(tmp_path: Path) -> None:
    """SKIP_MIGRATIONS outside development; DB_FORCE_RECREATE is never true by itself; comments as in the documents."""
    for name, expected in (("production", "true"), ("staging", "true"), ("development", None), ("dev", None)):
        text = manifest_fleets.plain(1).replace("production:", f"{name}:")
        found = manifest_fleets.rendered(manifest_fleets.fleet(tmp_path, text), name)
        data = yaml.safe_load(found.files["configmap.yaml"])["data"]
        assert data["ENVIRONMENT"] == name
        assert data["DB_FORCE_RECREATE"] == "false"
        assert data.get("SKIP_MIGRATIONS") == expected
        assert (
            "# IMPORTANT: Services NEVER run migrations - they only verify DB is ready" in found.files["configmap.yaml"]
        )


def test_development_is_what_the_runtime_takes_for_it() -> None:
    """Where a start may migrate is said in one way."""
    assert contexts.DEVELOPMENT == mode.FREE_ENVIRONMENTS


def test_the_patch_verifies_and_asks_no_job(tmp_path: Path) -> None:
    """By the service's own role; the container's probe waits longer than verifying may take."""
    found = manifest_fleets.rendered(manifest_fleets.fleet(tmp_path, _with("startup: {wait: 90s}")))
    (patch,) = (each for each in found.objects if each.patch)
    pod = patch.body["spec"]["template"]["spec"]
    (init,) = pod["initContainers"]
    assert init["command"][3] == "verify"
    assert init["command"][-2:] == ["--wait", "90s"]
    env = {each["name"]: each for each in init["env"]}
    assert env["AUTH_DATABASE_URL"]["valueFrom"]["secretKeyRef"] == {"name": "auth-database", "key": "url"}
    assert "MIGRATION_DATABASE_URL" not in env
    probe = pod["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > 90
    assert patch.body["metadata"].keys() == {"name", "namespace"}  # whose labels are its owner's


def test_alerts_name_metrics_that_exist(tmp_path: Path) -> None:
    """Each metric in an alert is one that the runtime makes, with a label that it has."""
    import prometheus_client

    registry = prometheus_client.CollectorRegistry()
    made = metrics.instruments(registry)
    assert made is not None
    made.verified("auth", "at_head", 0.1)
    made.migrated("auth", "done", 0.1)
    samples = {sample.name: sample.labels for metric in registry.collect() for sample in metric.samples}
    rules = yaml.safe_load(_rich(tmp_path).files["prometheus-rule.yaml"])["spec"]["groups"][0]["rules"]
    assert rules
    for rule in rules:
        named = set(re.findall(r"stillroom_\w+", rule["expr"]))
        assert named and named <= set(samples), rule["expr"]
        for name in named:
            for label in ("service", "state", "outcome"):
                assert label not in rule["expr"] or label in samples[name], rule["expr"]


def test_the_role_has_the_verbs_of_the_table(tmp_path: Path) -> None:
    """No other, and bound to whom the registry names."""
    files = _rich(tmp_path).files
    role, binding = (yaml.safe_load(files[f"operator-{name}.yaml"]) for name in ("role", "role-binding"))
    assert {(rule["apiGroups"][0], rule["resources"][0], tuple(rule["verbs"])) for rule in role["rules"]} == {
        (each.group, each.resource, each.verbs) for each in PERMISSIONS
    }
    assert [(each["kind"], each["name"]) for each in binding["subjects"]] == [
        ("User", "ada@example.com"),
        ("Group", "dba"),
        ("ServiceAccount", "pipeline"),
    ]


def test_the_carried_runtime_is_the_runtime(tmp_path: Path) -> None:
    """Its name has its hash, it fits into a ConfigMap, and Job and patch mount it and start it."""
    found = manifest_fleets.rendered(manifest_fleets.fleet(tmp_path, _with("carry_runtime: true")))
    (carried,) = (each for each in found.objects if each.name.startswith("stillroom-runtime-"))
    content = base64.b64decode(carried.body["binaryData"]["runtime.zip"])
    assert content == carrier.program()
    assert len(content) < 1024 * 1024
    assert carried.name.endswith(naming.short_hash(content))
    assert carried.body["immutable"] is True
    assert "__main__.py" in zipfile.ZipFile(io.BytesIO(content)).namelist()
    for each in found.objects:
        if each.kind in ("Job", "Deployment"):
            pod = each.body["spec"]["template"]["spec"]
            volume = {"name": "stillroom-runtime", "configMap": {"name": carried.name}}
            assert volume in pod["volumes"]
            begun = [one["command"][:2] for one in (*pod["initContainers"], *pod["containers"]) if "command" in one]
            assert begun and all(each == ["python", "/opt/stillroom/runtime.zip"] for each in begun)


def test_a_tag_takes_the_place_of_tag_and_digest(tmp_path: Path) -> None:
    """Ports of registries are none of a tag."""
    digest = "a" * 64
    for image, expected in (
        ("shop/auth:1", "shop/auth:9.9"),
        ("localhost:5000/shop/auth", "localhost:5000/shop/auth:9.9"),
        (f"shop/auth@sha256:{digest}", "shop/auth:9.9"),
        (f"shop/auth:1@sha256:{digest}", "shop/auth:9.9"),
    ):
        job = _job(tmp_path, _with(f'image: "{image}"'), tag="9.9")
        assert job["spec"]["template"]["spec"]["containers"][0]["image"] == expected


def test_several_namespaces_have_what_they_share_each(tmp_path: Path) -> None:
    """One ConfigMap a namespace, in a file of its own; `--namespace` makes it one."""
    text = manifest_fleets.plain(1) + "  auth: {namespace: other}\n"
    found = manifest_fleets.fleet(tmp_path, text)
    files = manifest_fleets.rendered(found).files
    assert {"configmap.other.yaml", "configmap.shop.yaml"} <= files.keys()
    files = manifest_fleets.rendered(found, namespace="mine").files
    assert "configmap.yaml" in files
    assert {yaml.safe_load(text)["metadata"]["namespace"] for path, text in files.items() if "/" in path} == {"mine"}


def test_an_environment_on_this_machine_has_no_manifests(tmp_path: Path) -> None:
    """It is said which environment would."""
    found = manifest_fleets.fleet(tmp_path, "defaults: {path: .}\nservices: {auth: }\n")
    with pytest.raises(errors.UsageError, match="target local"):
        manifest_fleets.rendered(found, "development")


def test_loose_images_are_told(tmp_path: Path) -> None:
    """`latest`, and no tag at all; a digest and a version are fine."""
    assert "without a fixed version (auth)" in "".join(
        manifest_fleets.rendered(manifest_fleets.fleet(tmp_path, _with("image: shop/auth:latest"))).notes
    )
    assert manifest_fleets.rendered(manifest_fleets.fleet(tmp_path, _with())).notes == ()
