"""The mark that a database itself carries: which environment it belongs to.

It is a setting of the database (`ALTER DATABASE … SET stillroom.environment = 'production'`), so it survives a reset
of every schema, a dump of one, and a URL that was swapped. PostgreSQL lets only superusers, and from version 15 on
roles with `GRANT SET ON PARAMETER stillroom.environment`, make such a setting; a plain owner of a database may not.
For them the mark is a line of the database's comment: `stillroom.environment=production`.
"""

from __future__ import annotations

import contextlib
import re

import sqlalchemy.engine
import sqlalchemy.exc

from .. import faults
from ..connections import sqltext

__all__ = ["PARAMETER", "erase", "read", "write"]

PARAMETER = "stillroom.environment"
"""The name of the setting, and of the line in the comment."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LINE = re.compile(rf"^{re.escape(PARAMETER)}=(.*)$", re.MULTILINE)
_READ = f"""
SELECT current_database(),
       (SELECT split_part(c, '=', 2) FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c
        WHERE s.setdatabase = d.oid AND s.setrole = 0 AND split_part(c, '=', 1) = '{PARAMETER}'),
       pg_catalog.shobj_description(d.oid, 'pg_database'),
       current_user
FROM pg_catalog.pg_database d WHERE d.datname = current_database()
"""


def read(conn: sqlalchemy.engine.Connection) -> str | None:
    """The environment that the connected database is marked with, None if with none.

    What a session says of itself (`SET stillroom.environment`) does not count.
    """
    _, setting, comment, _ = conn.exec_driver_sql(_READ).one()
    return setting or _of_comment(comment)


def write(conn: sqlalchemy.engine.Connection, environment: str) -> str:
    """Marks the connected database; a mark that is there is replaced.

    Args:
        conn: in a transaction, or in autocommit mode.
        environment: its name; letters, digits, dot, dash and underscore.

    Returns:
        How it is marked: `setting`, or `comment` where the role may not make settings.

    Raises:
        WrongRequest: `environment-invalid`.
        DatabaseFault: `permission-denied`, if the role does not own the database.
    """
    if not _NAME.fullmatch(environment):
        raise faults.WrongRequest(
            "environment-invalid",
            f"{environment!r} cannot be the mark of a database",
            "name an environment of the registry: letters, digits, dots, dashes and underscores",
        )
    database, _, comment, role = conn.exec_driver_sql(_READ).one()
    quoted = sqltext.identifier(database)
    if _tried(conn, f"ALTER DATABASE {quoted} SET {PARAMETER} = {sqltext.literal(environment)}"):
        _put_comment(conn, database, role, comment, _without_line(comment))
        return "setting"
    rest = _without_line(comment)
    _put_comment(conn, database, role, comment, f"{rest}\n{PARAMETER}={environment}".lstrip("\n"))
    return "comment"


def erase(conn: sqlalchemy.engine.Connection) -> None:
    """Takes the mark off; nothing happens if there is none.

    Raises:
        DatabaseFault: `permission-denied`, if the role may not.
    """
    database, setting, comment, role = conn.exec_driver_sql(_READ).one()
    if setting and not _tried(conn, f"ALTER DATABASE {sqltext.identifier(database)} RESET {PARAMETER}"):
        raise _denied(database, role)
    _put_comment(conn, database, role, comment, _without_line(comment))


def _of_comment(comment: str | None) -> str | None:
    found = _LINE.search(comment or "")
    return found[1].strip() or None if found else None


def _without_line(comment: str | None) -> str:
    return _LINE.sub("", comment or "").strip("\n")


def _put_comment(conn: sqlalchemy.engine.Connection, database: str, role: str, old: str | None, new: str) -> None:
    if (old or "") == new:
        return
    value = sqltext.literal(new) if new else "NULL"
    if not _tried(conn, f"COMMENT ON DATABASE {sqltext.identifier(database)} IS {value}"):
        raise _denied(database, role)


def _tried(conn: sqlalchemy.engine.Connection, statement: str) -> bool:
    """Whether the role was allowed to; a refusal leaves an open transaction usable."""
    try:
        with contextlib.nullcontext() if _autocommits(conn) else conn.begin_nested():
            # no_parameters: otherwise psycopg looks at percent signs, which a comment may hold.
            conn.exec_driver_sql(statement, execution_options={"no_parameters": True})
    except sqlalchemy.exc.DBAPIError as error:
        if _state(error) == "42501":
            return False
        raise
    return True


def _autocommits(conn: sqlalchemy.engine.Connection) -> bool:
    return conn.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def _state(error: sqlalchemy.exc.DBAPIError) -> str | None:
    original = error.orig
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)


def _denied(database: str, role: str) -> faults.DatabaseFault:
    shown, owner = sqltext.as_written(database), sqltext.as_written(role)
    return faults.DatabaseFault(
        "permission-denied",
        f"role {role!r} may not mark database {database!r}: it is not its owner",
        f"as a superuser: ALTER DATABASE {shown} OWNER TO {owner};"
        f" (or, from PostgreSQL 15 on: GRANT SET ON PARAMETER {PARAMETER} TO {owner};)",
    )
