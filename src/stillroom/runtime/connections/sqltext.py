"""Small, exact pieces of SQL text."""

from __future__ import annotations

import re

__all__ = ["as_written", "create_schema", "for_text", "full_name", "identifier", "literal"]

# What SQLAlchemy's text() takes for a bind parameter (its own pattern, so that exactly that is escaped).
_BIND = re.compile(r"(?<![:\w\x5c]):(?=\w)(?!\w*:)")

# A backslash that text() would take for the escape of a colon.
_ESCAPE = re.compile(r"\x5c(?=:[\w$]*(?![:\w$]))")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def identifier(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def as_written(name: str) -> str:
    """The identifier as PostgreSQL's `quote_ident` gives it: quoted only where it must be (keywords aside)."""
    return name if _PLAIN.fullmatch(name) else identifier(name)


def create_schema(name: str) -> str:
    """Makes a schema unless it is there.

    `CREATE SCHEMA IF NOT EXISTS` needs the right to make schemas even where it makes none, so it is asked first.
    """
    create = literal(f"CREATE SCHEMA {identifier(name)}")
    return f"DO $$ BEGIN IF to_regnamespace({literal(identifier(name))}) IS NULL THEN EXECUTE {create}; END IF; END $$"


def literal(value: str) -> str:
    """A quoted string literal (with `standard_conforming_strings`, PostgreSQL's default since 9.1)."""
    return "'" + value.replace("'", "''") + "'"


def full_name(schema: str | None, name: str) -> str:
    """`schema.name`, or `name` alone: the key of a table in SQLAlchemy's metadata."""
    return f"{schema}.{name}" if schema else name


def for_text(statement: str) -> str:
    """The statement as `op.execute` needs it: a colon that text() would take for a parameter is escaped."""
    return _BIND.sub(r"\\:", _ESCAPE.sub(r"\\\\", statement))
