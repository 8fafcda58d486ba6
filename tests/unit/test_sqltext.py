"""Small pieces of SQL text: what goes through SQLAlchemy's text() comes out as it was."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from stillroom.runtime.connections import sqltext


@given(st.text(alphabet="a:\\' $1_b%", max_size=20))
@example("SELECT 'x: y', '::int', ':a', '\\:a', a::text, '\\\\:b'")
@example("\\:$:")
def test_for_text_survives_text(statement: str) -> None:
    """Colons and backslashes mean after text() what they meant before."""
    compiled = text(sqltext.for_text(statement)).compile(dialect=postgresql.asyncpg.dialect())  # type: ignore[attr-defined]
    assert str(compiled) == statement
    assert not compiled.params


@given(st.text(min_size=1, max_size=30))
def test_identifiers_and_literals_are_quoted(name: str) -> None:
    """Quotes inside are doubled, so nothing can leave its quotes."""
    assert sqltext.identifier(name)[1:-1].replace('""', "").count('"') == 0
    assert sqltext.literal(name)[1:-1].replace("''", "").count("'") == 0
