"""What is refused before anything is written: limits, names, labels, references, secrets; each with its code."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from stillroom import errors, manifests
from stillroom.manifests import checking, problems, profiles, restricted, schemas, secrecy, settings, words
from stillroom.manifests.objects import JOBS, Object
from stillroom.runtime.migrating import retrying
from stillroom.runtime.migrating import settings as runtime_settings
from tests.support import manifest_fleets


def _wrong(folder: Path, *lines: str, **options: Any) -> problems.ManifestsWrong:
    text = manifest_fleets.plain(0) + "  auth:\n" + "".join(f"    {line}\n" for line in lines)
    with pytest.raises(problems.ManifestsWrong) as caught:
        manifest_fleets.rendered(manifest_fleets.fleet(folder, text), **options)
    return caught.value


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("job: {deadline: 10min}", "deadline-too-short", "deadline is 600 s"),
        ("job: {statement_timeout: 0}", "deadline-unknown", "statement_timeout without a limit"),
        ("env: {STILLROOM_LOCK_WAIT: soon}", "limit-wrong", "no duration"),
        ("job: {lock_wait: 100h}", "limit-wrong", "deadline comes to"),
        ("startup: {wait: 2min, failures: 24, period: 5}", "startup-too-short", "gives up after 120 s"),
        ("image: null", "image-missing", "its image is not said"),
        ("url: {ini: sqlalchemy.url}", "not-in-a-job", "url"),
        ("bootstrap: 'a:b'", "not-in-a-job", "bootstrap"),
        ("run_in: thread", "not-in-a-job", "run_in"),
        ("labels: {app.kubernetes.io/name: x}", "label-reserved", "app.kubernetes.io/name"),
        ("annotations: {stillroom.dev/anything: x}", "label-reserved", "stillroom.dev/anything"),
        ("labels: {team: 'two words'}", "label-wrong", "two words"),
        ("labels: {'-a': b}", "label-wrong", "no key"),
        ("annotations: {'a/b/c': b}", "label-wrong", "no key"),
        ("secret: {name: Not_A_Name}", "name-wrong", "Not_A_Name"),
        ("secret: {key: 'a b'}", "name-wrong", "no key of a Secret"),
        ("sidecars: [{name: migration, image: x}]", "name-wrong", "2 containers"),
        ("sidecars: [{name: A_B, image: x}]", "name-wrong", "no DNS label"),
        ("sidecars: [{name: a, image: x, env: {'1A': b}}]", "variable-wrong", "1A"),
        (
            "sidecars: [{name: a, image: x, env: {A: ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}}]",
            "secret-in-the-open",
            "A",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_code(line: str, code: str, told: str, tmp_path: Path) -> None:
    """And with what to do; the exit code is that of a wrong registry."""
    wrong = _wrong(tmp_path, line)
    assert code in {each.code for each in wrong.problems}
    assert told in wrong.detail
    assert all(each.mend for each in wrong.problems)
    assert wrong.exit_code == 2


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Of all services."""
    text = manifest_fleets.plain(0) + "  a: {job: {deadline: 1s}}\n  b: {labels: {x: ' '}}\n"
    with pytest.raises(problems.ManifestsWrong) as caught:
        manifest_fleets.rendered(manifest_fleets.fleet(tmp_path, text))
    assert {each.code for each in caught.value.problems} == {"deadline-too-short", "label-wrong"}


def test_two_services_of_one_deployment_are_told(tmp_path: Path) -> None:
    """Two patches of one Deployment contradict each other."""
    text = manifest_fleets.plain(0) + "  a: {workload: x}\n  b: {workload: x}\n"
    with pytest.raises(problems.ManifestsWrong, match="1 mistake") as caught:
        manifest_fleets.rendered(manifest_fleets.fleet(tmp_path, text))
    assert [each.code for each in caught.value.problems] == ["object-twice"]


def test_the_deadline_is_more_than_waits_and_retries(tmp_path: Path) -> None:
    """By the runtime's own limits, where the registry says no others; the sum is shown."""
    found = manifest_fleets.fleet(tmp_path, manifest_fleets.plain(1)).services_in("production")[0]
    defaults = runtime_settings.Settings()
    limits, wrong = settings.job(found)
    one = defaults.lock_wait + defaults.lock_retries * (defaults.lock_timeout + retrying._LONGEST_PAUSE)
    assert wrong == []
    assert limits.deadline > limits.budget > 3 * (one + defaults.statement_timeout)
    just = dataclasses.replace(found, job={"deadline": f"{limits.budget + 1}s"})
    assert settings.job(just)[1] == []
    less = dataclasses.replace(found, job={"deadline": f"{limits.budget}s"})
    assert [each.code for each in settings.job(less)[1]] == ["deadline-too-short"]
    by_env = dataclasses.replace(found, env={"STILLROOM_LOCK_WAIT": "1h"})
    assert settings.job(by_env)[0].budget == limits.budget + 3 * (3600 - defaults.lock_wait)


def test_the_longest_pause_is_that_of_the_runtime() -> None:
    """The arithmetic takes what the runtime does."""
    assert settings._LONGEST_PAUSE == retrying._LONGEST_PAUSE


def test_settings_of_a_service_are_laid_over_those_of_defaults(tmp_path: Path) -> None:
    """Key by key."""
    text = manifest_fleets.plain(0, job="{lock_wait: 1min, backoff_limit: 1}", labels="{a: b}")
    text += "  auth: {job: {backoff_limit: 3}, labels: {c: d}}\n"
    found = manifest_fleets.fleet(tmp_path, text).services_in("production")[0]
    assert found.job == {"lock_wait": "1min", "backoff_limit": 3}
    assert found.labels == {"a": "b", "c": "d"}


def test_a_runtime_that_does_not_fit_is_told(tmp_path: Path) -> None:
    """Kubernetes takes a mebibyte; Helm, less."""
    services = manifest_fleets.fleet(tmp_path, manifest_fleets.plain(1)).services_in("production")
    size = checking.CONFIG_MAP_LIMIT
    assert [each.code for each in checking.before(services, "plain", b"x" * (size + 1))] == ["too-large"]
    assert checking.before(services, "plain", b"x" * size) == []
    assert [each.code for each in checking.before(services, "helm", b"x" * size)] == ["too-large"]


def _object(body: dict[str, Any], **more: Any) -> Object:
    metadata = body["metadata"]
    return Object(None, body["kind"], metadata["name"], metadata.get("namespace"), body, JOBS, "a.yaml", **more)


def _config(data: dict[str, Any], **metadata: Any) -> Object:
    return _object({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **metadata}, "data": data})


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        ({"A": "plain", "TOKEN_TTL": "5"}, []),
        ({"JWT_SECRET_KEY": "unused"}, []),
        ({"JWT_SECRET_KEY": "abcdefgh"}, ["secret-in-the-open"]),
        ({"A": "postgresql://ada:hunter2@db/shop"}, ["secret-in-the-open"]),
        ({"A": "-----BEGIN PRIVATE KEY-----"}, ["secret-in-the-open"]),
        ({"A": "host=db password=hunter2"}, ["secret-in-the-open"]),
        ({"A": "AKIAABCDEFGHIJKLMNOP"}, ["secret-in-the-open"]),
        ({"A": True}, ["not-a-text"]),
        ({"A": "x" * (1024 * 1024 + 1)}, ["too-large"]),
    ],
)
def test_a_configmap_holds_texts_and_no_secrets(data: dict[str, Any], codes: list[str]) -> None:
    """By name and by form; the secret itself is never told."""
    found = checking.objects([_config(data)], [], "plain")
    assert [each.code for each in found] == codes
    assert "hunter2" not in "".join(map(str, found))


def test_an_object_twice_and_a_name_too_long_are_told() -> None:
    """Names by kind."""
    assert [each.code for each in checking.objects([_config({}), _config({})], [], "plain")] == ["object-twice"]
    assert checking.objects([_config({}), _config({}, namespace="b")], [], "plain") == []
    long = _object({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a" * 64}})
    assert [each.code for each in checking.objects([long], [], "plain")] == ["name-wrong"]


@pytest.mark.parametrize("own", [None, "-100", "5"])
def test_a_hook_of_helm_comes_after_what_it_refers_to(own: str | None) -> None:
    """No hook, or one of the same or a higher weight, would not be there yet."""
    hook = {"helm.sh/hook": "pre-install", "helm.sh/hook-weight": "-100"}
    spec = {"containers": [{"name": "a", "envFrom": [{"configMapRef": {"name": "a"}}]}]}
    job = _object(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "j", "annotations": hook},
            "spec": {"template": {"spec": spec}},
        }
    )
    marks = {} if own is None else {"annotations": {**hook, "helm.sh/hook-weight": own}}
    codes = {each.code for each in checking.objects([_config({}, **marks), job], [], "helm")}
    assert "hook-order" in codes
    earlier = _config({}, annotations={**hook, "helm.sh/hook-weight": "-101"})
    assert "hook-order" not in {each.code for each in checking.objects([earlier, job], [], "helm")}


def test_what_the_level_restricted_forbids_is_seen() -> None:
    """Each rule by a pod that breaks it alone."""
    good: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }

    def told(container: dict[str, Any], **pod: Any) -> list[str]:
        return restricted.violations({"containers": [{"name": "a", "securityContext": container}], **pod})

    assert told(good) == []
    breaches: list[dict[str, Any]] = [
        {"allowPrivilegeEscalation": True},
        {"runAsNonRoot": False},
        {"capabilities": {}},
        {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}},
        {"seccompProfile": {"type": "Unconfined"}},
        {"privileged": True},
        {"runAsUser": 0},
        {"procMount": "Unmasked"},
        {"seLinuxOptions": {"user": "x"}},
    ]
    for breach in breaches:
        assert len(told({**good, **breach})) == 1, breach
    assert len(told(good, hostNetwork=True)) == 1
    assert len(told(good, volumes=[{"name": "a", "hostPath": {"path": "/"}}])) == 1
    without = {key: value for key, value in good.items() if key not in ("runAsNonRoot", "seccompProfile")}
    assert len(told(without)) == 2
    pod = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert told(without, securityContext=pod) == []


def test_words_of_kubernetes() -> None:
    """Edges of the rules."""
    assert words.label("a" * 63) is None and words.label("a" * 64)
    assert words.label("a.b") and words.subdomain("a.b") is None
    assert words.subdomain("a..b") and words.subdomain("A")
    assert words.key("example.org/Name_1") is None and words.key("/a") and words.key("a" * 64)
    assert words.value("") is None and words.value("a b") and words.value(True)
    assert words.secret_key("tls.crt") is None and words.secret_key("..") and words.secret_key("a/b")
    assert words.variable("_A1") is None and words.variable("1A")


def test_what_looks_secret() -> None:
    """By name, unless it is said to be unused; by form, whatever it is called."""
    assert secrecy.looks_secret("DB_PASSWORD", "x")
    assert not secrecy.looks_secret("DB_PASSWORD", "unused")
    assert not secrecy.looks_secret("DB_HOST", "db.example")
    assert secrecy.looks_secret("A", "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeKKF2QT4")


def test_schemas_are_those_of_the_release_that_is_asked_for() -> None:
    """An unknown one is wrong use; a patch of a version is taken for its release."""
    found = schemas.choose("v1.33.2", needed=True)
    assert found is not None and found.version == "1.33"
    with pytest.raises(errors.UsageError, match=r"1\.99"):
        schemas.choose("1.99", needed=False)
    with pytest.raises(errors.UsageError, match="newest"):
        schemas.choose("newest", needed=False)


def test_without_schemas_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is held against them, unless that was asked for: then it is an error."""
    monkeypatch.setattr(schemas, "releases", list)
    found = manifest_fleets.fleet(tmp_path, manifest_fleets.plain(1))
    assert manifest_fleets.rendered(found, kubernetes=None).kubernetes is None
    for options in ({"kubernetes": "1.33"}, {"kubernetes": None, "needs_schemas": True}):
        with pytest.raises(errors.UsageError, match="not installed"):
            manifest_fleets.rendered(found, **options)


def test_what_one_structure_passes_another_does_not(tmp_path: Path) -> None:
    """What is known to be good is remembered by its structure, not by its template."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}}
    found = schemas.Schemas("1.33")
    assert found.problems([body], [body], "a", "a", patch=False) == []
    for wrong in ({**body, "data": {"a": 1}}, {**body, "date": {}}, {**body, "metadata": {"name": "a", "labels": []}}):
        assert [each.code for each in found.problems([wrong], [wrong], "a", "a", patch=False)] == ["schema-broken"]
    newer = {**body, "kind": "Secrets"}
    assert [each.code for each in found.problems([newer], [newer], "a", "a", patch=False)] == ["kind-unknown"]


def test_every_profile_is_known_to_the_registry() -> None:
    """The choices of services.yaml are those of rendering."""
    from typing import get_args

    from stillroom.registry import shape

    assert get_args(shape.KubernetesEnvironment.model_fields["profile"].annotation) == manifests.objects.PROFILES
    assert set(profiles.marks("plain", JOBS)) == set()
