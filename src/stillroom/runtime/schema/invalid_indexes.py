"""Indexes that `CREATE INDEX CONCURRENTLY` left behind unusable: the one statement that fails and leaves something.

A second `CREATE INDEX CONCURRENTLY IF NOT EXISTS` passes over them and ends well; only dropping them helps.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from ..connections import connection

__all__ = ["Index", "left_by", "mend"]

_CONCURRENTLY = re.compile(r"\bINDEX\b.*?\bCONCURRENTLY\b", re.IGNORECASE | re.DOTALL)
_INVALID = """
SELECT c.relname, c.oid::regclass::text, pg_catalog.pg_get_indexdef(c.oid)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname !~ '^pg_'
ORDER BY 2
"""


@dataclasses.dataclass(frozen=True)
class Index:
    """An invalid index: its name as SQL writes it, and the statement that makes it."""

    name: str
    definition: str

    @property
    def again(self) -> str:
        """The statements that make it anew."""
        made = re.sub(r"\bINDEX\b", "INDEX CONCURRENTLY", self.definition, count=1)
        return f"DROP INDEX CONCURRENTLY {self.name}; {made};"


def left_by(url: str, statements: Sequence[str]) -> list[Index]:
    """The invalid indexes of a database that these statements make concurrently.

    Args:
        url: of the database; it is only asked if one of the statements does.
        statements: SQL, as it was sent.
    """
    making = [each for each in statements if _CONCURRENTLY.search(each)]
    if not making:
        return []
    rows = connection.run(url, lambda conn: [tuple(row) for row in conn.exec_driver_sql(_INVALID)])
    return [
        Index(str(name), str(definition))
        for plain, name, definition in rows
        if any(re.search(rf"(?<!\w){re.escape(plain)}(?!\w)", each) for each in making)
    ]


def mend(found: Sequence[Index]) -> str:
    """What to do about them."""
    return " ".join(f"DROP INDEX CONCURRENTLY {each.name};" for each in found)
