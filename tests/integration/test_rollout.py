"""`invoke apply --via job` against a cluster: applied in order, watched, streamed, stored, judged, told."""

from __future__ import annotations

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
