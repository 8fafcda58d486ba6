"""Small, exact pieces of SQL text."""

from __future__ import annotations

import re

__all__ = ["as_written", "create_schema", "for_text", "full_name", "identifier", "literal"]

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
    """The statement as `op.execute` needs it: what text() would take for a parameter, or for an escape, is escaped.

    Which those are differs between versions of SQLAlchemy, so its own patterns are asked.
    """
    if ":" not in statement:
        return statement
    from sqlalchemy.sql import compiler

    kept = compiler.BIND_PARAMS_ESC.sub(r"\\\g<0>", statement)
    return compiler.BIND_PARAMS.sub(r"\\\g<0>", kept)
