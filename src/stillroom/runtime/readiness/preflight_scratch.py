"""Preflight: the scratch databases that the registry declares, looked at before they are needed."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING

from .. import facts, faults
from ..connections import connection, urls
from ..projects import environment
from ..scratches import scratch_note
from . import preflight_rights

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["look"]

_CONTENT = """
SELECT pg_catalog.current_setting('server_version'),
       (SELECT pg_catalog.json_build_array(
            (SELECT pg_catalog.json_agg(rolname) FROM pg_catalog.pg_roles),
            (SELECT pg_catalog.json_agg(name) FROM pg_catalog.pg_available_extensions)))::text,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                            AND d.deptype = 'e'))
"""


def look(service: facts.ServiceFacts, service_url: str) -> preflight_rights.Scratch:
    """What is declared for scratch databases, tried.

    Args:
        service: says which variables name them.
        service_url: the service's own database, which must not be given as a scratch database.
    """
    try:
        given = environment.scratch_url(service)
        if given:
            return _given(str(service.scratch_url_variable), given, service_url)
        if service.scratch_server_variable:
            seen = _content(os.environ[service.scratch_server_variable])
            return preflight_rights.Scratch(
                server=True, server_version=seen.version, roles=seen.roles, extensions=seen.extensions
            )
    except faults.Fault as fault:
        return preflight_rights.Scratch(problem=f"scratch database: {fault.message}", mend=fault.mend)
    return preflight_rights.Scratch()


def _given(variable: str, given: str, service_url: str) -> preflight_rights.Scratch:
    address = urls.address(given)
    if address == urls.address(service_url):
        return preflight_rights.Scratch(
            given=variable,
            problem=f"the scratch database that {variable} names, {address}, is the service's own database",
            mend=f"let {variable} name another, empty database",
        )
    seen = _content(given)
    if seen.relations:
        return preflight_rights.Scratch(
            given=variable,
            problem=f"the scratch database that {variable} names, {address}, is not empty ({seen.relations} tables, views "
            "or sequences): it is never emptied of what others made",
            mend=f"let {variable} name an empty database: CREATE DATABASE ... TEMPLATE template0;",
        )
    return preflight_rights.Scratch(
        given=variable, server_version=seen.version, roles=seen.roles, extensions=seen.extensions
    )


@dataclasses.dataclass(frozen=True)
class _Content:
    """Of a server: its version, roles, extensions; and how many relations the database holds that no run of ours is to
    clear away."""

    version: str
    roles: frozenset[str]
    extensions: frozenset[str]
    relations: int


def _content(url: str) -> _Content:
    def work(conn: Connection) -> _Content:
        version, names, relations = conn.exec_driver_sql(_CONTENT, execution_options={"no_parameters": True}).one()
        roles, extensions = json.loads(names)
        ours = relations and scratch_note.read(conn) is not None
        return _Content(str(version), frozenset(roles), frozenset(extensions or ()), 0 if ours else int(relations))

    return connection.run(url, work, autocommit=True, application_name="stillroom preflight")
