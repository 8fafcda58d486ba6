"""Whether a database is what its revisions make: by the fingerprint that a run left, by the history, by the models.

The history on a scratch database proves most, and needs one; a Job's role may often not make any. What autogenerate finds
against the models is next: it sees less, and it speaks of the heads alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import faults
from ..applying import situation
from ..connections import sqltext
from ..ledger import entries, fingerprint, tables
from ..projects import environment
from ..replay import history

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..wire import telling

__all__ = ["Proof", "by_comparison", "by_fingerprint", "is_recorded"]


@dataclasses.dataclass(frozen=True)
class Proof:
    """What a comparison came to.

    Attributes:
        by: `fingerprint`, `history` or `models`.
        lines: the differences; none: it is proven.
    """

    by: str
    lines: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.lines


def is_recorded(conn: Connection, found: situation.Situation, rows: Sequence[str]) -> bool:
    """Whether the ledger has a fingerprint for these rows, by a server of this major version."""
    return _recorded(conn, found, rows) is not None


def by_fingerprint(conn: Connection, found: situation.Situation, rows: Sequence[str]) -> Proof | None:
    """The database, held against what a run left at these rows; None where the ledger has nothing to hold it against."""
    recorded = _recorded(conn, found, rows)
    if recorded is None:
        return None
    area = found.area
    now = fingerprint.take(conn, found.table.quoted, schemas=area.schemas, tables=area.tables)
    digest, items = recorded
    return Proof("fingerprint", () if digest == now.digest else tuple(fingerprint.differences(items, now.items)))


def by_comparison(found: situation.Situation, tell: telling.Tell, rows: Sequence[str]) -> Proof:
    """The database, compared with what the revisions make of an empty one; or with the models, where there is no empty one.

    Raises:
        faults.Fault: neither was possible.
    """
    from ..applying import matching

    try:
        match = matching.against_history(found.of, found.url, found.table, tell, to=rows)
        return Proof("history", tuple(match.lines))
    except faults.Fault as fault:
        if set(rows) != set(found.standing.heads):
            raise
        tell.warn(
            f"{found.service.name}: no scratch database to compare with ({fault.message}); comparing with the models"
        )
    with environment.working_on(found.service, found.url):
        return Proof("models", tuple(history.differences(found.of, found.url)))


def _recorded(
    conn: Connection, found: situation.Situation, rows: Sequence[str]
) -> tuple[str, Sequence[Sequence[str]]] | None:
    readable = conn.exec_driver_sql(
        f"SELECT coalesce(has_table_privilege(to_regclass('{tables.SCHEMA}.fingerprint'), 'SELECT')"
        f" AND has_schema_privilege(to_regnamespace('{tables.SCHEMA}'), 'USAGE'), false)"
    ).scalar()
    if not readable:
        return None
    name = sqltext.literal(entries.noted_in(found.table.schema or found.observed.schema, found.table.name))
    listed = ", ".join(sqltext.literal(each) for each in sorted(rows))
    row = conn.exec_driver_sql(
        f"SELECT digest, items FROM {tables.SCHEMA}.fingerprint WHERE version_table = {name}"
        f" AND revisions = ARRAY[{listed}]::text[] AND server_major = current_setting('server_version_num')::int / 10000"
        " ORDER BY id DESC LIMIT 1",
        execution_options={"no_parameters": True},
    ).first()
    return None if row is None else (str(row[0]), row[1])
