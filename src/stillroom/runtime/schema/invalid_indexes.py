"""Indexes that `CREATE INDEX CONCURRENTLY` left behind unusable: the one statement that fails and leaves something.

A second `CREATE INDEX CONCURRENTLY IF NOT EXISTS` passes over them and ends well; only dropping them helps.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence

from ..connections import connection

__all__ = ["Index", "left_by", "listed", "mend", "read"]

_CONCURRENTLY = re.compile(r"\bINDEX\b.*?\bCONCURRENTLY\b", re.IGNORECASE | re.DOTALL)
_INVALID = """
SELECT c.relname, c.oid::regclass::text, pg_catalog.pg_get_indexdef(c.oid)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname !~ '^pg_'
ORDER BY 2
"""


# One that a session is making at this moment is not valid yet. Whose session that is, everybody may see; which index, not.
_LISTED = """
(SELECT coalesce(json_agg(json_build_array(i.indexrelid::regclass::text, pg_catalog.pg_get_indexdef(i.indexrelid))
                          ORDER BY i.indexrelid::regclass::text), '[]')::text
 FROM pg_catalog.pg_index i
 JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname !~ '^pg_' AND {own}
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p
                   JOIN pg_catalog.pg_locks l ON l.pid = p.pid WHERE l.relation = i.indrelid))
"""
_OF_REINDEX = re.compile(r"_cc(new|old)\d*\"?$")


@dataclasses.dataclass(frozen=True)
class Index:
    """An invalid index: its name as SQL writes it, and the statement that makes it."""

    name: str
    definition: str

    @property
    def again(self) -> str:
        """The statements that make it anew; of what `REINDEX CONCURRENTLY` left beside the index itself: that drop it."""
        if _OF_REINDEX.search(self.name):
            return f"DROP INDEX CONCURRENTLY {self.name};"
        made = re.sub(r"\bINDEX\b", "INDEX CONCURRENTLY", self.definition, count=1)
        return f"DROP INDEX CONCURRENTLY {self.name}; {made};"


def listed(own: str) -> str:
    """An expression of SQL for `read`: the invalid indexes that no session is about to make valid.

    Args:
        own: a condition on `i` (pg_index) and `n` (the namespace): which of them are asked for.
    """
    return _LISTED.format(own=own)


def read(told: str) -> tuple[Index, ...]:
    """What the expression of `listed` gave."""
    return tuple(Index(str(name), str(definition)) for name, definition in json.loads(told))


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
