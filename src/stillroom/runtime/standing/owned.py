"""What a service owns in its own database: declared in the registry, or derived from its metadata and its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import facts, faults
from ..connections import sqltext
from ..projects import env_run, locations, project
from ..reading import revisions
from ..schema import enums, ownership
from . import observe, preflight_models

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["Claim", "claim", "refuse_strangers", "resolve"]

_OTHER_HISTORIES = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND c.relnatts = 1
  AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum = 1 AND a.attname = 'version_num' AND NOT a.attisdropped)
ORDER BY 1, 2
"""


class Claim:
    """What a service says that it owns, before the database was asked for its default schema.

    Attributes:
        tables: names in its metadata and in its history's `create_table`.
        types: enum types of its metadata.
        version_table: where it notes its revisions.
        revisions: ids of its history.
    """

    def __init__(
        self,
        service: facts.ServiceFacts,
        tables: set[str],
        types: set[str],
        version_table: project.VersionTable,
        revisions: frozenset[str],
    ) -> None:
        self.service = service
        self.tables = tables
        self.types = types
        self.version_table = version_table
        self.revisions = revisions


def claim(service: facts.ServiceFacts, url: str) -> Claim:
    """Reads metadata and history of a service; its models are imported unless the registry declares its schemas.

    Raises:
        faults.Fault: if neither tells: nothing is guessed where something is to be destroyed.
    """
    where = locations.of(service)
    table = observe.version_table(service, where)
    graph = revisions.read(where.version_locations, recursive=where.recursive)
    tables = {
        operation.table
        for each in graph.revisions
        for operation in each.body.upgrade
        if operation.name == "create_table" and operation.table
    }
    types: set[str] = set()
    for metadata in _metadatas(service, url):
        tables.update(metadata.tables)
        types.update(enums.names(metadata))
    return Claim(service, tables, types, table, frozenset(graph.by_id))


def resolve(claimed: Claim, connection: Connection) -> ownership.Ownership:
    """The claim, held against a database: names without a schema are in its default one.

    Raises:
        faults.RefusedFault: `other-histories`, see `refuse_strangers`.
    """
    service, table = claimed.service, claimed.version_table
    default = str(connection.exec_driver_sql("SELECT coalesce(current_schema(), 'public')").scalar())
    owned = ownership.derive(
        claimed.tables,
        claimed.types,
        default,
        service.schemas if not _shares_schemas(service) else None,
        bool(service.neighbours),
        sqltext.full_name(table.schema, table.name),
    )
    refuse_strangers(service, owned, connection)
    return owned


def refuse_strangers(service: facts.ServiceFacts, owned: ownership.Ownership, connection: Connection) -> None:
    """Where everything in a schema counts as the service's, no other history may be noted there.

    Raises:
        faults.RefusedFault: naming the version table of somebody that the registry does not know of.
    """
    if owned.tables is not None:
        return
    for schema, name in connection.exec_driver_sql(_OTHER_HISTORIES):
        full = f"{sqltext.as_written(schema)}.{sqltext.as_written(name)}"
        if owned.holds_schema(sqltext.as_written(schema)) and full not in owned.version_tables:
            raise faults.RefusedFault(
                "other-histories",
                f"{service.name}: the schema {schema} holds a second version table, {full}, "
                "so tables of somebody else are in it",
                "say in services.yaml who shares the database (the same database: for both), and give each a "
                "schemas: of its own, or a version_table: each",
                data={"version_table": full},
            )


def _shares_schemas(service: facts.ServiceFacts) -> bool:
    return bool(service.neighbours) and service.version_table is not None


def _metadatas(service: facts.ServiceFacts, url: str) -> tuple[Any, ...]:
    try:
        if service.models or service.metadata:
            return preflight_models.metadata_of_models(service, url)
        ran = env_run.run(service, url)
        if ran.metadatas is None and ran.fault is not None:
            raise ran.fault
        return ran.metadatas or ()
    except faults.Fault:
        if service.schemas is not None and not _shares_schemas(service):
            return ()
        raise
