"""Checks of tables that are there: Alembic's autogenerate does not compare them, so a new one goes unseen.

The models' checks are held against the database's by the server itself: each is put on an empty copy of its table, and
PostgreSQL says how it writes it. What is written alike is the same, whatever it is called.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..connections import connection, sqltext
from ..projects import project
from . import checks

if TYPE_CHECKING:
    from alembic.operations.ops import MigrateOperation
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Connection

__all__ = ["DEFINITION", "Difference", "Table", "Wanted", "compare", "wanted"]

_PROBE = "stillroom_probe"
_ROUNDS = 3
_THERE = """
SELECT c.conname::text, pg_catalog.pg_get_constraintdef(c.oid) FROM pg_catalog.pg_constraint c
WHERE c.conrelid = to_regclass({table}) AND c.contype = 'c' AND c.conislocal AND c.coninhcount = 0 ORDER BY 1
"""
_PROBED = """
SELECT pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint
WHERE conrelid = 'pg_temp.stillroom_probe'::regclass AND conname = 'probed'
"""
DEFINITION = re.compile(r"CHECK \((?P<condition>.*)\)(?P<alone> NO INHERIT)?", re.DOTALL)
"""A check as PostgreSQL writes it: its condition, and whether it is its table's alone."""

_PASSING = re.compile(r"( NOT VALID| NOT ENFORCED)+$")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A check of a model; `name` as the database has it, None if it has one of PostgreSQL's."""

    check: Any
    name: str | None
    condition: str
    no_inherit: bool

    @property
    def shown(self) -> str:
        """What people know it by."""
        return self.name or f"({self.condition})"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table that is there, and what its model has: `checks`, of which some may not be compared (`filtered`)."""

    table: Any
    checks: tuple[Wanted, ...]

    @property
    def written(self) -> str:
        """Its name in SQL."""
        parts = (self.table.schema, self.table.name)
        return ".".join(sqltext.identifier(str(part)) for part in parts if part)


@dataclasses.dataclass(frozen=True)
class Difference:
    """Where a table and its model differ.

    Attributes:
        of: the table.
        new: checks that the database does not have.
        changed: checks that it has otherwise, each with its definition there.
        only_there: names of checks that no model has.
        unclear: checks that PostgreSQL does not take on a copy of the table, each with what it says.
    """

    of: Table
    new: tuple[Wanted, ...]
    changed: tuple[tuple[Wanted, str], ...]
    only_there: tuple[str, ...]
    unclear: tuple[tuple[Wanted, str], ...]


def wanted(context: MigrationContext, upgrade: Sequence[MigrateOperation]) -> list[Table]:
    """The models' tables that this revision does not make, with their checks; none where schemas are translated.

    Args:
        context: of autogenerate.
        upgrade: what it has found.
    """
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import ops

    if context.connection is None or context.connection.get_execution_options().get("schema_translate_map"):
        return []
    made = {(each.schema, each.table_name) for each in upgrade if isinstance(each, ops.CreateTableOp)}
    filters = AutogenContext(context, autogenerate=False)
    found = []
    for metadata in project.metadatas(context):
        for table in metadata.sorted_tables:
            if (table.schema, table.name) in made:
                continue
            if filters.run_object_filters(table, table.name, "table", False, None):
                found.append(Table(table, tuple(_checks(context, filters, table))))
    return found


def _checks(context: MigrationContext, filters: Any, table: Any) -> list[Wanted]:
    found = []
    for check in checks.of_table(table):
        if not _is_made(context, check):
            continue
        name = checks.final_name(context, check)
        if filters.run_object_filters(check, name, "check_constraint", False, None):
            condition = context.impl.render_ddl_sql_expr(check.sqltext)
            if getattr(context.dialect.identifier_preparer, "_double_percents", False):
                condition = condition.replace("%%", "%")
            found.append(Wanted(check, name, condition, bool(check.dialect_kwargs.get("postgresql_no_inherit"))))
    return found


def _is_made(context: MigrationContext, check: Any) -> bool:
    """Whether `create_all` would make it: not the check of a Boolean, nor one that is conditional on the dialect."""
    rule = getattr(check, "_create_rule", None)
    if getattr(check, "_ddl_if", None) is not None:
        return False
    return rule is None or bool(rule(_compiler(context)))


def _compiler(context: MigrationContext) -> Any:
    make: Any = context.dialect.ddl_compiler
    return make(context.dialect, None)


def compare(url: str, tables: Sequence[Table], search_path: str) -> list[Difference]:
    """Holds the models' checks against those of a database; nothing stays there.

    Args:
        url: of the database, whose tables are as the models have them, or before this revision.
        tables: from `wanted`; those that are not there are passed over.
        search_path: as `env.py` has it, for names in conditions.

    Raises:
        faults.DatabaseFault: what the server says, if not about a check.
    """

    def work(conn: Connection) -> list[Difference]:
        _execute(conn, f"SELECT set_config('search_path', {sqltext.literal(search_path)}, true)")
        found = [each for table in tables if (each := _difference(conn, table)) is not None]
        conn.rollback()
        return found

    return connection.run(url, work)


def _execute(conn: Connection, statement: str) -> Any:
    # no_parameters: otherwise psycopg looks at percent signs, which a condition may hold.
    return conn.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _difference(conn: Connection, table: Table) -> Difference | None:
    named = sqltext.literal(table.written)
    if _execute(conn, f"SELECT to_regclass({named}) IS NULL").scalar():
        return None
    left = {str(row[0]): _PASSING.sub("", row[1]) for row in _execute(conn, _THERE.format(table=named))}
    if not table.checks:
        return Difference(table, (), (), tuple(left), ()) if left else None
    probe = _Probe(conn, table)
    definitions, unclear = probe.definitions()
    new: list[Wanted] = []
    changed: list[tuple[Wanted, str]] = []
    for each, definition in sorted(definitions, key=lambda pair: pair[0].name not in left):
        was = left.pop(each.name, None) if each.name is not None else None
        if was is None:
            alike = next((name for name, has in left.items() if probe.same(has, definition)), None)
            if alike is None:
                new.append(each)
            else:
                left.pop(alike)
        elif not probe.same(was, definition):
            changed.append((each, was))
    for each, _ in unclear:
        left.pop(str(each.name), None)
    probe.close()
    found = Difference(table, tuple(new), tuple(changed), tuple(left), tuple(unclear))
    return found if new or changed or left or unclear else None


class _Probe:
    """An empty copy of a table, on which PostgreSQL says how it writes a check."""

    def __init__(self, conn: Connection, table: Table) -> None:
        self._conn = conn
        self._table = table
        self._settled: dict[str, str] = {}
        _execute(conn, f"CREATE TEMPORARY TABLE {_PROBE} (LIKE {table.written})")

    def close(self) -> None:
        """Drops the copy."""
        _execute(self._conn, f"DROP TABLE pg_temp.{_PROBE}")

    def definitions(self) -> tuple[list[tuple[Wanted, str]], list[tuple[Wanted, str]]]:
        """How PostgreSQL writes each check of the model; and those that it refuses, with why."""
        import sqlalchemy.exc

        taken, refused = [], []
        for each in self._table.checks:
            alone = " NO INHERIT" if each.no_inherit else ""
            _execute(self._conn, "SAVEPOINT check_probe")
            try:
                taken.append((each, self._written(f"CHECK ({each.condition}){alone}")))
            except sqlalchemy.exc.DBAPIError as error:
                _execute(self._conn, "ROLLBACK TO SAVEPOINT check_probe")
                refused.append((each, str(error.orig).strip().splitlines()[0]))
        return taken, refused

    def same(self, one: str, other: str) -> bool:
        """Whether two definitions are; read again, what PostgreSQL has written may come out in yet another way."""
        return one == other or self._end(one) == self._end(other)

    def _end(self, definition: str) -> str:
        if definition not in self._settled:
            again = definition
            for _ in range(_ROUNDS):
                before, again = again, self._written(again)
                if again == before:
                    break
            self._settled[definition] = again
        return self._settled[definition]

    def _written(self, definition: str) -> str:
        _execute(self._conn, f"ALTER TABLE pg_temp.{_PROBE} ADD CONSTRAINT probed {definition}")
        found = str(_execute(self._conn, _PROBED).scalar())
        _execute(self._conn, f"ALTER TABLE pg_temp.{_PROBE} DROP CONSTRAINT probed")
        return found
