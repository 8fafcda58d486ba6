"""`invoke status`, `apply`, `adopt` and `revision`, as people type them. (Each refusal by its cause: test_apply, …)"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import NewDatabase
from tests.integration.conftest import SHOP
from tests.integration.test_runtime_migrate_lock import locked
from tests.support import fleets, projects
from tests.support.postgres import Database, Role

FIRST = projects.revision(
    "0001",
    upgrade="op.create_table('product', sa.Column('id', sa.Integer, primary_key=True), "
    "sa.Column('name', sa.String, nullable=False))",
    downgrade="op.drop_table('product')",
)
SECOND = projects.revision(
    "0002",
    "0001",
    upgrade="op.add_column('product', sa.Column('note', sa.String))",
    downgrade="op.drop_column('product', 'note')",
)


@pytest.fixture
def database(new_database: NewDatabase, owner: Role) -> Database:
    """That of `shop`."""
    return new_database(owner=owner)


@pytest.fixture
def product(tmp_path: Path, database: Database, owner: Role) -> fleets.Fleet:
    """One service, `shop`, with a history of two revisions that says the same as its models."""
    models = projects.table("product", "name: Mapped[str]", "note: Mapped[str | None]")
    fleet = fleets.Fleet(tmp_path / "fleet")
    return fleet.add("shop", database, owner, models=models, history=[FIRST, SECOND]).written()


def state(fleet: fleets.Fleet) -> str:
    """What status says of the one service."""
    (found,) = fleet.run("status", "--json").json["services"]
    return str(found["state"])


def test_how_long_another_migrator_is_waited_for(product: fleets.Fleet, database: Database) -> None:
    """`--lock-wait` bounds it, and who holds the lock is told; a value that is none is wrong use."""
    with locked(database) as pid:
        ran = product.run("apply", "--yes", "--lock-wait", "0.2")
    assert ran.code == 1 and f"was not to be had within 0.2 s: it is held by session {pid}" in ran.stderr, ran.told
    wrong = product.run("apply", "--yes", "--lock-wait", "soon")
    assert wrong.code == 2 and "--lock-wait soon" in wrong.stderr, wrong.told


def test_a_life_from_empty_to_head(product: fleets.Fleet) -> None:
    """The states of status on the way; apply shows what it would run, asks, and is asked only where there is something."""
    (found,) = product.run("status", "--json").json["services"]
    assert {key: found[key] for key in ("name", "state", "revision", "head", "tables")} == {
        "name": "shop",
        "state": "empty",
        "revision": None,
        "head": "0002",
        "tables": 0,
    }
    with product.untouched():
        unasked = product.run("apply")
        assert unasked.code == 4, unasked.told
        assert "Apply 2 revisions of 1 service to 127.0.0.1:" in unasked.stderr
        assert "--yes" in unasked.stderr.splitlines()[-1]
    half = product.run("apply", "--to", "0001", "--yes", "--json")
    assert half.code == 0, half.told
    assert [each["revision"] for each in half.json["services"][0]["applied"]] == ["0001"]
    ran = product.run("status")
    assert ran.code == 0, ran.told
    assert "behind" in ran.stdout
    assert product.run("apply", "--yes").code == 0
    assert state(product) == "at_head"
    with product.untouched():
        again = product.run("apply")
        assert again.code == 0, again.told
        assert "nothing to do" in again.stdout


def test_a_dry_run_of_apply_prints_the_sql_and_touches_nothing(product: fleets.Fleet) -> None:
    """A script for psql on standard output; the scratch database is gone."""
    with product.untouched():
        ran = product.run("apply", "--dry-run")
        assert ran.code == 0, ran.told
        assert "CREATE TABLE product" in ran.stdout
        assert "ALTER TABLE product ADD COLUMN note" in ran.stdout
        document = product.run("apply", "--dry-run", "--json").json
        assert document["dry_run"]
    assert product.leftovers() == []
    product.databases["shop"].psql(f"SET ROLE {product.roles['shop'].name};\n{ran.stdout}")
    assert state(product) == "at_head"


def test_an_unknown_revision_is_told(product: fleets.Fleet) -> None:
    """And nothing is applied."""
    with product.untouched():
        ran = product.run("apply", "--to", "0009", "--yes")
        assert ran.code in (1, 2, 4), ran.told
        assert "0009" in ran.stderr
        assert "→" in ran.stderr


def test_tables_without_a_stamp_are_adopted_only_if_they_are_the_same(product: fleets.Fleet, owner: Role) -> None:
    """What create_all() made: apply refuses and names adopt; adopt refuses what differs, with the difference."""
    database = product.databases["shop"]
    database.execute("CREATE TABLE product (id serial PRIMARY KEY, name varchar NOT NULL)", role=owner)
    with product.untouched():
        refused = product.run("apply", "--yes")
        assert refused.code == 4, refused.told
        assert "invoke cleanup --service shop" in refused.stderr
        differs = product.run("adopt", "--yes")
        assert differs.code == 4, differs.told
        assert "product.note" in differs.stderr
    database.execute("ALTER TABLE product ADD COLUMN note varchar", role=owner)
    offered = product.run("apply", "--yes")
    assert offered.code == 4, offered.told
    assert "invoke adopt --service shop" in offered.stderr
    unasked = product.run("adopt")
    assert unasked.code == 4, unasked.told
    assert "Stamp the databases of shop?" in unasked.stderr
    assert product.run("adopt", "--dry-run").code == 0
    assert state(product) == "unversioned"
    assert product.run("adopt", "--yes").code == 0
    assert state(product) == "at_head"


def test_a_stamp_that_the_code_does_not_know_names_both_ways_out(product: fleets.Fleet) -> None:
    """After a regeneration elsewhere, or the wrong branch."""
    assert product.run("apply", "--yes").code == 0
    product.databases["shop"].execute("UPDATE alembic_version SET version_num = 'f00'")
    with product.untouched():
        ran = product.run("apply", "--yes")
    assert ran.code == 4, ran.told
    assert "f00" in ran.stderr
    assert "invoke adopt" in ran.stderr
    assert "invoke cleanup" in ran.stderr


def test_revision_adds_one_for_what_changed(auth: fleets.Fleet) -> None:
    """A message is needed; no changes write nothing; the new file is proven, and applies."""
    assert auth.run("regenerate", "--apply", "--yes").code == 0
    with auth.untouched():
        wrong = auth.run("revision")
        assert (wrong.code, "--message" in wrong.stderr) == (2, True), wrong.told
        nothing = auth.run("revision", "--message", "nothing")
        assert nothing.code == 0, nothing.told
        assert "no changes" in nothing.stdout
    old = auth.history("auth")
    auth.services["auth"].write_models(SHOP + projects.table("extra", "word: Mapped[str]"))
    ran = auth.run("revision", "--message", "More words", "--json")
    assert ran.code == 0, ran.told
    new = {name: text for name, text in auth.history("auth").items() if name not in old}
    ((name, text),) = new.items()
    assert name.endswith("_more_words.py")
    assert "op.create_table('extra'" in text
    assert old.items() < auth.history("auth").items()
    assert auth.run("apply", "--yes").code == 0
    assert state(auth) == "at_head"
    with auth.untouched():
        assert auth.run("revision", "--message", "More words").code == 0


def test_services_are_applied_in_the_order_of_the_registry(
    tmp_path: Path, new_database: NewDatabase, owner: Role
) -> None:
    """What comes `after` one that failed is skipped, and said to be; --fail-fast skips the others, too."""
    fleet = fleets.Fleet(tmp_path / "fleet")
    broken = projects.revision("0001", upgrade="op.execute('SELECT 1/0')")
    sound = projects.revision("0001", upgrade="op.execute('CREATE TABLE product (id int, name text)')")
    for name, history, after in (("auth", broken, []), ("orders", sound, ["auth"]), ("sales", sound, [])):
        fleet.add(name, new_database(owner=owner), owner, history=[history], after=after)
    fleet.written()
    ran = fleet.run("apply", "--yes")
    assert ran.code == 1, ran.told
    assert "division by zero" in ran.stderr
    assert "skipped: orders (after auth)" in ran.stderr
    states = [each["state"] for each in fleet.run("status", "--json").json["services"]]
    assert states == ["empty", "empty", "at_head"]
