"""What models do not show dies in a regeneration: it is named, carried over, or given up by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stillroom.runtime import faults
from stillroom.runtime.connections import sqltext
from tests.conftest import NewDatabase, NewRole
from tests.support import asking, projects
from tests.support.postgres import Database

TABLE = """op.create_table(
    'product', sa.Column('id', sa.Integer, primary_key=True), sa.Column('name', sa.String, nullable=False)
)"""


@pytest.fixture(scope="module")
def ask() -> Iterator[asking.Asker]:
    """The runtime on this machine."""
    asker = asking.Asker()
    yield asker
    asker.close()


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """An empty database."""
    return new_database()


def shop_with(tmp_path: Path, *statements: str, models: str | None = None, **more: object) -> projects.Made:
    """A service whose history makes its table, and then what these statements make."""
    executed = "\n".join(f"op.execute({sqltext.for_text(statement)!r})" for statement in statements)
    first = projects.revision("0001", upgrade=TABLE, downgrade="op.drop_table('product')")
    second = projects.revision("0002", "0001", upgrade=executed or "pass")
    return projects.make_service(tmp_path / "shop", models=models, history=[first, second], **more)  # type: ignore[arg-type]


HIDDEN = {
    "function:public.one()": ["CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'"],
    "view:public.names": ["CREATE VIEW names AS SELECT name FROM product WHERE name <> ':x'"],
    "trigger:public.product.touch": [
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.name := NEW.name || ':b'; RETURN NEW; END $$",
        "CREATE TRIGGER touch BEFORE UPDATE ON product FOR EACH ROW EXECUTE FUNCTION touch()",
    ],
    "index:public.product_lower": ["CREATE INDEX product_lower ON product (lower(name)) WHERE id > 0"],
    "constraint:public.product.name_is_short": [
        "ALTER TABLE product ADD CONSTRAINT name_is_short CHECK (length(name) < 100)"
    ],
    "column:public.product.legacy": ["ALTER TABLE product ADD COLUMN legacy text"],
    "table:public.log_2026": [
        "CREATE TABLE log (at date NOT NULL, line text) PARTITION BY RANGE (at)",
        "CREATE TABLE log_2026 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    ],
    "policy:public.product.own": [
        "ALTER TABLE product ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON product USING (name = current_user)",
    ],
    "acl:table public.product to PUBLIC": ["GRANT SELECT ON product TO PUBLIC"],
    "data:public.product": ["INSERT INTO product (id, name) VALUES (1, 'bread: rye'), (2, 'o''clock')"],
    "sequence:public.numbers": ["CREATE SEQUENCE numbers START 500"],
    "comment:table public.product": ["COMMENT ON TABLE product IS 'what: we sell'"],
    "domain:public.percent": ["CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100)"],
    "materialized_view:public.totals": ["CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM product"],
}


@pytest.mark.parametrize("name", HIDDEN, ids=[name.partition(":")[0] for name in HIDDEN])
def test_what_a_baseline_lacks_refuses_by_name(
    ask: asking.Asker, tmp_path: Path, database: Database, name: str
) -> None:
    """Each kind: refused by its name; carried over it is there, proven; given up by name it is gone."""
    shop = shop_with(tmp_path, *HIDDEN[name])
    with pytest.raises(faults.RefusedFault) as caught:
        ask(shop, database.asyncpg, "generate")
    assert caught.value.code == "would-lose"
    assert name in caught.value.data["names"]
    assert "--carry-over" in caught.value.mend

    carried = ask(shop, database.asyncpg, "generate", carry_over=True)
    assert carried["proof"]["again"] > 0

    accepted = ask(shop, database.asyncpg, "generate", accept_loss=caught.value.data["names"])
    assert accepted["loss"]["names"] == caught.value.data["names"]
    assert len(accepted["file"]["content"]) < len(carried["file"]["content"])


def test_carried_rows_and_sequences_are_right(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """Rows come back with their values, and the next one gets the next number."""
    shop = shop_with(tmp_path, "INSERT INTO product (name) VALUES ('a'), ('b: c'), (E'line\\nbreak')")
    made = ask(shop, database.asyncpg, "generate", carry_over=True)
    for file in shop.versions.glob("*.py"):
        file.unlink()
    (shop.versions / made["file"]["name"]).write_text(made["file"]["content"])
    ask(shop, database.asyncpg, "upgrade")
    assert database.fetch("SELECT id, name FROM product ORDER BY id") == [(1, "a"), (2, "b: c"), (3, "line\nbreak")]
    database.execute("INSERT INTO product (name) VALUES ('next')")
    assert database.fetch("SELECT max(id) FROM product") == [(4,)]


def test_accepting_by_pattern_and_only_what_was_named(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A glob gives up several; what it does not cover still refuses."""
    shop = shop_with(tmp_path, *HIDDEN["view:public.names"], *HIDDEN["function:public.one()"])
    with pytest.raises(faults.RefusedFault) as caught:
        ask(shop, database.asyncpg, "generate", accept_loss=["view:*", "owner:view *"])
    assert [name for name in caught.value.data["names"] if name.startswith("view:")] == []
    assert [name for name in caught.value.data["names"] if name.startswith("function:")] == ["function:public.one()"]
    assert ask(shop, database.asyncpg, "generate", accept_loss=["*"])["revision"]


def test_a_grant_to_a_role_is_seen(ask: asking.Asker, tmp_path: Path, database: Database, new_role: NewRole) -> None:
    """Rights that the history gives are part of its outcome (K17)."""
    role = new_role()
    shop = shop_with(tmp_path, f"GRANT SELECT ON product TO {role.name}")
    with pytest.raises(faults.RefusedFault) as caught:
        ask(shop, database.asyncpg, "generate")
    assert f"acl:table public.product to {role.name}" in caught.value.data["names"]


def test_the_difference_is_told(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """What models changed since is no loss, and is printed."""
    models = projects.table("product", "name: Mapped[str | None]", "price: Mapped[int | None]")
    shop = shop_with(tmp_path, models=models)
    made = ask(shop, database.asyncpg, "generate")
    lines = "\n".join(made["loss"]["difference"])
    assert "+ column public.product.price" in lines
    assert "~ column public.product.name" in lines
    assert "scratch" not in lines, "how the scratch databases themselves are marked is no difference"
    assert made["loss"]["names"] == []
    assert made["replaced"] == ["0001_.py", "0002_.py"]


def test_a_history_that_does_not_replay_can_not_be_judged(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """A check that can't be evaluated is an error, until it is given up by name."""
    shop = shop_with(tmp_path, "SELECT no_such_function()")
    with pytest.raises(faults.RefusedFault) as caught:
        ask(shop, database.asyncpg, "generate")
    assert caught.value.code == "history-unreplayable"
    made, heard = ask.heard(shop, database.asyncpg, "generate", accept_loss=["history:unreplayable"])
    assert made["revision"]
    assert any("given up" in warning for warning in heard.warnings)


def test_the_same_history_is_unchanged(ask: asking.Asker, tmp_path: Path, database: Database) -> None:
    """A baseline that is there already is not compared with itself."""
    shop = projects.make_service(tmp_path / "shop")
    made = ask(shop, database.asyncpg, "generate")
    (shop.versions / made["file"]["name"]).write_text(made["file"]["content"])
    again = ask(shop, database.asyncpg, "generate")
    assert again["file"] == made["file"]
    assert again["loss"] is None


def test_rows_are_carried_past_the_triggers_that_would_change_them(
    ask: asking.Asker, tmp_path: Path, database: Database
) -> None:
    """A trigger that the history replaced later does not touch the rows again, and nobody's role is written down."""
    body = "$$ BEGIN NEW.name := {}; RETURN NEW; END $$"
    function = f"CREATE OR REPLACE FUNCTION cry() RETURNS trigger LANGUAGE plpgsql AS {body}"
    shop = shop_with(
        tmp_path,
        function.format("upper(NEW.name)"),
        "CREATE TRIGGER cry BEFORE INSERT ON product FOR EACH ROW EXECUTE FUNCTION cry()",
        "INSERT INTO product (name) VALUES ('ann')",
        function.format("NEW.name || '!'"),
        "CREATE TABLE legacy (n int)",
        "INSERT INTO legacy VALUES (1), (2)",
        "CREATE MATERIALIZED VIEW total AS SELECT sum(n) AS n FROM legacy",
    )
    made = ask(shop, database.asyncpg, "generate", carry_over=True)
    assert "OWNER TO" not in made["file"]["content"]
    for file in shop.versions.glob("*.py"):
        file.unlink()
    (shop.versions / made["file"]["name"]).write_text(made["file"]["content"])
    ask(shop, database.asyncpg, "upgrade")
    assert database.fetch("SELECT name FROM product") == [("ANN",)]
    assert database.fetch("SELECT n FROM legacy ORDER BY n") == [(1,), (2,)]
    assert database.fetch("SELECT n FROM total") == [(3,)]
