"""What counts as a difference between a database and what its history makes; what looks like a rename."""

from __future__ import annotations

import datetime

import pytest

from stillroom.runtime import facts
from stillroom.runtime.applying import matching
from stillroom.runtime.generation import revise
from stillroom.runtime.projects import project
from stillroom.runtime.schema import catalog

TABLE = project.VersionTable()


def service(**said: object) -> facts.ServiceFacts:
    """Facts of a service."""
    return facts.ServiceFacts.from_dict({"name": "shop", "path": "/", "config": "/alembic.ini", **said})


def table(name: str, *columns: str) -> list[catalog.Item]:
    """A table with text columns."""
    schema = name.partition(".")[0]
    return [
        catalog.Item("table", name, f"CREATE TABLE {name} ()", schema, name),
        *(catalog.Item("column", f"{name}.{each}", "text", schema, name) for each in columns),
    ]


def moment(said: str) -> list[catalog.Item]:
    """A table with a column that has a point in time for its default."""
    definition = f"timestamp without time zone DEFAULT '{said}'::timestamp without time zone"
    return [*table("public.alarm"), catalog.Item("column", "public.alarm.at", definition, "public", "public.alarm")]


@pytest.mark.parametrize(
    ("made", "found", "equal"),
    [
        ("2026-11-22 21:16:13.663194", "2024-01-02 03:04:05.6", True),
        ("2020-01-01 00:00:00", "2024-01-02 03:04:05", False),
        ("2020-01-01 00:00:00", "2026-11-22 21:16:13", False),
    ],
    ids=["the clock's", "written", "changed by hand"],
)
def test_a_default_that_a_revision_takes_from_the_clock(made: str, found: str, equal: bool) -> None:
    """Each replay writes another, so it says nothing; one that stands in the revision does."""
    now = datetime.datetime(2026, 11, 22, 21, 17)
    snapshots = catalog.Snapshot(moment(made)), catalog.Snapshot(moment(found))
    assert matching.compare(service(), *snapshots, TABLE, now=now).empty is equal
    assert not matching.compare(service(), *snapshots, TABLE).empty


MADE = [*table("public.product", "name"), catalog.Item("type", "public.kind", "CREATE TYPE …", "public")]


@pytest.mark.parametrize(
    "item",
    [
        catalog.Item("owner", "table public.product", "ALTER …", "public", "public.product"),
        catalog.Item("acl", "table public.product to PUBLIC", "GRANT …", "public", "public.product"),
        catalog.Item("extension", "vector", "CREATE EXTENSION vector"),
        catalog.Item("publication", "p", "CREATE PUBLICATION p"),
        catalog.Item("schema", "other", "CREATE SCHEMA other", "other"),
        catalog.Item("table", "other.stock", "CREATE TABLE …", "other", "other.stock"),
        catalog.Item("comment", "schema public", "COMMENT …", "public"),
        catalog.Item("comment", "database current_database", "COMMENT …"),
    ],
    ids=str,
)
def test_no_difference(item: catalog.Item) -> None:
    """What a database has beside its service's structure is no difference."""
    found = catalog.Snapshot([*MADE, item])

    assert matching.compare(service(), catalog.Snapshot(MADE), found, TABLE).lines() == []


@pytest.mark.parametrize(
    "item",
    [
        catalog.Item("index", "public.ix", "CREATE INDEX …", "public", "public.product"),
        catalog.Item("comment", "table public.product", "COMMENT …", "public", "public.product"),
        catalog.Item("function", "public.f()", "CREATE FUNCTION …", "public"),
        catalog.Item("table", "public.extra", "CREATE TABLE …", "public", "public.extra"),
    ],
    ids=str,
)
def test_a_difference(item: catalog.Item) -> None:
    """What is in the service's schemas, and the history does not make, is a difference; and the other way round."""
    more = catalog.Snapshot([*MADE, item])

    assert matching.compare(service(), catalog.Snapshot(MADE), more, TABLE).added == (item,)
    assert matching.compare(service(), more, catalog.Snapshot(MADE), TABLE).missing == (item,)


@pytest.mark.parametrize("kind", ["extension", "schema"])
def test_what_the_history_makes_has_to_be_there(kind: str) -> None:
    """An extension or schema of the history may have another version, and may not be missing."""
    item = catalog.Item(kind, "vector", "VERSION '0.8'", "vector" if kind == "schema" else "")
    older = catalog.Item(kind, "vector", "VERSION '0.7'", "vector" if kind == "schema" else "")
    made = catalog.Snapshot([*MADE, item])

    assert matching.compare(service(), made, catalog.Snapshot([*MADE, older]), TABLE).empty
    assert [str(each) for each in matching.compare(service(), made, catalog.Snapshot(MADE), TABLE).missing] == [
        str(item)
    ]


def test_neighbours_in_one_schema() -> None:
    """In a schema that services share, only what the own history makes is looked at."""
    shared = service(neighbours=["other"], version_table="shop_version")
    found = catalog.Snapshot([*table("public.product", "name", "extra"), *MADE[2:], *table("public.theirs", "id")])

    assert matching.compare(shared, catalog.Snapshot(MADE), found, TABLE).lines() == [
        "+ column public.product.extra: text"
    ]


def test_neighbours_with_schemas_of_their_own() -> None:
    """A schema of its own is the service's whole, whoever else uses the database."""
    own = service(neighbours=["other"], schemas=["public"])
    found = catalog.Snapshot([*MADE, *table("public.extra"), *table("theirs.stock")])

    assert [each.name for each in matching.compare(own, catalog.Snapshot(MADE), found, TABLE).added] == ["public.extra"]


def test_renames() -> None:
    """A drop and an addition of the same kind look like a rename; of another kind they do not."""
    before = [*table("public.old", "a", "b"), *table("public.product", "name")]
    after = [*table("public.new", "a", "b"), *table("public.product", "title")]

    assert revise.renames(catalog.compare(catalog.Snapshot(before), catalog.Snapshot(after))) == [
        "column public.product.name is dropped and public.product.title added, both text",
        "table public.old is dropped and public.new added, with the same columns",
    ]
    other = [*table("public.new", "a"), *table("public.product", "name")]
    assert revise.renames(catalog.compare(catalog.Snapshot(before), catalog.Snapshot(other))) == []
