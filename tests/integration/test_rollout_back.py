"""`invoke rollback`, `invoke logs`, `invoke doctor` against a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import NewDatabase
from tests.integration import rollouts
from tests.support.cluster import Cluster
from tests.support.cluster.fixtures import Kubectl


@pytest.fixture
def fleet(tmp_path: Path, cluster: Cluster, kubectl: Kubectl, new_database: NewDatabase) -> rollouts.Rollouts:
    """No service yet."""
    return rollouts.Rollouts(tmp_path / "checkout", cluster, kubectl, new_database)


def test_a_service_goes_back_by_a_job(fleet: rollouts.Rollouts) -> None:
    """The plan is printed first; without rows nothing is lost; the database is asked afterwards; no Job is left of it."""
    fleet.add("auth")
    fleet.written()
    assert fleet.apply().code == 0
    there = fleet.jobs()
    planned = fleet.run("rollback", "--to", "0001", "--dry-run", "--json")
    assert planned.code == 0, planned.told
    (told,) = planned.json["services"]
    assert (told["outcome"], told["current"], told["target"]) == ("would roll back", ["0002"], ["0001"])
    assert told["undone"] == [{"revision": "0002", "losses": [{"name": "column:product.note", "rows": 0}]}]
    assert fleet.at("auth") == ["0002"]

    ran = fleet.run("rollback", "--to", "0001", "--yes")
    assert ran.code == 0, ran.told
    assert "undo 0002: column:product.note (0 rows)" in ran.stderr
    assert "rolled back" in ran.stdout
    assert fleet.at("auth") == ["0001"]
    assert fleet.jobs() == there
    again = fleet.run("rollback", "--to", "0001", "--yes", "--json")
    assert again.code == 0, again.told
    assert again.json["services"][0]["outcome"] == "nothing to do"


def test_rows_are_not_lost_unless_that_is_told(fleet: rollouts.Rollouts) -> None:
    """The refusal counts them, and names the option that gives them up."""
    fleet.add("auth")
    fleet.written()
    assert fleet.apply().code == 0
    fleet.databases["auth"].execute("INSERT INTO product (id, name, note) VALUES (1, 'a', 'x'), (2, 'b', 'y')")
    ran = fleet.run("rollback", "--to", "0001", "--yes", "--json")
    assert ran.code == 4, ran.told
    error = ran.json["services"][0]["error"]
    assert error["code"] == "rows-would-be-lost"
    assert "column:product.note (2 rows)" in error["message"]
    assert "--accept-loss 'column:product.note'" in error["mend"]
    assert fleet.at("auth") == ["0002"]
    meant = fleet.run("rollback", "--to", "0001", "--yes", "--accept-loss", "column:product.*")
    assert meant.code == 0, meant.told
    assert fleet.at("auth") == ["0001"]


def test_the_newer_image_has_the_way_down(fleet: rollouts.Rollouts) -> None:
    """services.yaml names the older image again; the one that last migrated is taken all the same."""
    made = fleet.add("auth", history=(rollouts.FIRST,))
    fleet.written()
    made.add(rollouts.SECOND)
    fleet.push("auth", "2")
    assert fleet.apply("--tag", "2").code == 0
    ran = fleet.run("rollback", "--to", "0001", "--yes", "--json")
    assert ran.code == 0, ran.told
    assert ran.json["services"][0]["image"] == "registry.test/auth:2"
    assert fleet.at("auth") == ["0001"]

    assert fleet.apply("--tag", "2").code == 0
    fleet.kubectl.ok("delete", "jobs", "--all")
    lost = fleet.run("rollback", "--to", "0001", "--yes", "--json")
    assert lost.code == 4, lost.told
    error = lost.json["services"][0]["error"]
    assert error["code"] == "unknown-revision"
    assert "--image" in error["mend"]
    named = fleet.run("rollback", "--to", "0001", "--yes", "--image", "registry.test/auth:2")
    assert named.code == 0, named.told
    assert fleet.at("auth") == ["0001"]


def test_a_protected_environment_is_named(fleet: rollouts.Rollouts) -> None:
    """Together with the database."""
    fleet.add("auth")
    fleet.written(protected=True)
    assert fleet.apply().code == 0
    ran = fleet.run("rollback", "--to", "base", "--yes")
    assert ran.code == 4, ran.told
    assert "--allow-protected test --expect-database" in ran.stderr
    name = fleet.databases["auth"].name
    wrong = fleet.run("rollback", "--to", "base", "--yes", "--allow-protected", "test", "--expect-database", "other")
    assert wrong.code == 4, wrong.told
    assert fleet.at("auth") == ["0002"]
    right = fleet.run("rollback", "--to", "base", "--yes", "--allow-protected", "test", "--expect-database", name)
    assert right.code == 0, right.told
    assert fleet.at("auth") == []


def test_several_go_back_in_reverse(fleet: rollouts.Rollouts) -> None:
    """The last one up is the first one down."""
    fleet.add("auth")
    fleet.add("sales", after=["auth"])
    fleet.written()
    assert fleet.apply().code == 0
    ran = fleet.run("rollback", "--to", "base", "--to", "auth=0001", "--yes", "--json")
    assert ran.code == 0, ran.told
    assert [each["name"] for each in ran.json["services"]] == ["sales", "auth"]
    ends = [database.fetch("SELECT max(started) FROM stillroom.run")[0][0] for database in fleet.databases.values()]
    assert ends[0] > ends[1]


def test_logs_of_the_newest_job(fleet: rollouts.Rollouts) -> None:
    """From the cluster; where it is gone, as the run stored them; where neither is, an error says what to run."""
    fleet.add("auth")
    fleet.written()
    nothing = fleet.run("logs", "--service", "auth")
    assert nothing.code == 1, nothing.told
    assert "invoke apply --via job --service auth" in nothing.stderr
    assert fleet.apply().code == 0
    ran = fleet.run("logs", "--service", "auth")
    assert ran.code == 0, ran.told
    assert "[info] Migration job completed successfully" in ran.stdout
    fleet.kubectl.ok("delete", "jobs", "--all")
    stored = fleet.run("logs", "--service", "auth", "--json")
    assert stored.code == 0, stored.told
    (told,) = stored.json["services"]
    assert told["stored"].endswith("/logs/auth.log")
    assert "\n".join(told["printed"]) + "\n" == ran.stdout


def test_doctor_on_one_screen(fleet: rollouts.Rollouts) -> None:
    """Before, after a failure, and when all is well: what each part says, and the next step."""
    made = fleet.add("auth", history=(rollouts.FIRST, rollouts.BROKEN))
    fleet.written()
    fleet.deploy("auth")
    before = fleet.run("doctor", "--service", "auth")
    assert before.code == 1, before.told
    assert "→ invoke apply --via job --service auth" in before.stderr

    assert fleet.apply().code == 1
    failed = fleet.run("doctor", "--service", "auth")
    assert failed.code == 1, failed.told
    assert 'last error: Migration failed: auth: revision 0002 failed in the database: relation "nowhere"' in " ".join(
        failed.stderr.split()
    )
    assert "the migration is wrong" in " ".join(failed.stdout.split())

    for file in made.versions.glob("*0002*"):
        file.unlink()
    made.add(rollouts.SECOND)
    fleet.push("auth")
    assert fleet.apply().code == 0
    fleet.deploy("auth")
    fleet.kubectl.ok("delete", "pods", "--selector=app=auth")
    well = fleet.run("doctor", "--service", "auth", "--json")
    (told,) = well.json["services"]
    rows = {each["what"]: each for each in told["rows"]}
    assert rows["job"]["level"] == "ok", well.told
    assert rows["ledger"]["level"] == "ok", well.told
