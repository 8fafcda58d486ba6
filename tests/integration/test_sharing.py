"""Services that share a database: a schema each, a version table each; and what two of them must not both have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import NewDatabase, NewRole
from tests.support import fleets, program, projects
from tests.support.postgres import Database, Role

IN_SCHEMA = """
op.create_table("{table}", sa.Column("id", sa.Integer(), primary_key=True){schema})
"""


@pytest.fixture
def owner(new_role: NewRole) -> Role:
    """Whose database it is."""
    return new_role(attributes="CREATEDB")


@pytest.fixture
def database(new_database: NewDatabase, owner: Role) -> Database:
    """The one database."""
    return new_database(owner=owner)


def making(revision: str, table: str, schema: str = "", *, more: str = "") -> projects.Revision:
    """A first revision that makes a table."""
    inside = f', schema="{schema}"' if schema else ""
    first = f"op.execute('CREATE SCHEMA IF NOT EXISTS {schema}')\n" if schema else ""
    text = first + IN_SCHEMA.format(table=table, schema=inside).strip() + more
    return projects.revision(revision, upgrade=text, downgrade=f'op.drop_table("{table}"{inside})')


def tables(database: Database) -> set[str]:
    """Every table of a database, with its schema; the ledger of migrations, which is nobody's, left out."""
    rows = database.fetch(
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information|stillroom$)'"
    )
    return {row[0] for row in rows}


def a_schema_each(folder: Path, database: Database, owner: Role) -> fleets.Fleet:
    """`auth` and `sales`, each in a schema of its own with its version table; equal revision ids."""
    fleet = fleets.Fleet(folder)
    for name in ("auth", "sales"):
        fleet.add(
            name,
            database,
            owner,
            models=projects.table("item", schema=name),
            configure=f"include_schemas=True, version_table_schema='{name}', "
            f"include_name=lambda text, kind, parents: kind != 'schema' or text == '{name}'",
            history=[making("0001", "item", name)],
            schemas=[name],
        )
        fleet.services[name].settings["database"] = "depot"
    return fleet.written()


def a_version_table_each(folder: Path, database: Database, owner: Role, **said: object) -> fleets.Fleet:
    """`auth` and `sales` in `public`, each with a version table of its own."""
    fleet = fleets.Fleet(folder)
    for name in ("auth", "sales"):
        fleet.add(
            name,
            database,
            owner,
            models=projects.table(f"{name}_item"),
            configure=f"version_table='{name}_version', "
            f"include_name=lambda text, kind, parents: kind != 'table' or text.startswith('{name}')",
            history=[making("0001", f"{name}_item")],
            version_table=f"{name}_version",
        )
        fleet.services[name].settings["database"] = "depot"
    return fleet.written()


WAYS = {
    "a-schema-each": (
        a_schema_each,
        {"auth.item", "auth.alembic_version", "sales.item", "sales.alembic_version"},
        {"sales.item", "sales.alembic_version"},
    ),
    "a-version-table-each": (
        a_version_table_each,
        {"public.auth_item", "public.auth_version", "public.sales_item", "public.sales_version"},
        {"public.sales_item", "public.sales_version"},
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_neighbours_are_left_alone_by_every_command(tmp_path: Path, way: str, database: Database, owner: Role) -> None:
    """Applied together, looked at, one emptied and applied again, one regenerated: the other stays as it was."""
    made, both, others = WAYS[way]
    fleet = made(tmp_path / "fleet", database, owner)
    for arguments in (["preflight"], ["apply", "--yes"]):
        ran = fleet.run(*arguments)
        assert ran.code == 0, ran.told
    assert tables(database) == both
    ran = fleet.run("status", "--json")
    assert [each["state"] for each in ran.json["services"]] == ["at_head", "at_head"]
    ran = fleet.run("cleanup", "--service", "auth", "--yes", "--skip-backup")
    assert ran.code == 0, ran.told
    assert others <= tables(database)
    assert {each for each in tables(database) if each.endswith("item")} == {each for each in others if "item" in each}
    for arguments in (["apply", "--yes"], ["adopt", "--dry-run"], ["regenerate", "--yes"]):
        ran = fleet.run(*arguments)
        assert ran.code == 0, ran.told
    assert tables(database) == both


def test_a_table_that_two_make_is_an_error_that_names_the_other(
    tmp_path: Path, database: Database, owner: Role
) -> None:
    """In preflight for both, and before anything is applied; a neighbour that is not selected counts."""
    fleet = a_version_table_each(tmp_path / "fleet", database, owner)
    for name in ("auth", "sales"):
        fleet.services[name].add(
            projects.revision("0002", "0001", upgrade='op.create_table("country", sa.Column("id", sa.Integer()))')
        )
    preflight = fleet.run("preflight", "--json")
    assert preflight.code == 3
    told = {each["name"]: [f for f in each["findings"] if f["level"] == "error"] for each in preflight.json["services"]}
    assert [each["data"]["code"] for each in told["auth"]] == ["table-shared"]
    assert "sales" in told["auth"][0]["message"]
    assert "public.country" in told["sales"][0]["message"]
    ran = fleet.run("apply", "--yes", "--service", "sales", "--json")
    error = ran.json["services"][0]["error"]
    assert (ran.code, error["code"], error["data"]["with"]) == (4, "table-shared", "auth")
    assert "after: [auth]" in error["mend"]
    assert tables(database) == set()


def test_the_second_may_look_first(tmp_path: Path, database: Database, owner: Role) -> None:
    """A revision that makes the table only where it is not there is no clash, if the registry puts it second."""
    fleet = a_version_table_each(tmp_path / "fleet", database, owner)
    fleet.services["auth"].add(
        projects.revision("0002", "0001", upgrade='op.create_table("country", sa.Column("id", sa.Integer()))')
    )
    fleet.services["sales"].add(
        projects.revision("0002", "0001", upgrade='op.execute("CREATE TABLE IF NOT EXISTS country (id int)")')
    )
    ran = fleet.run("apply", "--yes", "--json")
    assert ran.json["services"][0]["error"]["mend"].endswith("for sales: after: [auth]")
    assert tables(database) == set()
    fleet.services["sales"].settings["after"] = ["auth"]
    ran = fleet.written().run("apply", "--yes")
    assert ran.code == 0, ran.told
    assert "public.country" in tables(database)


def one_version_table(folder: Path, database: Database, owner: Role) -> fleets.Fleet:
    """`auth` and `sales`, each with tables in a schema of its own, that both note revisions in `public`."""
    fleet = fleets.Fleet(folder)
    for name in ("auth", "sales"):
        fleet.add(
            name,
            database,
            owner,
            models=projects.table("item", schema=name),
            configure="include_schemas=True",
            history=[making(f"{name}1", "item", name)],
            schemas=[name],
        )
        fleet.services[name].settings["database"] = "depot"
    return fleet.written()


def test_one_version_table_for_two_is_an_error_with_its_mend(tmp_path: Path, database: Database, owner: Role) -> None:
    """Before anything is applied; also when the other one is there already, or is not selected."""
    fleet = one_version_table(tmp_path / "fleet", database, owner)
    ran = fleet.run("preflight", "--json")
    assert ran.code == 3
    codes = [f["data"].get("code") for each in ran.json["services"] for f in each["findings"] if f["level"] == "error"]
    assert codes == ["version-table-shared", "version-table-shared"], preflight_errors(ran)
    ran = fleet.run("apply", "--yes", "--json")
    assert {each["error"]["code"] for each in ran.json["services"]} == {"version-table-shared"}
    assert "version_table: auth_alembic_version" in ran.json["services"][0]["error"]["mend"]
    assert tables(database) == set()
    database.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    database.execute("INSERT INTO alembic_version VALUES ('auth1')")
    database.execute(f"ALTER TABLE alembic_version OWNER TO {owner.name}")
    in_place = ["regenerate", "--yes", "--reset-in-place", "--skip-backup", "--ignore-preflight"]
    for command in (["apply", "--yes"], ["adopt", "--yes"], ["cleanup", "--yes", "--skip-backup"], in_place):
        ran = fleet.run(*command, "--service", "sales", "--json")
        error = ran.json["services"][0]["error"]
        assert (ran.code, error["code"]) == (4, "version-table-shared"), ran.told
        assert error["data"] == {"with": "auth", "table": "public.alembic_version"}
    assert database.fetch("SELECT version_num FROM alembic_version") == [("auth1",)]
    (status,) = fleet.run("status", "--service", "sales", "--json").json["services"]
    assert "public.alembic_version" in status["message"]
    assert "version_table: sales_alembic_version" in status["mend"]


def preflight_errors(ran: program.Ran) -> list[str]:
    """What preflight says is wrong."""
    return [
        f"{each['name']}, {f['check']}: {f['message']}"
        for each in ran.json["services"]
        for f in each["findings"]
        if f["level"] == "error"
    ]
