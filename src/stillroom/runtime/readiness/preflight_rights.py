"""Preflight: whether the role may do what migrations do. Pure: what was seen in the database in, findings out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Sequence
from typing import Any

from ..connections import sqltext
from ..projects import project
from . import preflight_database
from .preflight_findings import Findings

__all__ = [
    "Scratch",
    "judge_applied",
    "judge_extensions",
    "judge_schemas",
    "judge_scratch",
    "judge_tables",
    "judge_version_table",
]

_SHOWN = 5
_CONTRIB = re.compile(
    r"btree_gi[ns]t?|citext|cube|dblink|earthdistance|fuzzystrmatch|hstore|intarray|isn|ltree|pg_stat_statements|pg_trgm|"
    r"pgcrypto|postgres_fdw|seg|tablefunc|unaccent|uuid-ossp"
)
_PACKAGES = {"vector": "pgvector", "postgis": "postgis-3", "postgis_raster": "postgis-3", "timescaledb": "timescaledb"}


def judge_schemas(found: Findings, facts: dict[str, Any], schemas: Collection[str | None], where: str) -> None:
    """Whether the role may make objects in the service's schemas.

    Args:
        found: the findings go here.
        facts: of `preflight_state.sql`.
        schemas: that the service owns; None stands for the default schema.
        where: host, port and database, for messages.
    """
    ready = []
    for name in dict.fromkeys(each or preflight_database.default_schema(facts) for each in schemas):
        there = facts["schemas"].get(name)
        if there is None:
            _schema_to_make(found, facts, name, where)
        elif there["usage"] and there["create"]:
            ready.append(name)
        else:
            _no_right(found, facts, name, there, where)
    if ready:
        word = "schema" if len(ready) == 1 else "schemas"
        found.ok("rights", f"{facts['role']} may create in {word} {', '.join(ready)}", schemas=ready)


def _schema_to_make(found: Findings, facts: dict[str, Any], name: str, where: str) -> None:
    role, quoted = sqltext.as_written(facts["role"]), sqltext.as_written(name)
    if facts["create_schema"]:
        found.ok("rights", f"schema {name} does not exist yet; {facts['role']} may make it", schema=name)
        return
    found.error(
        "rights",
        f"{where}: schema {name} does not exist, and role {facts['role']!r} may not make it "
        f"(permission denied for database {facts['database']})",
        f"CREATE SCHEMA {quoted} AUTHORIZATION {role}; "
        f"(as {facts['database_owner']}, the database's owner, or a superuser)",
        code="permission-denied",
        schema=name,
    )


def _no_right(found: Findings, facts: dict[str, Any], name: str, there: dict[str, Any], where: str) -> None:
    role, quoted = sqltext.as_written(facts["role"]), sqltext.as_written(name)
    lacking = " and ".join(word.upper() for word in ("usage", "create") if not there[word])
    other = ""
    if there["owner"] == "pg_database_owner":
        other = f" (or: ALTER DATABASE {sqltext.as_written(facts['database'])} OWNER TO {role};)"
    found.error(
        "rights",
        f"{where}: permission denied for schema {name}: role {facts['role']!r} lacks {lacking} on it "
        f"(its owner is {there['owner']})",
        f"GRANT USAGE, CREATE ON SCHEMA {quoted} TO {role};{other}",
        code="permission-denied",
        schema=name,
        lacking=lacking,
    )


def judge_tables(
    found: Findings, facts: dict[str, Any], own: Collection[str] | None, schemas: Collection[str | None], where: str
) -> None:
    """Whether tables of the service belong to a role that is not this one's.

    Args:
        found: the findings go here.
        facts: of `preflight_state.sql`.
        own: full names of the service's tables, as its metadata has them; None where they are not known.
        schemas: that the service owns; None stands for the default schema.
        where: host, port and database, for messages.
    """
    default = preflight_database.default_schema(facts)
    within = {each or default for each in schemas}
    names = None if own is None else {each if "." in each else f"{default}.{each}" for each in own}
    foreign = sorted(
        (f"{schema}.{table}", owner)
        for schema, table, owner in facts["others_tables"]
        if (schema in within if names is None else f"{schema}.{table}" in names)
    )
    if not foreign:
        return
    listed = ", ".join(f"{name} (owner {owner})" for name, owner in foreign[:_SHOWN])
    more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
    role = sqltext.as_written(facts["role"])
    lines = [
        f"ALTER TABLE {'.'.join(sqltext.as_written(part) for part in name.split('.'))} OWNER TO {role};"
        for name, _ in foreign
    ]
    memberships = " ".join(
        f"GRANT {sqltext.as_written(owner)} TO {role};" for owner in sorted({each for _, each in foreign})
    )
    found.warning(
        "owner",
        f"{where}: role {facts['role']!r} does not own {len(foreign)} of the service's tables, and can't change them: "
        f"{listed}{more}",
        f"{' '.join(lines[:_SHOWN])}{' …' if len(lines) > _SHOWN else ''} (or: {memberships})",
        tables=[name for name, _ in foreign],
        statements=lines,
    )


@dataclasses.dataclass(frozen=True)
class Scratch:
    """Which scratch databases are to be had besides those that the role makes itself.

    Attributes:
        given: variable that names a given database, or None.
        server: whether the embedded server makes them.
        server_version: its version, where it is known (`18.4`).
        roles, extensions: names of those that its server has or could have; None: it is the service's own server.
        problem: why what is declared can't be used; empty if it can.
        mend: what to do about that.
    """

    given: str | None = None
    server: bool = False
    server_version: str | None = None
    roles: frozenset[str] | None = None
    extensions: frozenset[str] | None = None
    problem: str = ""
    mend: str = ""


def judge_scratch(found: Findings, facts: dict[str, Any], scratch: Scratch) -> str | None:
    """Whether a scratch database can be had.

    Returns:
        Which: "given", "embedded" or "create"; None if none is to be had.
    """
    role = facts["role"]
    if scratch.problem:
        found.error("scratch", scratch.problem, scratch.mend, code="no-scratch-database")
        return None
    instead = _instead(facts, scratch)
    if facts["createdb"] and not instead:
        found.ok("scratch", f"{role} may create databases: scratch databases are made beside the service's own")
    elif facts["createdb"]:
        found.ok("scratch", f"scratch databases: {instead}")
    elif instead:
        found.warning(
            "scratch",
            f"role {role!r} may not create databases (no CREATEDB); used instead: {instead}",
            f"nothing needs to be done; to have scratch databases beside the service's own: "
            f"ALTER ROLE {sqltext.as_written(role)} CREATEDB;",
        )
    else:
        found.error(
            "scratch",
            f"no scratch database can be had: role {role!r} may not create databases (no CREATEDB), and the registry "
            "names no other",
            f"ALTER ROLE {sqltext.as_written(role)} CREATEDB; or in services.yaml scratch_url_variable: NAME (a "
            "variable with the URL of an empty database), or scratch: embedded; or regenerate with --reset-in-place",
            code="no-scratch-database",
        )
        return None
    _versions_differ(found, facts, scratch)
    if scratch.given:
        return "given"
    return "embedded" if scratch.server else "create"


def _instead(facts: dict[str, Any], scratch: Scratch) -> str:
    if scratch.given:
        return f"the database that {scratch.given} names"
    return "the embedded server" if scratch.server else ""


def _versions_differ(found: Findings, facts: dict[str, Any], scratch: Scratch) -> None:
    own = str(facts["version_num"] // 10000)
    theirs = (scratch.server_version or own).split(".")[0]
    if theirs != own:
        found.warning(
            "scratch",
            f"scratch databases are of PostgreSQL {theirs}, the service's own is of {own}: what is proven there may "
            "still fail here",
            "give the role CREATEDB, or name a scratch database on a server of the same version (scratch_url_variable)",
            code="scratch-version",
        )


def judge_extensions(found: Findings, facts: dict[str, Any], needed: dict[str, str], *, scratch_beside: bool) -> None:
    """Whether the extensions that models and history need are there, or can be had.

    Args:
        found: the findings go here.
        facts: of `preflight_state.sql`.
        needed: name to what needs it.
        scratch_beside: scratch databases are made by the role itself, without any extension in them.
    """
    fine = []
    for name, why in sorted(needed.items()):
        may = facts["superuser"] or (facts["create_schema"] and name in facts["trusted_extensions"])
        installed = facts["extensions"].get(name)
        if name not in facts["extensions"]:
            found.error(
                "extensions",
                f"extension {name} ({why}) is not available on the server (PostgreSQL {facts['version']})",
                _package(name, facts["version_num"] // 10000),
                code="extension-missing",
                extension=name,
            )
        elif not installed and not may:
            found.error(
                "extensions",
                f"extension {name} ({why}) is not installed in database {facts['database']}, and role "
                f"{facts['role']!r} may not install it",
                f"CREATE EXTENSION {sqltext.as_written(name)}; (in {facts['database']}, as a superuser, once)",
                code="extension-not-installed",
                extension=name,
            )
        elif scratch_beside and not facts["superuser"] and name not in facts["trusted_extensions"]:
            found.warning(
                "extensions",
                f"extension {name} ({why}) is installed here, but a scratch database made by role {facts['role']!r} "
                "can't have it (only a superuser may install it)",
                f"make an empty database with CREATE EXTENSION {sqltext.as_written(name)}; in it, and name it by "
                "scratch_url_variable:",
                extension=name,
            )
        else:
            fine.append(f"{name} {installed}" if installed else f"{name} (available)")
    if fine:
        found.ok("extensions", ", ".join(fine))


def _package(name: str, major: int) -> str:
    if _CONTRIB.fullmatch(name):
        return (
            f"install PostgreSQL's contrib modules on the server (apt-get install postgresql-{major}; "
            f"dnf install postgresql{major}-contrib), then: CREATE EXTENSION {sqltext.as_written(name)};"
        )
    package = f"postgresql-{major}-{_PACKAGES.get(name, name)}"
    return f"install it on the server (apt-get install {package}), then: CREATE EXTENSION {sqltext.as_written(name)};"


def judge_version_table(
    found: Findings,
    facts: dict[str, Any],
    table: project.VersionTable,
    applied: Sequence[str] | None,
    *,
    neighbours: bool,
    where: str,
) -> None:
    """Whether the version table is there, may be written, and is the one that the database uses."""
    full = sqltext.full_name(table.schema or preflight_database.default_schema(facts), table.name)
    row = preflight_database.version_table_row(facts, table)
    if row is None:
        _no_version_table(found, facts, full, neighbours=neighbours, where=where)
        return
    if not (row["read"] and row["write"]):
        role, quoted = sqltext.as_written(facts["role"]), ".".join(map(sqltext.as_written, full.split(".")))
        found.error(
            "version table",
            f"{where}: permission denied for table {full}: role {facts['role']!r} must read and write it",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {quoted} TO {role};",
            code="permission-denied",
        )
        return
    at = ", ".join(applied) if applied else "no revision"
    found.ok("version table", f"{full} is at {at}", table=full, applied=list(applied or ()))


def _no_version_table(found: Findings, facts: dict[str, Any], full: str, *, neighbours: bool, where: str) -> None:
    others = [f"{each['schema']}.{each['name']}" for each in facts["version_tables"]]
    if others and not neighbours:
        found.warning(
            "version table",
            f"{where}: env.py notes revisions in {full}, which is not there, but {', '.join(others)} "
            f"{'is' if len(others) == 1 else 'are'}",
            "give version_table (and version_table_schema) the same values in env.py and services.yaml as the "
            "database has, or drop what is left of an older arrangement",
            code="other-version-table",
            there=others,
        )
    else:
        found.ok("version table", f"{full} is not there yet (nothing was applied)", table=full, applied=[])


def judge_applied(found: Findings, applied: Sequence[str], known: Collection[str], *, service: str, where: str) -> None:
    """Whether the code still has the revisions that the database is at."""
    lost = [each for each in applied if each not in known]
    if not lost:
        return
    listed = ", ".join(lost)
    found.warning(
        "version table",
        f"{where} is at revision {listed}, which the code does not have",
        f"bring the file back (git log --all -S {lost[0]}), or, where the history was replaced: invoke adopt "
        f"--service {service} (the database stays as it is) or invoke cleanup --service {service} (it is emptied)",
        code="revision-unknown",
        revisions=lost,
    )
