"""The rights of the role that the service connects as, on what the migration's role has made.

A table that a migration role makes belongs to that role; the service finds out in production that it may not read it. So
it is asked here, table by table, and what the registry declares is granted first.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import faults
from ..applying import situation
from ..connections import sqltext
from ..ledger import tables as ledger_tables
from . import area, lock

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..wire import telling

__all__ = ["Right", "lacking", "settle"]

_LEAST = ("SELECT",)
_SHOWN = 5

_LACKING = """
WITH role AS (SELECT {role}::text AS name),
noted AS (SELECT to_regclass({noted})::oid AS oid),
own AS (
    SELECT c.oid, c.relnamespace, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND n.nspname <> '{ledger}' AND ({mine})
      AND c.oid IS DISTINCT FROM (SELECT oid FROM noted)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid
                      AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e')
),
wanted AS (
    SELECT own.oid, own.relnamespace, own.name, p AS right FROM own, unnest(ARRAY[{rights}]::text[]) AS p
    UNION ALL SELECT c.oid, c.relnamespace, c.oid::regclass::text, 'SELECT'
    FROM pg_catalog.pg_class c, noted WHERE c.oid = noted.oid
)
SELECT 'SCHEMA', quote_ident(n.nspname), 'USAGE' FROM pg_catalog.pg_namespace n, role
WHERE n.oid IN (SELECT relnamespace FROM wanted) AND NOT has_schema_privilege(role.name, n.oid, 'USAGE')
UNION ALL
SELECT 'TABLE', wanted.name, wanted.right FROM wanted, role
WHERE NOT has_table_privilege(role.name, wanted.oid, wanted.right)
UNION ALL
SELECT 'SEQUENCE', s.oid::regclass::text, 'USAGE' FROM pg_catalog.pg_class s
JOIN pg_catalog.pg_depend d ON d.objid = s.oid AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'a' AND d.refobjid IN (SELECT oid FROM own)
CROSS JOIN role
WHERE s.relkind = 'S' AND {inserts} AND NOT has_sequence_privilege(role.name, s.oid, 'USAGE')
ORDER BY 1, 2, 3
"""


@dataclasses.dataclass(frozen=True)
class Right:
    """One right that the service's role lacks.

    Attributes:
        kind: `SCHEMA`, `TABLE` or `SEQUENCE`.
        name: of the object, as SQL writes it.
        right: `SELECT`, `USAGE`, ...
    """

    kind: str
    name: str
    right: str

    def granted_to(self, role: str) -> str:
        """The statement that gives it."""
        return f"GRANT {self.right} ON {self.kind} {self.name} TO {sqltext.as_written(role)}"


def lacking(conn: Connection, found: situation.Situation) -> list[Right]:
    """What the service's role lacks: the declared rights, or that of reading, on every table of the service.

    Raises:
        faults.DatabaseFault: `service-role-missing`.
    """
    role = found.service.service_role
    if role is None:
        return []
    if not conn.exec_driver_sql(
        f"SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = {sqltext.literal(role)})"
    ).scalar():
        raise faults.DatabaseFault(
            "service-role-missing",
            f"{found.service.name}: the server of {found.database} has no role {role!r}, which the registry says that the "
            "service connects as",
            f"make it (CREATE ROLE {sqltext.as_written(role)} LOGIN PASSWORD '…';), or correct service_role:",
        )
    rights = tuple(each.upper() for each in found.service.grants or _LEAST)
    statement = _LACKING.format(
        role=sqltext.literal(role),
        noted=sqltext.literal(found.table.quoted),
        ledger=ledger_tables.SCHEMA,
        mine=area.condition(found, "c"),
        rights=", ".join(sqltext.literal(each) for each in rights),
        inserts="true" if "INSERT" in rights else "false",
    )
    rows = conn.exec_driver_sql(statement, execution_options={"no_parameters": True})
    return [Right(str(kind), str(name), str(right)) for kind, name, right in rows]


def settle(found: situation.Situation, held: lock.Lock, tell: telling.Tell) -> Sequence[str]:
    """Grants what is declared, and lets the service read the ledger; then asks whether it has what it needs.

    Returns:
        The statements that were run.

    Raises:
        faults.DatabaseFault: `service-role-lacks`, `service-role-missing`, `permission-denied`.
    """
    role = found.service.service_role
    if role is None:
        return ()
    tell.step("rights")
    missing = held.session.run(lambda conn: lacking(conn, found))
    run: list[str] = []
    if found.service.grants:
        run = [each.granted_to(role) for each in missing]
        for statement in run:
            held.session.run(functools.partial(_execute, statement))
        missing = held.session.run(lambda conn: lacking(conn, found))
    try:
        held.session.run(lambda conn: ledger_tables.grant(conn, role))
    except faults.DatabaseFault as fault:
        tell.warn(f"{found.service.name}: role {role!r} may not read the ledger: {fault.message}", fault.mend)
    if missing:
        raise _lacks(found, role, missing)
    return run


def _execute(statement: str, conn: Connection) -> None:
    conn.exec_driver_sql(statement)


def _lacks(found: situation.Situation, role: str, missing: Sequence[Right]) -> faults.DatabaseFault:
    shown = ", ".join(f"{each.right} on {each.name}" for each in missing[:_SHOWN])
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    statements = [f"{each.granted_to(role)};" for each in missing]
    return faults.DatabaseFault(
        "service-role-lacks",
        f"{found.service.name}: {found.database} is migrated, and role {role!r}, which the service connects as, lacks "
        f"{shown}{more}",
        f"declare grants: in services.yaml (or --grants), so that migrations give them; or by hand: {' '.join(statements)}",
        data={"lacking": [dataclasses.asdict(each) for each in missing]},
    )
