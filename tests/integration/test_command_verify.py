"""`invoke verify` and `invoke history`, as people type them, over databases that `invoke apply` brought somewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NewDatabase
from tests.support import fleets, projects
from tests.support.postgres import Database, Role

CREATE = "op.create_table('product', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String))"
FIRST = projects.revision("0001", upgrade=CREATE, downgrade="op.drop_table('product')")
SECOND = projects.revision("0002", "0001", upgrade="op.drop_column('product', 'name')")


@pytest.fixture
def database(new_database: NewDatabase, owner: Role) -> Database:
    """Its owner may keep a ledger there."""
    return new_database(owner=owner)


@pytest.fixture
def fleet(tmp_path: Path, database: Database, new_database: NewDatabase, owner: Role) -> fleets.Fleet:
    """Two services with a history of two revisions, a database each."""
    made = fleets.Fleet(tmp_path / "fleet")
    models = projects.table("product")
    made.add("shop", database, owner, models=models, history=[FIRST, SECOND])
    return made.add("mill", new_database(owner=owner), owner, models=models, history=[FIRST, SECOND]).written()


def test_from_empty_to_proven(fleet: fleets.Fleet, database: Database, owner: Role) -> None:
    """Not ready, then ready; with depth, what was changed by hand is named; and who did what is on record."""
    empty = fleet.run("verify")
    assert empty.code == 1 and "empty" in empty.stdout, empty.told
    assert "DB not ready: Database is empty" in empty.stderr
    assert "run invoke apply --service shop, or look why" in empty.stderr and "stillroom.runtime" not in empty.stderr
    nothing = fleet.run("history", "--service", "shop")
    assert nothing.code == 0 and f"{database.name}: there is no ledger yet" in nothing.stderr, nothing.told
    assert fleet.run("apply", "--to", "0001", "--yes").code == 0
    behind = fleet.run("verify", "--service", "shop", "--json")
    assert behind.code == 1, behind.told
    (told,) = behind.json["services"]
    assert (told["error"]["code"], told["error"]["data"]["pending"]) == ("database-behind", ["0002"])
    assert fleet.run("apply", "--yes").code == 0
    ready = fleet.run("verify", "--deep", "--json")
    assert ready.code == 0, ready.told
    assert [(each["state"], each["deep"], each["tables"]) for each in ready.json["services"]] == [
        ("at_head", True, 1)
    ] * 2
    database.execute("ALTER TABLE product ADD note text", role=owner)
    assert fleet.run("verify").code == 0
    drifted = fleet.run("verify", "--deep")
    assert drifted.code == 1
    assert drifted.stderr.count("column public.product.note is not of the migrations (text)") == 1, drifted.told


def test_history(fleet: fleets.Fleet) -> None:
    """The runs, the newest first: from where to where, what they applied and of which kind; a failed one with its error."""
    assert fleet.run("apply", "--to", "0001", "--yes", "--service", "shop").code == 0
    assert fleet.run("apply", "--yes", "--service", "shop").code == 0
    ran = fleet.run("history", "--service", "shop", "--json", variables={"STILLROOM_ACTOR": "nobody asks"})
    assert ran.code == 0, ran.told
    (told,) = ran.json["services"]
    newest, first = told["runs"][:2]
    assert (newest["from_revisions"], newest["to_revisions"], newest["outcome"]) == (["0001"], ["0002"], "done")
    assert [(each["revision"], each["kind"]) for each in newest["applied"]] == [("0002", "contract")]
    assert [(each["revision"], each["kind"]) for each in first["applied"]] == [("0001", "expand")]
    assert newest["started"] and newest["seconds"] >= 0 and newest["host"] and newest["actor"]
    shown = fleet.run("history", "--service", "shop", "--most", "1")
    assert "1 (1 contract)" in shown.stdout and shown.stdout.count("done") == 1, shown.told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("verify", "--ahead", "maybe"), "give allow or refuse"), (("history", "--most", "all"), "a whole number")],
)
def test_wrong_use(fleet: fleets.Fleet, arguments: tuple[str, ...], told: str) -> None:
    """Exit 2, before anybody is asked."""
    ran = fleet.run(*arguments)
    assert ran.code == 2 and told in ran.stderr, ran.told


def test_alembic_does_not_see_the_ledger(fleet: fleets.Fleet, database: Database, owner: Role) -> None:
    """Beside a ledger, Alembic's own check finds nothing; nor do our own counts and comparisons."""
    assert fleet.run("apply", "--yes").code == 0
    assert database.fetch("SELECT count(*) FROM stillroom.run") == [(1,)]
    variables = {**os.environ, "SHOP_DATABASE_URL": database.url(role=owner)}
    command = [sys.executable, "-m", "alembic", "check"]
    checked = subprocess.run(command, cwd=fleet.folder / "shop", env=variables, capture_output=True, text=True)
    assert checked.returncode == 0 and "No new upgrade operations detected" in checked.stdout, checked
    (found,) = fleet.run("status", "--service", "shop", "--json").json["services"]
    assert (found["state"], found["tables"]) == ("at_head", 1)
    assert fleet.run("preflight", "--service", "shop").code == 0
    cleaned = fleet.run("cleanup", "--service", "shop", "--yes", "--json")
    assert cleaned.code == 0 and "stillroom" not in cleaned.stdout, cleaned.told
    assert database.fetch("SELECT count(*) FROM stillroom.run") == [(1,)]
