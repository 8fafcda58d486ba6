"""A database with one of nearly everything: what a catalog, a reset and a carry-over have to cope with."""

from __future__ import annotations

from pathlib import Path

from tests.support.postgres import Database, Role

__all__ = ["SCHEMAS", "fill"]

SCHEMAS = ("public", "billing", "Odd Schema")
"""The schemas in which everything is."""

_SCRIPT = Path(__file__).with_name("rich.sql")


def fill(database: Database, reader: Role) -> None:
    """Makes the contents of `rich.sql`, as the superuser; `reader` gets rights.

    Args:
        database: an empty one, PostgreSQL 14 or newer.
        reader: any role of the server.
    """
    lines = _SCRIPT.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if database.server.major >= 15 or not line.endswith("-- 15")]
    script = "\n".join(kept)
    for placeholder, value in (
        ("{owner}", database.server.superuser.name),
        ("{reader}", reader.name),
        ("{collation}", _collation(database)),
    ):
        script = script.replace(placeholder, value)
    database.execute("SET client_min_messages = error;\n" + script)


def _collation(database: Database) -> str:
    """With ICU where the server has it (the wheel has not)."""
    # One that ICU gives is there in every build.
    if database.fetch("SELECT 1 FROM pg_collation WHERE collprovider = 'i' AND collname = 'de-x-icu'"):
        return "PROVIDER = icu, LOCALE = 'de-DE', DETERMINISTIC = false"
    return "PROVIDER = libc, LC_COLLATE = 'C', LC_CTYPE = 'POSIX'"
