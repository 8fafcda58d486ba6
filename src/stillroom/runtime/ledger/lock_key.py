"""The number of the lock of migrations: what migrators hold, and by which a verification sees that one lives."""

from __future__ import annotations

import hashlib

__all__ = ["key"]


def key(database: str, table: str) -> int:
    """The number of the lock: of a database, by its own name, and a version table (`schema.name`).

    Services that share a database have version tables of their own, hence locks of their own.
    """
    digest = hashlib.sha256(f"stillroom migrates {table} of {database}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
