"""The databases of a server: which there are, and making those that are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from stillroom import errors
from stillroom.embedded import client

__all__ = ["Query", "ensure", "names"]

Query = Callable[[str], list[list[str]]]
"""Runs SQL in the database `postgres` and gives its rows."""

_LONGEST = 63
_NAMES = 'SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname COLLATE "C";\n'


def names(query: Query) -> list[str]:
    """The databases that one can connect to, `postgres` among them."""
    return [row[0] for row in query(_NAMES)]


def ensure(query: Query, wanted: Iterable[str]) -> list[str]:
    """Makes the databases of `wanted` that do not exist; the names of those that it made.

    Several commands may do so at once: they wait for each other inside the server.

    Raises:
        UsageError: a name that PostgreSQL would cut or refuse.
    """
    ordered = sorted(set(wanted))
    for name in ordered:
        _check(name)
    if not ordered:
        return []
    array = ", ".join(client.literal(name) for name in ordered)
    missing = (
        f"FROM unnest(ARRAY[{array}]::text[]) AS wanted(name)"
        " WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = wanted.name)"
    )
    made = query(
        "SELECT FROM pg_advisory_lock(hashtext('stillroom databases'));\n"
        f"SELECT name {missing};\n"
        f"SELECT format('CREATE DATABASE %I', name) {missing}\n\\gexec\n"
    )
    return [row[0] for row in made if row[0]]


def _check(name: str) -> None:
    if not name or len(name.encode()) > _LONGEST or not name.isprintable():
        raise errors.UsageError(
            f"{name!r} cannot be the name of a database",
            f"use printable characters, at least one and at most {_LONGEST} bytes",
        )
