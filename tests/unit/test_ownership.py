"""What a service owns, derived from what it declares and from its metadata."""

from __future__ import annotations

from stillroom.runtime.schema import catalog, ownership

ITEMS = [
    catalog.Item("schema", "public", "", "public"),
    catalog.Item("owner", "schema public", "", "public"),
    catalog.Item("acl", "schema public to PUBLIC", "", "public"),
    catalog.Item("comment", "schema public", "", "public"),
    catalog.Item("default_acl", "tables of a in schema public to b", "", "public"),
    catalog.Item("publication_schema", "p public", "", "public"),
    catalog.Item("publication", "p", ""),
    catalog.Item("extension", "vector", ""),
    catalog.Item("table", 'public."user"', "", "public", 'public."user"'),
    catalog.Item("index", "public.ix", "", "public", 'public."user"'),
    catalog.Item("comment", 'table public."user"', "", "public", 'public."user"'),
    catalog.Item("table", "public.other", "", "public", "public.other"),
    catalog.Item("type", "public.mood", "", "public"),
    catalog.Item("owner", "type public.mood", "", "public"),
    catalog.Item("acl", "type public.mood from PUBLIC", "", "public"),
    catalog.Item("type", "public.moods", "", "public"),
    catalog.Item("function", "public.f(public.mood)", "", "public"),
    catalog.Item("view", "far.v", "", "far", "far.v"),
    catalog.Item("table", "far.alembic_version", "", "far", "far.alembic_version"),
]


def part(owned: ownership.Ownership) -> list[str]:
    """What it holds of the items above, as `kind name`."""
    return [str(item) for item in owned.part(catalog.Snapshot(ITEMS)).all]


def test_a_service_alone_owns_the_schemas_of_its_tables() -> None:
    """Everything in them, not the schemas themselves."""
    owned = ownership.derive(["user", "far.t"], [], "public", None, False, "alembic_version")
    assert owned.schemas == ("far", "public")
    assert owned.whole_schemas
    assert part(owned) == [
        str(item)
        for item in sorted(ITEMS)
        if item.kind not in {"schema", "default_acl", "publication_schema", "publication", "extension"}
        and not item.name.startswith("schema ")
    ]


def test_a_service_among_neighbours_owns_its_tables() -> None:
    """With what belongs to them, its version table wherever it is, and its types; no function, nobody else's table."""
    owned = ownership.derive(["user"], ["mood"], "public", None, True, "far.alembic_version")
    assert part(owned) == [
        "acl type public.mood from PUBLIC",
        'comment table public."user"',
        "index public.ix",
        "owner type public.mood",
        "table far.alembic_version",
        'table public."user"',
        "type public.mood",
    ]


def test_declared_schemas_are_owned_whole_also_among_neighbours() -> None:
    """And nothing else, whatever the metadata names; but the version table is its own."""
    owned = ownership.derive(["user"], [], "public", ("far",), True, "public.other")
    assert part(owned) == ["table far.alembic_version", "table public.other", "view far.v"]


def test_names_are_compared_by_what_they_mean() -> None:
    """Keywords, capitals, spaces and quotes: as Python has them or as SQL writes them."""
    owned = ownership.derive(['public."order"', "Sales.Big Order"], [], "public", None, True, "alembic_version")
    assert owned.holds_relation('public."order"')
    assert owned.holds_relation("public.order")
    assert owned.holds_relation('"Sales"."Big Order"')
    assert not owned.holds_relation("sales.big order")
    assert owned.expects('"Sales"."Big Order"')
    assert owned.tables == frozenset({"public.order", '"Sales"."Big Order"'})
    assert catalog.key('"a ""quoted"".name".b') == ('a "quoted".name', "b")
