"""What `metadata.create_all()` makes of a service's models, held against what its baseline makes.

Alembic's autogenerate leaves things out, and does not see them in its second comparison either: what it can't render it
can't compare. So the models themselves are asked: `create_all` runs in a transaction that is rolled back, and the
catalog before the rollback is the measure. What the baseline has beyond it (what was carried over) is no fault.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy.event
import sqlalchemy.exc

from .. import faults
from ..connections import guard, sqltext
from ..projects import project
from ..schema import catalog, enums
from . import loss, plain_models

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection

__all__ = ["Models", "NotMade", "judge", "look", "make"]

_KEY = tuple[str, ...]
_PREPARED_SINCE = "_invalidate_schema_cache_asof"  # of SQLAlchemy's dialect for asyncpg


@dataclasses.dataclass(frozen=True)
class NotMade:
    """`create_all()` does not come to an end, so there is nothing to compare with.

    Attributes:
        reason: one line.
    """

    reason: str


class _CommittedError(Exception):
    """Something commits what is to be rolled back."""


@dataclasses.dataclass(frozen=True)
class Models:
    """A service's models, and how `env.py` connects: both decide on what `create_all` makes, and where.

    Attributes:
        metadatas: what `env.py` gave to Alembic.
        settings: of its session: role and search path.
        schema: where a table without a schema goes.
        translated: `schema_translate_map` of its connection.
        left_out: indexes that its filters leave out, as the catalog names them.
    """

    metadatas: tuple[Any, ...]
    settings: Mapping[str, str]
    schema: str
    translated: Mapping[str | None, str | None]
    left_out: frozenset[_KEY]

    def place(self, table: Any) -> _KEY:
        """Schema and name under which the catalog has a table."""
        return (self.translated.get(table.schema, table.schema) or self.schema, str(table.name))


def look(context: MigrationContext) -> Models | None:
    """What is needed to ask the models; None where autogenerate is known to write out all that they say."""
    metadatas = project.metadatas(context)
    connection = context.connection
    if connection is None:
        return None
    translated = connection.get_execution_options().get("schema_translate_map") or {}
    if not translated and plain_models.usual(context) and plain_models.plain(metadatas):
        return None
    row = connection.exec_driver_sql(
        "SELECT current_user, current_setting('search_path'), coalesce(current_schema(), 'public')"
    ).one()
    models = Models(
        tuple(metadatas), {"role": str(row[0]), "search_path": str(row[1])}, str(row[2]), translated, frozenset()
    )
    return dataclasses.replace(models, left_out=frozenset(_left_out(context, models)))


def _left_out(context: MigrationContext, models: Models) -> Iterator[_KEY]:
    from alembic.autogenerate.api import AutogenContext

    filters = AutogenContext(context, autogenerate=False)
    for metadata in models.metadatas:
        for table in metadata.tables.values():
            for index in table.indexes:
                if not filters.run_object_filters(index, index.name, "index", False, None):
                    yield (models.place(table)[0], str(index.name))


def make(
    conn: Connection,
    models: Models,
    outcome: catalog.Snapshot,
    *,
    checkfirst: bool,
    take: Callable[[], catalog.Snapshot],
) -> catalog.Snapshot | NotMade:
    """The catalog after `create_all()`; nothing of it stays.

    Args:
        conn: to the database as it was before the upgrade.
        models: from `look`.
        outcome: the catalog at head; only tables that are in it are made.
        checkfirst: whether some of the types and sequences may be there, since others own them.
        take: takes the catalog by this connection.
    """
    made = {catalog.key(item.name) for item in outcome.all if item.kind == "table"}
    sqlalchemy.event.listen(conn, "commit", _refuse_commit)
    try:
        for name, value in models.settings.items():
            conn.exec_driver_sql(f"SELECT set_config('{name}', {sqltext.literal(value)}, true)")
        # What listeners of the service do is the service's doing: the guard watches.
        with guard.watching(), _statements_kept(conn.dialect):
            _create(conn, models, made, checkfirst=checkfirst)
        return take()
    except faults.Fault:
        raise
    except Exception as error:  # noqa: BLE001 - code of the service runs here, and may raise anything
        # Not as an exception: the connection is in order after the rollback, and goes on being used.
        return NotMade(_first_line(error))
    finally:
        sqlalchemy.event.remove(conn, "commit", _refuse_commit)
        conn.rollback()
        # SQLAlchemy takes a commit that was refused for the end of the transaction; the server does not.
        conn.connection.rollback()
        if models.translated:
            conn.execution_options(schema_translate_map=None)


def _create(conn: Connection, models: Models, made: Collection[_KEY], *, checkfirst: bool) -> None:
    for statement in enums.made_elsewhere(models.metadatas, models.schema):
        conn.exec_driver_sql(statement)
    if models.translated:
        conn = conn.execution_options(schema_translate_map=dict(models.translated))
    for metadata in models.metadatas:
        tables = [table for table in metadata.tables.values() if models.place(table) in made]
        metadata.create_all(conn, tables=tables, checkfirst=checkfirst or len(models.metadatas) > 1)


@contextlib.contextmanager
def _statements_kept(dialect: Any) -> Iterator[None]:
    """After DDL SQLAlchemy has asyncpg prepare each statement anew, since columns may have changed; the catalog's do not."""
    before = getattr(dialect, _PREPARED_SINCE, None)
    yield
    if before is not None:
        setattr(dialect, _PREPARED_SINCE, before)


def _refuse_commit(conn: Connection) -> None:
    raise _CommittedError("something commits while the models' tables are made")


def _first_line(error: Exception) -> str:
    original = getattr(error, "orig", None) if isinstance(error, sqlalchemy.exc.DBAPIError) else None
    return (str(original or error).strip() or type(error).__name__).splitlines()[0]


def judge(
    service: str, models: Models, wanted: catalog.Snapshot, outcome: catalog.Snapshot, accepted: Sequence[str]
) -> list[str]:
    """Holds the baseline's outcome against what the models make.

    Args:
        service: its name.
        models: from `look`.
        wanted: what `create_all()` makes.
        outcome: what the baseline makes.
        accepted: differences that are given up, as `--accept-loss` has them; also `kind:name` of what was carried over.

    Returns:
        The names of differences that are accepted.

    Raises:
        faults.JudgedFault: `baseline-differs-from-models`.
    """
    explicit = frozenset(_explicit_names(models))
    difference = catalog.compare(_without_given_names(outcome, explicit), _without_given_names(wanted, explicit))
    was = {(old.kind, old.name): old.definition for old, _ in difference.changed}
    lacking = {f"{each.kind} {each.name}" for each in difference.added}
    differing = [each for each in (*difference.added, *(new for _, new in difference.changed)) if _counts(each, models)]
    # Whose an object is goes without saying where the object is not there.
    differing = [each for each in differing if each.kind not in ("owner", "acl") or each.name not in lacking]
    all_of_them = loss.Loss(tuple(sorted(differing)), {}, ())
    left = all_of_them.without(accepted)
    if not left.names:
        return all_of_them.names
    more = f" and {len(left.names) - 1} more" if len(left.names) > 1 else ""
    raise faults.JudgedFault(
        "baseline-differs-from-models",
        f"{service}: the baseline does not make what the models make: {left.names[0]}{more}",
        "autogenerate leaves it out: say it in another way in the models, add it by a process_revision_directives hook "
        "in env.py, or give it up with " + " ".join(f"--accept-loss {_quoted(name)}" for name in left.names[:8]),
        detail="\n".join(line for each in left.items for line in _lines(each, was.get((each.kind, each.name)))),
        data={"names": left.names},
    )


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "'\\''") + "'"


def _lines(item: catalog.Item, was: str | None) -> list[str]:
    return [
        f"{item.kind}:{item.name}",
        f"  models:   {' '.join(item.definition.split())}",
        f"  baseline: {'nothing' if was is None else ' '.join(was.split())}",
    ]


def _counts(item: catalog.Item, models: Models) -> bool:
    return item.kind != "index" or catalog.key(item.name) not in models.left_out


def _explicit_names(models: Models) -> Iterator[_KEY]:
    """Where the models themselves say how a constraint is called: schema, table, name."""
    from alembic.util import sqla_compat
    from sqlalchemy.dialects import postgresql

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
    for metadata in models.metadatas:
        for table in metadata.tables.values():
            of_columns = [each for column in table.columns for each in column.constraints]
            for constraint in (*table.constraints, *of_columns):
                name = sqla_compat._get_constraint_final_name(constraint, dialect)
                if name is not None:
                    yield (*models.place(table), str(name))


def _without_given_names(snapshot: catalog.Snapshot, explicit: Collection[_KEY]) -> catalog.Snapshot:
    """Constraints that PostgreSQL named (it numbers them in the order in which they come) by what they say."""

    def renamed(item: catalog.Item) -> catalog.Item:
        if item.kind != "constraint" or catalog.key(item.name) in explicit:
            return item
        return dataclasses.replace(item, name=f"{item.relation} {item.definition}")

    return catalog.Snapshot(renamed(item) for item in snapshot.all)
