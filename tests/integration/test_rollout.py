"""`invoke apply --via job` against a cluster: applied in order, watched, streamed, stored, judged, told."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from stillroom import journal
from tests.conftest import NewDatabase
from tests.integration import rollouts
from tests.support.cluster import Cluster
from tests.support.cluster.fixtures import Kubectl


@pytest.fixture
def fleet(tmp_path: Path, cluster: Cluster, kubectl: Kubectl, new_database: NewDatabase) -> rollouts.Rollouts:
    """No service yet."""
    return rollouts.Rollouts(tmp_path / "checkout", cluster, kubectl, new_database)


def test_a_service_is_migrated_by_its_job(fleet: rollouts.Rollouts) -> None:
    """Its log is shown with its name before it, and stored; what the runtime did is told; the database is at head."""
    fleet.add("auth")
    fleet.written()
    ran = fleet.apply()
    assert ran.code == 0, ran.told
    assert "auth | [info] Migration job completed successfully" in ran.stderr
    assert fleet.at("auth") == ["0002"]
    (folder,) = journal.runs(fleet.folder / ".stillroom")
    found = journal.read(folder)
    assert found.last is not None
    assert (found.last["ok"], found.last["exit_code"]) == (True, 0)
    result = found.results()["auth"]
    assert (result["outcome"], result["before"], result["after"]) == ("upgraded", [], ["0002"])
    assert result["applied"] == ["0001", "0002"]
    log = (folder / "logs" / "auth.log").read_text(encoding="utf-8")
    assert "Migration job completed successfully" in log
    (job,) = fleet.jobs()
    assert result["job"] == job


def test_running_it_again_does_nothing(fleet: rollouts.Rollouts) -> None:
    """Where the database says that it is at head; no Job is made, deleted or changed, and no ConfigMap."""
    fleet.add("auth")
    fleet.written()
    assert fleet.apply().code == 0
    fleet.deploy("auth")
    before = fleet.cluster.all("Job", "default"), fleet.cluster.all("ConfigMap", "default")
    again = fleet.apply("--json")
    assert again.code == 0, again.told
    (told,) = again.json["services"]
    assert (told["action"], told["outcome"]) == ("nothing", "nothing to do")
    assert (fleet.cluster.all("Job", "default"), fleet.cluster.all("ConfigMap", "default")) == before


def test_a_restored_backup_is_migrated_again(fleet: rollouts.Rollouts) -> None:
    """The Job is complete, but the database is not at head: it is deleted and made again."""
    fleet.add("auth")
    fleet.written()
    assert fleet.apply().code == 0
    fleet.deploy("auth")
    (first,) = fleet.cluster.all("Job", "default")
    fleet.databases["auth"].execute(
        "ALTER TABLE product DROP COLUMN note; UPDATE alembic_version SET version_num = '0001'"
    )
    again = fleet.apply("--json")
    assert again.code == 0, again.told
    (told,) = again.json["services"]
    assert (told["action"], told["why"]) == ("replace", "it is complete, but the database is behind")
    assert (told["before"], told["after"], fleet.at("auth")) == (["0001"], ["0002"], ["0002"])
    (second,) = fleet.cluster.all("Job", "default")
    assert first["metadata"]["name"] == second["metadata"]["name"]
    assert first["metadata"]["uid"] != second["metadata"]["uid"]


def test_a_failed_job_is_told_and_made_again(fleet: rollouts.Rollouts) -> None:
    """In the words of the runtime, with the end of its log; mended and pushed, it is deleted and runs anew."""
    made = fleet.add("auth", history=(rollouts.FIRST, rollouts.BROKEN))
    fleet.written()
    ran = fleet.apply("--json")
    assert ran.code == 1, ran.told
    error = ran.json["services"][0]["error"]
    assert error["code"] == "revision-failed"
    assert error["message"].startswith("auth: revision 0002 failed in the database:")
    assert 'relation "nowhere" does not exist' in error["detail"]
    assert error["data"]["exit_code"] == 20
    assert Path(error["data"]["log"]).read_text(encoding="utf-8").count("Migration failed") == 1
    (failed,) = fleet.jobs()

    for file in made.versions.glob("*0002*"):
        file.unlink()
    made.add(rollouts.SECOND)
    fleet.push("auth")
    again = fleet.apply("--json")
    assert again.code == 0, again.told
    assert again.json["services"][0]["why"].startswith("it failed (")
    assert fleet.jobs() == [failed]
    assert fleet.at("auth") == ["0002"]


def test_an_image_without_the_newest_revision_is_refused(fleet: rollouts.Rollouts) -> None:
    """Migration files that were not built into it; unless an older state is meant."""
    fleet.add("auth", history=(rollouts.FIRST,)).add(rollouts.SECOND)
    fleet.written()
    ran = fleet.apply("--json")
    assert ran.code == 4, ran.told
    error = ran.json["services"][0]["error"]
    assert error["code"] == "image-lacks-revision"
    assert "this image lacks revision 0002" in error["message"]
    assert fleet.at("auth") == []
    meant = fleet.apply("--allow-stale-image")
    assert meant.code == 0, meant.told
    assert fleet.at("auth") == ["0001"]


def test_an_image_that_can_not_be_pulled_fails_at_once(fleet: rollouts.Rollouts) -> None:
    """The Job would wait until its deadline; a secret that is missing likewise."""
    fleet.add("auth", pushed=False)
    fleet.add("sales", secret={"name": "nowhere"})
    fleet.written()
    ran = fleet.apply("--json")
    assert ran.code == 1, ran.told
    auth, sales = (each["error"] for each in ran.json["services"])
    assert (auth["code"], sales["code"]) == ("image-pull", "container-config")
    assert "registry.test/auth:1" in auth["message"]
    assert 'secret "nowhere" not found' in sales["message"]


def test_a_dry_run_says_what_would_be_done(fleet: rollouts.Rollouts) -> None:
    """Nothing is applied, and nothing is written down."""
    fleet.add("auth")
    fleet.written()
    ran = fleet.run("apply", "--via", "job", "--dry-run", "--json")
    assert ran.code == 0, ran.told
    (told,) = ran.json["services"]
    assert (told["action"], told["outcome"], ran.json["dry_run"]) == ("create", "would run", True)
    assert fleet.jobs() == []
    assert journal.runs(fleet.folder / ".stillroom") == []
    unasked = fleet.run("apply", "--via", "job")
    assert unasked.code == 4, unasked.told
    assert "Run the migration Job of 1 service in default?" in unasked.stderr
    assert fleet.jobs() == []


def test_what_comes_after_a_service_that_failed_is_skipped(fleet: rollouts.Rollouts) -> None:
    """The others are done; the journal knows what is left."""
    fleet.add("auth", history=(rollouts.FIRST, rollouts.BROKEN))
    fleet.add("sales", after=["auth"])
    fleet.add("mail")
    fleet.written()
    ran = fleet.apply("--json")
    assert ran.code == 1, ran.told
    told = {each["name"]: each for each in ran.json["services"]}
    assert (told["mail"]["ok"], told["sales"]["skipped"]) == (True, "after auth")
    assert [fleet.at(each) for each in ("auth", "sales", "mail")] == [["0001"], [], ["0002"]]
    (folder,) = journal.runs(fleet.folder / ".stillroom")
    found = journal.read(folder)
    assert {name: each["ok"] for name, each in found.results().items()} == {"auth": False, "mail": True}
    assert found.unfinished() == ["sales"]


def test_an_interrupted_run_is_taken_up(fleet: rollouts.Rollouts) -> None:
    """Ctrl-C ends the watching; the Job goes on, and the next run watches that very Job."""
    fleet.add("auth", history=(rollouts.HELD,), job={"lock_timeout": "60s"})
    fleet.written()
    with fleet.databases["auth"].connect() as gate:
        gate.execute(rollouts.GATE)
        with fleet.program.running("apply", "--via", "job", "--yes") as running:
            running.until("auth | at the gate")
            running.signal(signal.SIGINT)
            ran = running.finish()
        assert ran.code == 130, ran.told
        (folder,) = journal.runs(fleet.folder / ".stillroom")
        found = journal.read(folder)
        assert found.last is not None
        assert found.last["error"]["code"] == "interrupted"
        assert found.unfinished() == ["auth"]
    again = fleet.apply("--json")
    assert again.code == 0, again.told
    assert again.json["services"][0]["action"] in ("watch", "replace")
    assert fleet.at("auth") == ["0001"]
    assert len(fleet.jobs()) == 1
