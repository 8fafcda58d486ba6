"""`CREATE DATABASE` for a scratch database: like the service's own in all that decides what SQL means there."""

from __future__ import annotations

import dataclasses
import datetime
import getpass
import json
import os
import random
import socket
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy
import sqlalchemy.exc
from sqlalchemy.engine import Connection

from .. import faults
from ..connections import diagnosis
from ..housekeeping import makers

__all__ = ["STAMP", "Facts", "create", "execute", "facts", "patiently", "person"]

STAMP = "%Y%m%d%H%M%S"
"""The form of the time in names of scratch databases (UTC, of the server's clock)."""

# Settings of the service's database that decide what SQL means there; they must mean the same on the scratch database.
_SETTINGS = ("search_path", "timezone", "datestyle", "intervalstyle", "default_text_search_config", "xmloption")
_LISTS = ("search_path", "datestyle")
# Somebody else is using the template, or changed the same catalog row.
_PASSING = ("55006", "23505", "XX000", "40001", "40P01")
_NO_SUCH_LOCALE = ("22023", "42704", "42809", "22021", "0A000")
_TRIES = 8

# to_jsonb, because the columns of pg_database differ: provider from 15, ICU rules from 16, datlocale from 17.
_TEMPLATE = """
SELECT pg_catalog.to_jsonb(d)::text,
       pg_catalog.pg_encoding_to_char(d.encoding)::text,
       pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISS'),
       coalesce((SELECT pg_catalog.to_json(s.setconfig)::text FROM pg_catalog.pg_db_role_setting s
                 WHERE s.setdatabase = d.oid AND s.setrole = 0), '[]'),
       pg_catalog.current_setting('server_version_num')::int,
       EXISTS (SELECT 1 FROM pg_catalog.pg_tablespace t
               WHERE t.spcname = 'stillroom_scratch' AND pg_catalog.has_tablespace_privilege(t.oid, 'CREATE')),
       pg_catalog.current_setting('fsync') = 'off',
       pg_catalog.set_config('default_transaction_read_only', 'off', false) IS NOT NULL
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
"""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What `CREATE DATABASE` has to repeat of the service's database, and what the server is.

    Attributes:
        row: of pg_database, its columns by name.
        encoding: its name.
        stamp: the server's time, in the form `STAMP`.
        settings: `name=value`, of the database.
        version: `server_version_num`.
        own_tablespace: there is one for scratch databases, and the role may create in it.
        throw_away: the server runs without fsync.
        writable: always true; asking for it makes this session writable in a database that is read-only by default.
    """

    row: dict[str, Any]
    encoding: str
    stamp: str
    settings: tuple[str, ...]
    version: int
    own_tablespace: bool
    throw_away: bool
    writable: bool


def facts(conn: Connection) -> Facts:
    """The facts about the database of this connection; the session is writable from then on."""
    row, encoding, stamp, settings, *rest = conn.execute(sqlalchemy.text(_TEMPLATE)).one()
    return Facts(json.loads(row), encoding, stamp, tuple(json.loads(settings)), *rest)


def create(conn: Connection, name: str, service: str, like: Facts, warnings: list[str]) -> None:
    """Makes the database, comments it, and gives it the settings that matter.

    Args:
        conn: in autocommit mode, to the service's own database.
        name: needs no quoting inside of double quotes.
        service: whose it is.
        like: what `facts` said on this connection.
        warnings: what the server did not allow is added here.

    Raises:
        faults.DatabaseFault: `no-scratch-database`.
        sqlalchemy.exc.DBAPIError: whatever else the server says.
    """
    _create_like(conn, name, like, warnings)
    for line in _furnishing(name, service, like):
        execute(conn, line)


def _create_like(conn: Connection, name: str, like: Facts, warnings: list[str]) -> None:
    create = f'CREATE DATABASE "{name}" TEMPLATE template0'
    if like.own_tablespace:
        create += " TABLESPACE stillroom_scratch"
    if like.throw_away and like.version >= 150000:
        # Two checkpoints, which a server without fsync does not feel and any other would; a third of the time.
        create += " STRATEGY file_copy"
    try:
        if _shares_blocks(conn, like) and _done_at_once(conn, f"{create} {_locale(like)}"):
            return
        patiently(lambda: execute(conn, f"{create} {_locale(like)}"))
    except sqlalchemy.exc.DBAPIError as error:
        state = diagnosis.sqlstate(error)
        if state in ("42501", "25006"):  # 25006: a standby
            raise _no_scratch(conn, error) from error
        if state not in _NO_SUCH_LOCALE:
            raise
        warnings.append(
            f"The scratch database {name} has the server's default encoding and locale, because it refuses those of "
            f"the service's database ({_locale(like)})"
        )
        patiently(lambda: execute(conn, create))


def _shares_blocks(conn: Connection, like: Facts) -> bool:
    """Has the kernel copy files, from PostgreSQL 18 on: a quarter less work, and none where the file system shares blocks.

    Not to a tablespace, which may be on another file system.
    """
    if not like.throw_away or like.version < 180000 or like.own_tablespace:
        return False
    try:
        execute(conn, "SET file_copy_method = clone")
    except sqlalchemy.exc.DBAPIError:  # this server was built where the kernel can't
        return False
    return True


def _done_at_once(conn: Connection, statement: str) -> bool:
    """Tries it; where the file system refuses, or anything else goes wrong, it is to be done the usual way."""
    try:
        execute(conn, statement)
    except sqlalchemy.exc.DBAPIError:
        execute(conn, "RESET file_copy_method")
        return False
    return True


def _locale(like: Facts) -> str:
    row = like.row
    options = [("ENCODING", like.encoding), ("LC_COLLATE", row["datcollate"]), ("LC_CTYPE", row["datctype"])]
    provider = {"c": "libc", "i": "icu", "b": "builtin"}.get(row.get("datlocprovider", ""))
    locale = row.get("datlocale") or row.get("daticulocale")
    if provider:
        options.append(("LOCALE_PROVIDER", provider))
    if provider == "builtin":
        options.append(("BUILTIN_LOCALE", locale))
    if provider == "icu":
        options += [("ICU_LOCALE", locale), ("ICU_RULES", row.get("daticurules"))]
    return " ".join(f"{option} {_literal(value)}" for option, value in options if value)


def _furnishing(name: str, service: str, like: Facts) -> list[str]:
    """What follows the creation: who made it, speed over durability, the settings that change what SQL means."""
    moment = datetime.datetime.strptime(like.stamp, STAMP).isoformat() + "Z"
    comment = f"stillroom scratch; made by {person()} {makers.myself()} at {moment} for {service}"
    lines = [
        f'COMMENT ON DATABASE "{name}" IS {_literal(comment)}',
        f'ALTER DATABASE "{name}" SET synchronous_commit = off',
    ]
    for setting in like.settings:
        key, _, value = setting.partition("=")
        if key.lower() in _SETTINGS:
            shown = value if key.lower() in _LISTS else _literal(value)
            lines.append(f'ALTER DATABASE "{name}" SET {key} = {shown}')
    return lines


def person() -> str:
    """Who runs this, and where: `user@host`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's numeric user without a line in passwd
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _no_scratch(conn: Connection, error: BaseException) -> faults.DatabaseFault:
    role = conn.execute(sqlalchemy.text("SELECT pg_catalog.quote_ident(current_user)")).scalar()
    return faults.DatabaseFault(
        "no-scratch-database",
        f"Role {role} cannot create databases, so there is none to generate on: {diagnosis.text(error)}",
        f"One of: ALTER ROLE {role} CREATEDB; or name an empty database in the variable that `scratch_url_variable` "
        "of the registry says; or `scratch: embedded` in the registry; or --reset-in-place, which empties the "
        "service's own database",
        data={"role": role},
    )


def patiently(step: Callable[[], None]) -> None:
    """Repeats a step that others get in the way of, with growing, uneven pauses: some three seconds in all."""
    for attempt in range(_TRIES):
        try:
            step()
        except sqlalchemy.exc.DBAPIError as error:
            if attempt == _TRIES - 1 or diagnosis.sqlstate(error) not in _PASSING:
                raise
            time.sleep(random.uniform(0.5, 1.5) * min(0.02 * 2**attempt, 1.0))  # noqa: S311 - spread, not secrecy
        else:
            return


def execute(conn: Connection, statement: str) -> None:
    """Runs a statement as it is: no parameters, no meaning of `%` and `:`."""
    conn.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
