"""Snapshots as values: parts of them, what differs, how it reads, how it crosses a wire; DDL in order."""

from __future__ import annotations

import json

import pytest

from stillroom.runtime import faults
from stillroom.runtime.schema import catalog, recreate

TABLE = catalog.Item("table", "public.t", "CREATE TABLE public.t ()", "public", "public.t")
COLUMN = catalog.Item("column", "public.t.id", "integer NOT NULL", "public", "public.t")
INDEX = catalog.Item("index", "public.ix", "CREATE INDEX ix ON public.t USING btree (id)", "public", "public.t")
EXTENSION = catalog.Item("extension", "vector", "CREATE EXTENSION vector WITH SCHEMA public VERSION '0.8.0'")
TYPE = catalog.Item("type", "far.mood", "CREATE TYPE far.mood AS ENUM ('a')", "far")
ALL = catalog.Snapshot([TABLE, COLUMN, INDEX, EXTENSION, TYPE])


def test_a_snapshot_is_a_mapping() -> None:
    """(kind, name) to definition; equal whatever the order."""
    assert ALL["column", "public.t.id"] == "integer NOT NULL"
    assert ALL.get(("column", "public.t.no")) is None
    assert catalog.Snapshot(reversed(ALL.all)) == ALL
    assert catalog.Snapshot([TABLE]) != ALL
    assert len(ALL) == 5


def test_a_snapshot_survives_json() -> None:
    """Whole: schema and table of each item, too."""
    back = catalog.Snapshot.from_list(json.loads(json.dumps(ALL.to_list())))
    assert back == ALL
    assert [item.relation for item in back.all] == [item.relation for item in ALL.all]


def test_parts_of_a_snapshot() -> None:
    """By schema, kind, table."""
    assert ALL.only(schemas=["far"]).all == (TYPE,)
    assert ALL.only(kinds=["extension", "type"]).all == (EXTENSION, TYPE)
    assert ALL.only(without_kinds=["column"]).all == (EXTENSION, INDEX, TABLE, TYPE)
    assert ALL.only(without_tables=["public.t"]).all == (EXTENSION, TYPE)
    assert ALL.only(tables=["public.t"]).all == (COLUMN, INDEX, TABLE)


def test_a_difference_reads_at_a_glance() -> None:
    """What went, came and changed, one line each, sorted by name; long definitions are cut where they differ."""
    long_before = "CREATE VIEW public.v AS\n SELECT " + ", ".join(f"column_{n}" for n in range(40))
    after = [
        COLUMN,
        TABLE,
        catalog.Item("index", "public.ix", INDEX.definition + " WHERE id > 0", "public", "public.t"),
        catalog.Item("view", "public.v", long_before.replace("column_30", "other"), "public", "public.v"),
        catalog.Item("schema", "new", "CREATE SCHEMA new", "new"),
    ]
    before = [*ALL.all, catalog.Item("view", "public.v", long_before, "public", "public.v")]
    difference = catalog.compare(catalog.Snapshot(before), catalog.Snapshot(after))
    assert not difference.empty
    assert difference.lines() == [
        "- type far.mood: CREATE TYPE far.mood AS ENUM ('a')",
        "+ schema new",
        f"~ index public.ix: {INDEX.definition} -> {INDEX.definition} WHERE id > 0",
        "~ view public.v: …lumn_28, column_29, column_30, column_31, column_32, column_… -> …lumn_28, column_29, other, "
        "column_31, column_32, column_33, …",
        "- extension vector",
    ]
    assert catalog.compare(ALL, ALL).empty


def test_the_statement_fits_the_version_and_every_driver() -> None:
    """No percent sign, no colon-name, no comment; what a version does not have is not asked for."""
    for version in (13, 14, 15, 16, 17, 18):
        text = catalog.statement(version)
        assert "%" not in text + catalog.statement(version, rare=False)
        assert "--" not in text
        assert not [word for word in text.replace("::", "").split() if ":" in word and "E'" not in word]
        assert ("pg_publication_namespace" in text) == (version >= 15)
        assert ("attcompression" in text) == (version >= 14)
        assert ("colliculocale" in text) == (version in (15, 16))
        assert ("colllocale" in text) == (version >= 17)
        assert ("pubgencols" in text) == (version >= 18)


def item(kind: str, name: str, definition: str, relation: str = "") -> catalog.Item:
    """An item of the schema public."""
    return catalog.Item(kind, name, definition, "public", relation)


def test_a_table_is_made_with_its_columns_and_what_they_need_before() -> None:
    """Sequence, type and function come first; foreign keys after the key that they refer to."""
    items = [
        item("constraint", "public.a.fk", "FOREIGN KEY (b) REFERENCES public.b(id)", "public.a"),
        item("table", "public.a", "CREATE TABLE public.a ()", "public.a"),
        item("column", "public.a.b", "public.mood DEFAULT public.f()", "public.a"),
        item("constraint", "public.b.pk", "PRIMARY KEY (id)", "public.b"),
        item("table", "public.b", "CREATE UNLOGGED TABLE public.b ()", "public.b"),
        item("column", "public.b.id", "integer DEFAULT nextval('public.s'::regclass)", "public.b"),
        item("sequence", "public.s", "CREATE SEQUENCE public.s", "public.b"),
        item("owned_by", "public.s", "ALTER SEQUENCE public.s OWNED BY public.b.id", "public.b"),
        item(
            "function",
            "public.f()",
            "CREATE OR REPLACE FUNCTION public.f()\n LANGUAGE plpgsql\nAS $function$x$function$",
        ),
        item("type", "public.mood", "CREATE TYPE public.mood AS ENUM ()"),
    ]
    assert recreate.create_sql(catalog.Snapshot(items), items) == [
        "CREATE TYPE public.mood AS ENUM ()",
        "CREATE SEQUENCE public.s",
        "CREATE OR REPLACE FUNCTION public.f()\n LANGUAGE plpgsql\nAS $function$x$function$",
        "CREATE TABLE public.a (\n    b public.mood DEFAULT public.f()\n)",
        "CREATE UNLOGGED TABLE public.b (\n    id integer DEFAULT nextval('public.s'::regclass)\n)",
        "ALTER SEQUENCE public.s OWNED BY public.b.id",
        "ALTER TABLE public.b ADD CONSTRAINT pk PRIMARY KEY (id)",
        "ALTER TABLE public.a ADD CONSTRAINT fk FOREIGN KEY (b) REFERENCES public.b(id)",
    ]
    assert recreate.drop_sql(items) == [
        "ALTER TABLE public.a DROP CONSTRAINT fk",
        "DROP TABLE public.b",
        "DROP TABLE public.a",
        "DROP FUNCTION public.f()",
        "DROP TYPE public.mood",
    ]


DEFAULT = "ALTER DEFAULT PRIVILEGES FOR ROLE a"
SINGLE = {
    ("extension", "vector", EXTENSION.definition, ""): (
        "CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public",
        "DROP EXTENSION IF EXISTS vector",
    ),
    ("schema", "s", "CREATE SCHEMA s", ""): ("CREATE SCHEMA IF NOT EXISTS s", "DROP SCHEMA IF EXISTS s"),
    ("column", "public.t.c", "text", "public.t"): (
        "ALTER TABLE public.t ADD COLUMN c text",
        "ALTER TABLE public.t DROP COLUMN c",
    ),
    ("index", "public.i", "CREATE UNIQUE INDEX i ON ONLY public.t USING btree (a)", "public.t"): (
        "CREATE UNIQUE INDEX i ON public.t USING btree (a)",
        "DROP INDEX public.i",
    ),
    ("partition", "public.p", "PARTITION OF public.t FOR VALUES IN ('a')", "public.p"): (
        "ALTER TABLE public.t ATTACH PARTITION public.p FOR VALUES IN ('a')",
        "ALTER TABLE public.t DETACH PARTITION public.p",
    ),
    ("acl", "table public.t to r", "GRANT SELECT ON TABLE public.t TO r WITH GRANT OPTION", "public.t"): (
        "GRANT SELECT ON TABLE public.t TO r WITH GRANT OPTION",
        "REVOKE SELECT ON TABLE public.t FROM r",
    ),
    ("default_acl", "functions of a from PUBLIC", f"{DEFAULT} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC", ""): (
        f"{DEFAULT} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        f"{DEFAULT} GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
    ),
    ("comment", "table public.t", "COMMENT ON TABLE public.t IS 'a ''b'' IS c'", "public.t"): (
        "COMMENT ON TABLE public.t IS 'a ''b'' IS c'",
        "COMMENT ON TABLE public.t IS NULL",
    ),
    ("row_security", "public.t force", "ALTER TABLE public.t FORCE ROW LEVEL SECURITY", "public.t"): (
        "ALTER TABLE public.t FORCE ROW LEVEL SECURITY",
        "ALTER TABLE public.t NO FORCE ROW LEVEL SECURITY",
    ),
    ("trigger", "public.t.x", "CREATE TRIGGER x …", "public.t"): ("CREATE TRIGGER x …", "DROP TRIGGER x ON public.t"),
}  # fmt: skip


@pytest.mark.parametrize("what", SINGLE)
def test_single_items_and_back(what: tuple[str, str, str, str]) -> None:
    """What a kind's definition says, as a statement of its own, and what undoes it."""
    kind, name, definition, relation = what
    single = [item(kind, name, definition, relation)]
    assert (recreate.create_sql(catalog.Snapshot(single), single), recreate.drop_sql(single)) == tuple(
        [each] for each in SINGLE[what]
    )


def test_a_database_is_named_where_the_statement_runs() -> None:
    """Rights on a database hold for whatever it is called there."""
    single = [item("acl", "database current_database to r", "GRANT CONNECT ON DATABASE current_database TO r")]
    assert recreate.create_sql(catalog.Snapshot(single), single) == [
        "DO $database$ BEGIN EXECUTE 'GRANT CONNECT ON DATABASE ' || quote_ident(current_database()) || ' TO r';"
        " END $database$"
    ]


def test_what_says_too_little_is_refused_by_name() -> None:
    """An operator class cannot be made from what the catalog says of it."""
    single = [item("operator_class", "public.o using btree", "operator class for integer")]
    with pytest.raises(faults.RefusedFault) as caught:
        recreate.create_sql(catalog.Snapshot(single), single)
    assert caught.value.code == "cannot-carry-over"
    assert "--accept-loss 'operator_class:public.o using btree'" in caught.value.mend
