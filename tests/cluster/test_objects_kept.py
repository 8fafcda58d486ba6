"""Objects as the API keeps them: server-side apply, refusals, rights, watches."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.cluster import objects
from tests.cluster.asking import Asking
from tests.cluster.places import Place


def test_an_apply_makes_an_object_and_a_second_one_changes_nothing(ask: Asking) -> None:
    """The manager is noted, and the resource version stays where nothing is new."""
    first = ask.applied(objects.config_map("settings", {"ENVIRONMENT": "staging"}))
    again = ask.applied(objects.config_map("settings", {"ENVIRONMENT": "staging"}))
    managers = [
        (each["manager"], each["operation"])
        for each in ask.run("get", "configmap", "settings", "-o", "json", "--show-managed-fields").json["metadata"][
            "managedFields"
        ]
    ]
    assert managers == [("stillroom", "Apply")]
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert again["metadata"]["uid"] == first["metadata"]["uid"]


def test_an_apply_says_what_it_did(ask: Asking) -> None:
    """In the words that people know."""
    answer = ask.apply(objects.config_map("settings", {"A": "1"}))
    assert (answer.code, answer.out) == (0, "configmap/settings serverside-applied\n")


def test_what_an_apply_no_longer_says_is_gone(ask: Asking) -> None:
    """A key that this manager owned alone is removed; another manager's stays."""
    ask.applied(objects.config_map("settings", {"A": "1", "B": "2"}))
    ask.applied(objects.config_map("settings", {"C": "3"}), manager="somebody")
    assert ask.applied(objects.config_map("settings", {"A": "1"}))["data"] == {"A": "1", "C": "3"}


def test_what_another_manager_owns_is_a_conflict(ask: Asking) -> None:
    """It is named, nothing is changed, and only --force-conflicts takes it over."""
    ask.applied(objects.config_map("settings", {"A": "1"}), manager="somebody")
    refused = ask.apply(objects.config_map("settings", {"A": "2"}))
    assert refused.code == 1
    assert 'Apply failed with 1 conflict: conflict with "somebody": .data.A' in refused.err
    assert ask.get("configmap", "settings")["data"] == {"A": "1"}
    assert ask.applied(objects.config_map("settings", {"A": "2"}), "--force-conflicts")["data"] == {"A": "2"}


def test_a_dry_run_of_the_server_leaves_nothing(ask: Asking) -> None:
    """It answers with the object as it would be."""
    shown = ask.applied(objects.config_map("settings", {"A": "1"}), "--dry-run=server")
    assert shown["data"] == {"A": "1"}
    assert "NotFound" in ask.run("get", "configmap", "settings").err


def test_a_field_that_does_not_exist_is_refused(ask: Asking) -> None:
    """By its name, also deep in a template."""
    body = objects.job("migration", objects.pod_spec(objects.container("image", "pass")))
    body["spec"]["template"]["spec"]["restartPolice"] = "Never"
    refused = ask.apply(body)
    assert refused.code == 1
    assert ".spec.template.spec.restartPolice: field not declared in schema" in refused.err
    assert "NotFound" in ask.run("get", "job", "migration").err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(
            {"template": {"restartPolicy": "Always"}},
            'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
            id="restart-policy",
        ),
        pytest.param(
            {"backoffLimit": -1}, "spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0", id="limit"
        ),
        pytest.param(
            {"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0]}}]}},
            "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator",
            id="policy",
        ),
        pytest.param(
            {
                "podFailurePolicy": {
                    "rules": [
                        {
                            "action": "FailJob",
                            "onExitCodes": {"containerName": "other", "operator": "In", "values": [20]},
                        }
                    ]
                }
            },
            'spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: "other": must be one of the container'
            " or initContainer names in the pod template",
            id="policy-container",
        ),
        pytest.param(
            {
                "podFailurePolicy": {
                    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
                },
                "podReplacementPolicy": "TerminatingOrFailed",
            },
            'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"',
            id="replacement",
        ),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(ask: Asking, changes: dict[str, Any], said: str) -> None:
    """With the field and the reason, and is not there afterwards."""
    spec = {key: value for key, value in changes.items() if key != "template"}
    template = objects.pod_spec(objects.container("image", "pass")) | changes.get("template", {})
    refused = ask.apply(objects.job("migration", template, **spec))
    assert refused.code == 1
    assert said in refused.err
    assert "NotFound" in ask.run("get", "job", "migration").err


def test_the_template_of_a_job_can_not_be_changed(ask: Asking) -> None:
    """Which is why a changed Job needs another name."""
    template = objects.pod_spec(objects.container("image", "pass"))
    ask.applied(objects.job("migration", template, suspend=True))
    refused = ask.apply(objects.job("migration", objects.pod_spec(objects.container("image", "print()")), suspend=True))
    assert refused.code == 1
    assert 'The Job "migration" is invalid: spec.template: Invalid value' in refused.err
    assert "field is immutable" in refused.err


@pytest.mark.parametrize("name", ["Migration", "under_score", "x" * 64])
def test_a_name_that_is_none_is_refused(ask: Asking, name: str) -> None:
    """A Job's name has to be a label."""
    refused = ask.apply(objects.job(name, objects.pod_spec(objects.container("image", "pass")), suspend=True))
    assert refused.code == 1
    assert "Invalid value" in refused.err


def test_a_namespace_that_is_not_there_is_told(ask: Asking) -> None:
    """Whatever is applied there."""
    refused = ask.run(
        "apply", "--server-side", "--namespace=stillroom-nowhere", "-f", "-", stdin=objects.config_map("settings", {})
    )
    assert refused.code == 1
    assert 'namespaces "stillroom-nowhere" not found' in refused.err


def test_what_is_missing_is_not_found(ask: Asking) -> None:
    """With the resource's full name."""
    answer = ask.run("get", "job", "nobody")
    assert (answer.code, answer.err) == (1, 'Error from server (NotFound): jobs.batch "nobody" not found\n')


@pytest.mark.parametrize("verb", ["get", "create", "patch", "delete", "watch", "list"])
def test_rights_are_told(ask: Asking, verb: str) -> None:
    """`auth can-i` asks the server; whoever runs these tests may do all this in the namespace."""
    answer = ask.run("auth", "can-i", verb, "jobs.batch")
    assert (answer.code, answer.out) == (0, "yes\n")


def test_a_right_on_a_subresource_is_told(ask: Asking) -> None:
    """What exec needs."""
    assert ask.run("auth", "can-i", "create", "pods/exec").out == "yes\n"


def test_nobody_may_do_what_no_role_grants(place: Place, ask: Asking) -> None:
    """A service account without any role: the answer is no, and kubectl's exit code 1."""
    if place.cluster is not None:
        pytest.xfail("loopback: it has one user, and knows no --as")
    answer = ask.run("auth", "can-i", "create", "jobs.batch", "--as=system:serviceaccount:nowhere:nobody")
    assert (answer.code, answer.out) == (1, "no\n")
    refused = ask.run("get", "pods", "--as=system:serviceaccount:nowhere:nobody")
    assert refused.code == 1
    assert (
        'Error from server (Forbidden): pods is forbidden: User "system:serviceaccount:nowhere:nobody" cannot list'
        in refused.err
    )


def test_a_watch_tells_what_happens(ask: Asking) -> None:
    """One stream for all objects of a kind: what is there, then each change, to the end of the object."""
    ask.applied(objects.config_map("first", {"A": "1"}))
    with subprocess.Popen(
        ask.kubectl.arguments("get", "configmaps", "--watch", "--output-watch-events", "-o", "json", "-l", "!system"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as watching:
        assert watching.stdout is not None
        events = _events(watching.stdout)
        try:
            assert _next(events, "first") == ("ADDED", {"A": "1"})
            ask.applied(objects.config_map("second", {"B": "1"}))
            assert _next(events, "second") == ("ADDED", {"B": "1"})
            ask.applied(objects.config_map("first", {"A": "2"}))
            assert _next(events, "first") == ("MODIFIED", {"A": "2"})
            ask.run("delete", "configmap", "second")
            assert _next(events, "second") == ("DELETED", {"B": "1"})
        finally:
            watching.kill()


def _events(stream: Any) -> Any:
    """The JSON documents of a stream, one after another."""
    decoder = json.JSONDecoder()
    text = ""
    for line in iter(stream.readline, b""):
        text += line.decode()
        try:
            found, end = decoder.raw_decode(text)
        except ValueError:
            continue
        text = text[end:].lstrip()
        yield found


def _next(events: Any, name: str) -> tuple[str, dict[str, str]]:
    """Type and data of the next event of one object."""
    for event in events:
        if event["object"]["metadata"]["name"] == name:
            return event["type"], event["object"]["data"]
    raise AssertionError(f"the watch ended before {name}")


def test_the_restricted_level_refuses_a_pod(ask: Asking) -> None:
    """And names what it lacks."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "privileged"},
        "spec": {"containers": [{"name": "main", "image": "image"}]},
    }
    refused = ask.apply(pod)
    assert refused.code == 1
    assert 'pods "privileged" is forbidden: violates PodSecurity "restricted:latest"' in refused.err
    assert "allowPrivilegeEscalation != false" in refused.err


def test_the_server_is_new_enough(place: Place, ask: Asking) -> None:
    """What these tests expect is what Kubernetes answers since 1.30."""
    version = ask.run("version", "-o", "json").json["serverVersion"]
    assert (int(version["major"]), int(version["minor"].rstrip("+"))) >= (1, 30), place.name
