"""How long a revision id may be, read from what widens the version table's column."""

from __future__ import annotations

import sys

import pytest

from stillroom.runtime.reading import revisions, version_width

LONG = "a_revision_id_of_more_than_32_characters"


def history(*files: tuple[str, str | None, str]) -> revisions.Graph:
    """A history of (id, parent, body of upgrade)."""
    return revisions.Graph(
        revisions.parse(
            f"revision = {id_!r}\ndown_revision = {down!r}\ndef upgrade():\n    {body}\ndef downgrade():\n    pass\n",
            f"{id_}.py",
        )
        for id_, down, body in files
    )


@pytest.mark.parametrize(
    ("source", "width"),
    [
        ("", 0),
        ("version_numbers = String(64)", 0),
        ("ALTER TABLE alembic_version ALTER COLUMN version_num TYPE VARCHAR(128)", 128),
        ("alter table v alter column version_num type character varying (64)", 64),
        ("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(255) NOT NULL)", 255),
        ("CREATE TABLE alembic_version (version_num text NOT NULL)", sys.maxsize),
        ("op.alter_column('v', 'version_num', existing_type=sa.VARCHAR(length=32), type_=sa.String(length=100))", 100),
        ("Table('v', MetaData(), Column('version_num', String(50), nullable=False))", 50),
        ("Column('version_num', String(), nullable=False)", sys.maxsize),
    ],
)
def test_the_width_is_read_however_it_is_written(source: str, width: int) -> None:
    """SQL and SQLAlchemy, wherever it stands."""
    assert version_width.written(source) == width


def test_alembics_own_width_holds_where_nobody_says_otherwise() -> None:
    """32: what the row would fail with is said before anything runs."""
    graph = history((LONG, None, "pass"))
    assert [each.code for each in graph.problems(id_limit=version_width.limits(graph, ""))] == ["id-too-long"]


def test_env_widens_it_from_the_start() -> None:
    """It runs before any revision."""
    graph = history((LONG, None, "pass"))
    env = "connection.execute(text('CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(64))'))"
    assert graph.problems(id_limit=version_width.limits(graph, env)) == []


def test_a_revision_widens_it_for_itself_and_what_follows() -> None:
    """Its row is written after its upgrade; what came before it had the narrow column."""
    widen = "op.execute('ALTER TABLE alembic_version ALTER COLUMN version_num TYPE VARCHAR(64)')"
    before, itself, after = f"0_{LONG}", f"1_{LONG}", f"2_{LONG}"
    graph = history((before, None, "pass"), (itself, before, widen), (after, itself, "pass"))
    found = graph.problems(id_limit=version_width.limits(graph, ""))
    assert [(each.code, each.files) for each in found] == [("id-too-long", (f"{before}.py",))]


def test_what_is_declared_counts_before_env() -> None:
    """The registry, or the database itself, knows better than what env.py would do for a new table."""
    graph = history((LONG, None, "pass"))
    limit = version_width.limits(graph, "version_num VARCHAR(255)", declared=33)
    assert "the version table holds 33" in graph.problems(id_limit=limit)[0].message
