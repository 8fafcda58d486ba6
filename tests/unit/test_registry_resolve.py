"""What the file says, laid over each other and resolved."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillroom.registry import load, model, placeholders
from tests.unit import registry_help

_EXAMPLE = Path(__file__).parents[2] / "services.yaml"


def _service(folder: Path, said: str, *, defaults: str = "", environment: str = "") -> model.Service:
    """The service `alert-processor` of a registry with these settings, in environment `here`."""
    text = (
        f"defaults: {{path: ., {defaults}}}\n"
        f"environments:\n  here: {{{environment or 'target: local'}}}\n"
        f"services:\n  alert-processor: {{{said}}}\n"
    )
    return registry_help.loaded(folder, text).service("alert-processor")


def test_the_smallest_registry_has_every_fact(tmp_path: Path) -> None:
    """One name is enough: the rest are defaults, on the embedded database of this machine."""
    (tmp_path / "services" / "auth").mkdir(parents=True)
    fleet = registry_help.loaded(tmp_path, "services:\n  auth:\n")
    assert dict(fleet.environments) == {"development": model.Environment("development", "local", database="embedded")}
    assert fleet.default_environment == "development"
    assert fleet.services == (
        model.Service(
            name="auth",
            environment="development",
            path=tmp_path / "services" / "auth",
            config=tmp_path / "services" / "auth" / "alembic.ini",
            models=(),
            metadata=None,
            url_variable="AUTH_DATABASE_URL",
            scratch_url_variable=None,
            database="auth",
            schemas=None,
            version_table=None,
            version_table_schema=None,
            extensions=(),
            heads=1,
            python=None,
            env={},
            time_limit=120.0,
            after=(),
            namespace=None,
            container=None,
            workload="auth",
            scratch=None,
            message="initial schema",
        ),
    )


def test_the_example_registry_is_fourteen_services() -> None:
    """The registry of the README loads, and says what the README says about it."""
    fleet = load.load(_EXAMPLE)
    assert len(fleet.services) == 14
    alerts = fleet.service("alert-processor", "production")
    assert alerts.url_variable == "ALERT_PROCESSOR_DATABASE_URL"
    assert (alerts.namespace, alerts.container, alerts.workload) == (
        "bakery-ia",
        "alert-processor-service",
        "alert-processor-service",
    )
    assert fleet.service("auth", "staging").namespace == "bakery-staging"
    assert fleet.environments["production"].protected
    assert fleet.service("pos").shares_with == ("orders",)
    assert fleet.service("orders").schemas == ("orders",)


def test_placeholders_are_replaced_in_every_text(tmp_path: Path) -> None:
    """In lists and mappings, too, wherever the text was said."""
    service = _service(
        tmp_path,
        "schemas: ['{name}'], env: {TOPIC: '{NAME}.{name}', JSON: '{\"a\": {}}', LITERAL: '{{name}}'}",
        defaults="message: 'start of {name}', models: 'app_{NAME}'",
    )
    assert service.schemas == ("alert-processor",)
    assert service.env == {"TOPIC": "ALERT_PROCESSOR.alert-processor", "JSON": '{"a": {}}', "LITERAL": "{name}"}
    assert service.message == "start of alert-processor"
    assert service.models == ("app_ALERT_PROCESSOR",)
    assert service.env_name == "ALERT_PROCESSOR"


@registry_help.ANY_TIME
@given(st.text("{}nameNAME x", max_size=20), st.from_regex("[a-z][a-z0-9-]{0,5}x", fullmatch=True))
def test_expansion_leaves_no_known_placeholder(text: str, name: str) -> None:
    """Text without braces around it stays; `{name}` never survives but as `{{name}}`."""
    expanded = placeholders.expand(text, name)
    assert "{" in text or expanded == text
    if "{{" not in text:
        assert "{name}" not in expanded
        assert "{NAME}" not in expanded


def test_one_text_stands_for_a_list_of_one(tmp_path: Path) -> None:
    """`schemas: pos` and `schemas: [pos]` are the same."""
    service = _service(tmp_path, "schemas: pos, extensions: vector, models: app.models")
    assert (service.schemas, service.extensions, service.models) == (("pos",), ("vector",), ("app.models",))


@pytest.mark.parametrize(
    ("defaults", "environment", "said", "inside", "expected"),
    [
        ("", "", "", "", 120.0),
        ("time_limit: 1", "", "", "", 1.0),
        ("time_limit: 1", "time_limit: 2", "", "", 2.0),
        ("time_limit: 1", "time_limit: 2", "time_limit: 3", "", 3.0),
        ("time_limit: 1", "time_limit: 2", "time_limit: 3", "time_limit: 4", 4.0),
    ],
)
def test_what_is_nearer_to_the_service_wins(
    tmp_path: Path, defaults: str, environment: str, said: str, inside: str, expected: float
) -> None:
    """Stillroom's default, `defaults`, the environment, the service, the environment's word on the service."""
    service = _service(
        tmp_path,
        said,
        defaults=defaults,
        environment=f"target: local, services: {{alert-processor: {{{inside}}}}}, {environment}",
    )
    assert service.time_limit == expected


def test_an_explicit_nothing_takes_a_default_back(tmp_path: Path) -> None:
    """`scratch: null` in a service undoes what `defaults` says."""
    assert _service(tmp_path, "scratch: null", defaults="scratch: embedded").scratch is None
    assert _service(tmp_path, "", defaults="scratch: embedded").scratch == "embedded"


def test_variables_are_merged_and_kept_as_written(tmp_path: Path) -> None:
    """`env` of `defaults` and of the service hold together; numbers and truth values keep their spelling."""
    service = _service(tmp_path, "env: {B: 0x1F, C: True}", defaults="env: {A: 1.50, B: gone}")
    assert service.env == {"A": "1.50", "B": "0x1F", "C": "True"}


def test_services_of_one_database_know_each_other(tmp_path: Path) -> None:
    """In file order, per environment, and nobody is its own neighbour."""
    text = registry_help.HERE + (
        "environments:\n  development: {target: local}\n"
        "  apart:\n    target: local\n    services: {b: {database: own}}\n"
        "services:\n" + "".join(f"  {name}: {{database: one, schemas: '{name}'}}\n" for name in "cab")
    )
    fleet = registry_help.loaded(tmp_path, text)
    assert [service.shares_with for service in fleet.services] == [("a", "b"), ("c", "b"), ("c", "a")]
    assert [service.shares_with for service in fleet.services_in("apart")] == [("a",), ("c",), ()]


def test_one_schema_may_be_shared_by_saying_so(tmp_path: Path) -> None:
    """A version table each says that two services mean to share a schema."""
    text = (
        registry_help.HERE
        + "services:\n"
        + "".join(f"  {name}: {{database: one, version_table: '{{name}}_version'}}\n" for name in "ab")
    )
    assert registry_help.loaded(tmp_path, text).service("a").shares_with == ("b",)


def test_a_local_interpreter_is_absolute_and_keeps_its_link(tmp_path: Path) -> None:
    """A virtual environment's python is a symbolic link that must not be followed."""
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "python").symlink_to(sys.executable)
    service = _service(tmp_path, "python: ./venv/../venv/python")
    assert service.python == str(tmp_path / "venv" / "python")


def test_a_bare_command_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python: python3.12` is the one that PATH has."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python9").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert _service(tmp_path, "python: python9").python == str(tmp_path / "bin" / "python9")


@pytest.mark.parametrize("target", ["target: kubernetes", "target: ssh, host: h1"])
def test_a_local_interpreter_is_none_elsewhere(tmp_path: Path, target: str) -> None:
    """What `defaults` and services say is this machine's; only the environment can name one over there."""
    said, defaults = f"python: {sys.executable}", f"python: {sys.executable}"
    assert _service(tmp_path, said, defaults=defaults, environment=target).python is None
    there = f"{target}, python: '/opt/{{name}}/bin/python'"
    assert _service(tmp_path, said, defaults=defaults, environment=there).python == "/opt/alert-processor/bin/python"
    single = f"{there}, services: {{alert-processor: {{python: python3}}}}"
    assert _service(tmp_path, said, defaults=defaults, environment=single).python == "python3"


def test_paths_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative ones at its folder, `config` at `path`; `~` is one's home; `..` is resolved."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "code" / "app").mkdir(parents=True)
    text = (
        "environments: {here: {target: kubernetes, kubeconfig: ~/kube}, there: {target: kubernetes, kubeconfig: kube}}\n"
        "default_environment: here\n"
        "services: {auth: {path: code/app, config: ../alembic.ini}}\n"
    )
    fleet = registry_help.loaded(tmp_path, text)
    assert fleet.service("auth").path == tmp_path / "code" / "app"
    assert fleet.service("auth").config == tmp_path / "code" / "alembic.ini"
    assert fleet.environments["here"].kubeconfig == tmp_path / "home" / "kube"
    assert fleet.environments["there"].kubeconfig == tmp_path / "kube"


def test_environments_have_their_settings(tmp_path: Path) -> None:
    """Everything that the file says about an environment is in the facts."""
    text = registry_help.HERE + (
        "default_environment: hosts\n"
        "environments:\n"
        "  hosts: {target: ssh, host: h1, user: deploy, port: 2222, protected: true, scratch: embedded, time_limit: 5}\n"
        "  cluster: {target: kubernetes, context: kind, namespace: '{name}-live'}\n"
        "services:\n  auth:\n"
    )
    fleet = registry_help.loaded(tmp_path, text)
    assert fleet.environments["hosts"] == model.Environment(
        "hosts", "ssh", True, scratch="embedded", host="h1", user="deploy", port=2222, time_limit=5.0
    )
    assert fleet.environments["cluster"].context == "kind"
    assert fleet.service("auth", "cluster").namespace == "auth-live"
    assert (fleet.service("auth").scratch, fleet.service("auth").time_limit) == ("embedded", 5.0)


@pytest.mark.parametrize(
    ("environments", "expected"),
    [("{live: {target: local}}", "live"), ("{live: {target: local}, development: {target: local}}", "development")],
)
def test_the_default_environment_needs_no_word_when_it_is_clear(
    tmp_path: Path, environments: str, expected: str
) -> None:
    """The only one, or `development`."""
    text = f"{registry_help.HERE}environments: {environments}\nservices:\n  auth:\n"
    assert registry_help.loaded(tmp_path, text).default_environment == expected


def test_facts_are_values(tmp_path: Path) -> None:
    """Fleets cannot be changed, can be hashed and compared, and cross to other processes and to dictionaries."""
    text = registry_help.HERE + "services:\n  auth: {env: {A: 1}}\n"
    fleet, again = registry_help.loaded(tmp_path, text), registry_help.loaded(tmp_path, text)
    assert fleet == again
    assert hash(fleet) == hash(again)
    assert pickle.loads(pickle.dumps(fleet)) == copy.deepcopy(fleet) == fleet  # noqa: S301 - our own bytes
    assert dataclasses.asdict(fleet.service("auth"))["env"] == {"A": "1"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        fleet.service("auth").heads = 2  # type: ignore[misc]


def test_names_that_yaml_could_misread_are_names(tmp_path: Path) -> None:
    """Services called `no`, `on`, `12`, `null` and `true` are called so, and can be waited for when they are quoted."""
    defaults = "defaults: {path: ., config: '{name}.ini', url_variable: 'URL_{NAME}'}\n"
    text = defaults + "services:\n  no:\n  on: {after: [no, '12']}\n  12:\n  null:\n  true:\n"
    fleet = registry_help.loaded(tmp_path, text)
    assert fleet.names == ("no", "on", "12", "null", "true")
    assert fleet.service("on").after == ("no", "12")
