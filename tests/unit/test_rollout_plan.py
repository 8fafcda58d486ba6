"""What is done about a service's Job, by what is there; and Jobs made from its migration Job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stillroom import errors
from stillroom.registry import load, model
from stillroom.rollout import bodies, judging, plan, rolling_back
from tests.unit import rollout_objects as kube

_HEADS = ("0002",)
_AT_HEAD = plan.Standing("at_head", _HEADS)


def _job(*conditions: str) -> judging.Job:
    return judging.Job.from_object(kube.job(*conditions))


@pytest.mark.parametrize(
    ("conditions", "standing", "action"),
    [
        (None, None, plan.CREATE),
        ([], None, plan.WATCH),
        (["Suspended"], None, plan.WATCH),
        (["Failed:BackoffLimitExceeded"], None, plan.REPLACE),
        (["Complete"], _AT_HEAD, plan.NOTHING),
        (["Complete"], plan.Standing("behind", _HEADS), plan.REPLACE),
        (["Complete"], plan.Standing("empty", _HEADS), plan.REPLACE),
        (["Complete"], plan.Standing("ahead", _HEADS), plan.REPLACE),
        (["Complete"], plan.Standing("at_head", ("0001",)), plan.REPLACE),
        (["Complete"], plan.Standing("at_head", ("0001", "0002")), plan.REPLACE),
        (["Complete"], plan.Standing("", why="no pod"), plan.REPLACE),
        (["Complete"], None, plan.REPLACE),
    ],
)
def test_a_complete_job_is_left_alone_only_where_the_database_says_so(
    conditions: list[str] | None, standing: plan.Standing | None, action: str
) -> None:
    """A restored backup is not at head; a pod of an older image knows other heads; who does not answer says nothing."""
    found = None if conditions is None else _job(*conditions)
    assert plan.decide(found, standing, _HEADS, rerun=False)[0] == action


def test_heads_that_are_not_asked_for_are_not_compared() -> None:
    """With --allow-stale-image."""
    assert plan.decide(_job("Complete"), plan.Standing("at_head", ("0001",)), (), rerun=False)[0] == plan.NOTHING


@pytest.mark.parametrize("conditions", [[], ["Complete"], ["Failed:X"]])
def test_rerun_makes_it_again(conditions: list[str]) -> None:
    """Whatever became of the one that is there."""
    assert plan.decide(_job(*conditions), _AT_HEAD, _HEADS, rerun=True) == (plan.REPLACE, "--rerun")


def test_a_job_that_is_being_deleted_is_made_again() -> None:
    """It would be taken for one that runs."""
    value = kube.job()
    value["metadata"]["deletionTimestamp"] = "2026-11-22T20:00:05Z"
    assert plan.decide(judging.Job.from_object(value), None, _HEADS, rerun=False)[0] == plan.REPLACE


def _migration(command: list[str], **container: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "auth-migration-0a1b2c3d",
            "labels": {
                "stillroom.dev/service": "auth",
                "app.kubernetes.io/component": "migration",
                "stillroom.dev/content": "0a1b2c3d",
            },
        },
        "spec": {
            "backoffLimit": 2,
            "podFailurePolicy": {"rules": []},
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/component": "migration"}},
                "spec": {
                    "initContainers": [
                        {"name": "proxy", "image": "proxy:1"},
                        {"name": "wait-for-database", "image": "bakery/auth:2"},
                    ],
                    "containers": [
                        {"name": "migration", "image": "bakery/auth:2", "command": command, **container},
                    ],
                },
            },
        },
    }


def _main(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["spec"]["template"]["spec"]["containers"][0]
    return found


def test_the_job_of_a_run_expects_the_heads_of_the_checkout() -> None:
    """With who asked in the place of the template's word, under a name of its own; the body given stays as it is."""
    given = _migration(["python"], env=[{"name": "STILLROOM_ACTOR", "valueFrom": {}}, {"name": "A", "value": "b"}])
    made = bodies.for_run(given, ["0002", "0003"], "kim@desk")
    name = bodies.applied_name(given["metadata"]["name"])
    assert name != given["metadata"]["name"]
    assert made["metadata"] == {**given["metadata"], "name": name}
    assert _main(made)["env"] == [
        {"name": "A", "value": "b"},
        {"name": "STILLROOM_ACTOR", "value": "kim@desk"},
        {"name": "STILLROOM_TERMINATION_LOG", "value": "/dev/termination-log"},
        {"name": "STILLROOM_EXPECTED_HEADS", "value": "0002,0003"},
    ]
    assert len(_main(given)["env"]) == 2
    assert "STILLROOM_EXPECTED_HEADS" not in str(bodies.for_run(given, [], "kim@desk"))


@pytest.mark.parametrize(
    ("command", "made"),
    [
        (
            ["python", "-m", "stillroom.runtime", "migrate"],
            ["python", "-m", "stillroom.runtime", "downgrade", "--to", "1"],
        ),
        (
            ["python", "/opt/stillroom/runtime.zip", "migrate", "--config", "db/alembic.ini", "--models", "app.models"],
            ["python", "/opt/stillroom/runtime.zip", "downgrade", "--to", "1", "--config", "db/alembic.ini"],
        ),
    ],
)
def test_another_command_takes_the_place_of_migrate(command: list[str], made: list[str]) -> None:
    """It is told which project it is about, and nothing that only migrating knows; one attempt, and another name."""
    body = bodies.other_command(_migration(command), "rollback", "abc123", ["downgrade", "--to", "1"], actor="kim@desk")
    assert _main(body)["command"] == made
    assert body["metadata"]["name"] == "auth-rollback-abc123"
    assert body["metadata"]["labels"] == {"stillroom.dev/service": "auth", "app.kubernetes.io/component": "rollback"}
    # Network policies choose pods by that label.
    assert body["spec"]["template"]["metadata"]["labels"] == {"app.kubernetes.io/component": "migration"}
    assert body["spec"]["backoffLimit"] == 0
    assert "podFailurePolicy" not in body["spec"]


def test_arguments_that_stand_under_args_are_found() -> None:
    """A template of a team's own may lay it out so."""
    body = _migration(["python", "-m", "stillroom.runtime"], args=["migrate"])
    made = bodies.other_command(body, "verify", "abc123", ["verify", "--json"], actor="x")
    assert (_main(made)["command"], _main(made)["args"]) == (
        ["python", "-m", "stillroom.runtime"],
        ["verify", "--json"],
    )


def test_a_job_that_runs_something_else_can_not_go_back() -> None:
    """It is not guessed what would."""
    with pytest.raises(errors.StillroomError, match="does not run `migrate`"):
        bodies.other_command(_migration(["alembic", "upgrade", "head"]), "rollback", "a", ["downgrade"], actor="x")


def test_another_image_takes_the_place_of_the_migrations_alone() -> None:
    """A sidecar keeps its own."""
    body = bodies.other_command(_migration(["migrate"]), "rollback", "a", ["x"], image="bakery/auth:3", actor="x")
    images = [each["image"] for each in bodies._containers(body)]
    assert images == ["proxy:1", "bakery/auth:3", "bakery/auth:3"]


def test_a_long_name_is_cut() -> None:
    """A Job's name has at most 63 characters; that its end is unique matters more."""
    body = _migration(["migrate"])
    body["metadata"]["labels"]["stillroom.dev/service"] = "a" * 63
    name = bodies.other_command(body, "rollback", "abc123", ["x"], actor="x")["metadata"]["name"]
    assert len(name) == 63
    assert name.endswith("a-rollback-abc123")


@pytest.fixture
def fleet(tmp_path: Path) -> model.Fleet:
    """Four services: auth before tenant before orders, and mail by itself."""
    text = "services:\n"
    for name, after in (("auth", ""), ("tenant", "auth"), ("orders", "tenant"), ("mail", "")):
        (tmp_path / name).mkdir()
        text += f"  {name}:\n    path: {name}\n" + (f"    after: [{after}]\n" if after else "")
    (tmp_path / "services.yaml").write_text(text, encoding="utf-8")
    return load.load(tmp_path / "services.yaml")


def test_the_last_one_up_is_the_first_one_down(fleet: model.Fleet) -> None:
    """Also where the one between is not asked for."""
    services = [fleet.service(each) for each in ("auth", "orders", "mail")]
    back = rolling_back.reversed_order(services, fleet.services)
    assert [(each.name, each.after) for each in back if each.name != "mail"] == [("orders", ()), ("auth", ("orders",))]


@pytest.mark.parametrize(
    ("to", "found"),
    [
        (["base"], {"auth": "base", "mail": "base"}),
        (["auth=0001", "mail=0002"], {"auth": "0001", "mail": "0002"}),
        (["base", "mail=0003"], {"auth": "base", "mail": "0003"}),
    ],
)
def test_where_each_goes_back_to(fleet: model.Fleet, to: list[str], found: dict[str, str]) -> None:
    """A revision is one of a single service; base holds for all."""
    assert rolling_back.targets([fleet.service("auth"), fleet.service("mail")], to) == found


@pytest.mark.parametrize("to", [[], ["0001"], ["auth=0001"], ["orders=0001", "base"]])
def test_where_it_goes_back_to_has_to_be_said(fleet: model.Fleet, to: list[str]) -> None:
    """For each, and for no other."""
    with pytest.raises(errors.UsageError):
        rolling_back.targets([fleet.service("auth"), fleet.service("mail")], to)


def test_a_single_service_goes_back_to_a_revision(fleet: model.Fleet) -> None:
    """Its name need not be said."""
    assert rolling_back.targets([fleet.service("auth")], ["0001"]) == {"auth": "0001"}
