"""Whether a database is what its history would make of an empty one: the history is replayed on a scratch database.

Compared is the structure of what the service owns. Owners and grants, and what a database has beyond any service
(further extensions, publications, other schemas), are left out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import re
from typing import TYPE_CHECKING

from .. import facts
from ..connections import connection, sqltext
from ..generation import proof
from ..projects import bootstrap, project
from ..replay import history
from ..schema import catalog, ownership
from ..scratches import places
from ..standing import observe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..wire import telling

__all__ = ["Match", "against_history", "compare"]

# Outside of any schema of a service; what a history makes of these has to be there, in whichever version.
_BEYOND = frozenset({"extension", "schema", "cast", "language", "publication", "event_trigger"})

_MOMENT = re.compile(r"(?<=')\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d(?::\d\d)?)?(?=')")
_A_DAY = datetime.timedelta(hours=26)  # no two time zones are further apart


@dataclasses.dataclass(frozen=True)
class Match:
    """How a database differs from what the history makes.

    Attributes:
        difference: from the history's outcome to the database: missing there, added there, changed there.
        column: the type of the version table's column, as the service's Alembic makes it.
    """

    difference: catalog.Difference
    column: str

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self.difference.empty

    @property
    def lines(self) -> list[str]:
        """The difference for people: `-` the history makes it and the database lacks it; `+` the other way round."""
        return self.difference.lines()

    @property
    def count(self) -> str:
        """How many differences there are, in words."""
        number = len(self.lines)
        return "1 place" if number == 1 else f"{number} places"


def against_history(
    of: project.Project,
    url: str,
    table: project.VersionTable,
    tell: telling.Tell,
    *,
    to: Sequence[str] = ("heads",),
    expected: Sequence[str] | None = None,
) -> Match:
    """Replays the history on a scratch database and compares.

    Args:
        of: the service's project.
        url: the service's own database; only its catalog is read.
        table: where revisions are noted.
        tell: for progress.
        to: revisions to replay up to, one after the other; none: compares with what the first one begins on.
        expected: the revisions that the scratch database has to be at afterwards.

    Raises:
        faults.Fault: if there is no scratch database, or the history fails on an empty one.
    """
    service = of.service
    with places.on_scratch(service, tell) as place:
        tell.step("replay history")
        bootstrap.run(service, place.url, tell)
        history.make_version_schema(place.url, table)
        for each in to[:-1]:
            history.upgrade(of, place.url, table, to=each)
        for each in to[-1:]:
            history.upgrade(of, place.url, table, to=each, expected=expected)
        made = proof.take(place.url, table)
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        column = _column(place.url, table)
    tell.step("compare")
    return Match(compare(service, made, proof.take(url, table), table, now=now), column)


def _column(url: str, table: project.VersionTable) -> str:
    statement = (
        "SELECT pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute"
        f" WHERE attrelid = to_regclass({sqltext.literal(table.quoted)}) AND attname = 'version_num'"
    )
    return connection.run(url, lambda conn: str(conn.exec_driver_sql(statement).scalar() or "character varying(32)"))


def compare(
    service: facts.ServiceFacts,
    made: catalog.Snapshot,
    found: catalog.Snapshot,
    table: project.VersionTable,
    *,
    now: datetime.datetime | None = None,
) -> catalog.Difference:
    """What differs between what a history makes and what a database has, as far as the service owns it. Pure.

    Args:
        service: what the registry declares of ownership.
        made: the catalog of the scratch database.
        found: the catalog of the service's database.
        table: where revisions are noted; in neither.
        now: when the history was replayed (UTC, without a zone): a column's default that a revision takes from the clock
            is of another moment each time, and no difference. None: the database was not made by a replay.
    """
    own = _ownership(service, made, table)
    difference = catalog.compare(_part(own, made, made), _part(own, found, made))
    changed = tuple(each for each in difference.changed if not _of_the_moment(*each, now=now))
    return dataclasses.replace(difference, changed=changed)


def _of_the_moment(made: catalog.Item, found: catalog.Item, *, now: datetime.datetime | None) -> bool:
    """Whether two columns differ in nothing but a default that a revision takes from the clock when it runs."""
    moments = _MOMENT.findall(made.definition)
    if now is None or made.kind != "column" or _MOMENT.sub("", made.definition) != _MOMENT.sub("", found.definition):
        return False
    here = _MOMENT.findall(found.definition)
    pairs = [(was, at) for was, at in zip(moments, here, strict=False) if was != at]
    return bool(pairs) and all(_is_now(was, now) for was, _ in pairs)


def _is_now(text: str, now: datetime.datetime) -> bool:
    """Whether the replay has written the present moment, in whichever time zone."""
    with contextlib.suppress(ValueError):
        return abs(datetime.datetime.fromisoformat(text[:19]) - now) < _A_DAY
    return False


def _ownership(service: facts.ServiceFacts, made: catalog.Snapshot, table: project.VersionTable) -> ownership.Ownership:
    shared = observe.shares_schemas(service)
    tables = [item.name for item in made.all if item.kind in ("table", "view", "materialized_view")]
    types = [item.name for item in made.all if item.kind in ("type", "domain")]
    noted = sqltext.full_name(table.schema, table.name)
    return ownership.derive(tables, types, "public", None if shared else service.schemas, shared, noted)


def _part(own: ownership.Ownership, snapshot: catalog.Snapshot, made: catalog.Snapshot) -> catalog.Snapshot:
    """The structure that counts. What is in no schema of the service counts where the history makes it."""
    kept = []
    for item in snapshot.all:
        if item.kind in catalog.RIGHTS_KINDS:
            continue
        if item.kind in _BEYOND:
            if (item.kind, item.name) in made:
                kept.append(dataclasses.replace(item, definition=""))
        elif own.holds(item) or (not item.relation and (item.kind, item.name) in made and item.kind != "comment"):
            kept.append(item)
    return catalog.Snapshot(kept)
