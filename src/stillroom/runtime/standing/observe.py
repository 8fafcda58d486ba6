"""What is there to decide on: a service's revisions in the code, and what its database says. Changes nothing.

The code is read from source: neither `env.py` nor a revision file runs, unless only running `env.py` tells which table
notes the revisions.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from .. import facts, faults
from ..connections import connection, sqltext
from ..housekeeping import aside
from ..projects import env_locations, env_table, environment, locations, project
from ..reading import revision_graph, revisions
from ..schema import invalid_indexes
from . import state

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

__all__ = ["Area", "Code", "area", "code", "database", "expect_heads", "shares_schemas", "version_table"]


@dataclasses.dataclass(frozen=True)
class Code:
    """A service's migrations as its files have them.

    Attributes:
        where: folders, as the ini file says.
        graph: the revisions, sound enough to decide on.
    """

    where: locations.Locations
    graph: revision_graph.Graph

    def describe(self, revision: str) -> dict[str, str]:
        """A revision for people and machines: its id, message and file (within its folder)."""
        known = self.graph.by_id.get(revision)
        if known is None:
            return {"revision": revision, "message": "", "file": ""}
        return {"revision": revision, "message": known.message, "file": known.name}

    def files(self) -> dict[str, bytes]:
        """The revision files: name, with the folder where there are several, to content."""
        return {
            locations.shown(self.where.version_locations, self.where.folder_of(each.path), each.name): each.source
            for each in self.graph.revisions
        }


def code(service: facts.ServiceFacts) -> Code:
    """Reads a service's revisions from source.

    Raises:
        faults.ProjectFault: if there is no configuration; or the first thing that leaves open what the heads are, with
            the code of that problem (`does-not-parse`, `missing-parent`, `duplicate-id`, `cycle`, …).
    """
    where = locations.of(service)
    graph = revisions.read(where.version_locations, recursive=where.recursive)
    env_locations.refuse(service, where, graph)
    if _unsettled(graph):
        found = [each for each in graph.problems(len(graph.heads)) if each.severity == "error"]
        if found:
            raise faults.ProjectFault(
                found[0].code,
                f"{service.name}: {found[0].message}",
                found[0].mend,
                detail="\n".join(str(each) for each in found[1:]),
            )
    return Code(where, graph)


def _unsettled(graph: revision_graph.Graph) -> bool:
    """Whether something is wrong that decides about heads; the bodies of revisions, which cost most, are not looked at."""
    return (
        any(each.severity == "error" for each in graph.faults)
        or len(graph.by_id) != len(graph.revisions)
        or len(graph.ordered()) != len(graph.by_id)
        or any(parent not in graph.by_id for each in graph.revisions for parent in graph.parents(each))
    )


def expect_heads(service: facts.ServiceFacts, graph: revision_graph.Graph) -> None:
    """Holds the number of heads against the registry.

    Raises:
        faults.ProjectFault: `unexpected-heads`, with both files: two heads merge cleanly in git and break at deploy.
    """
    if not graph.revisions or len(graph.heads) == service.heads:
        return
    for each in graph.problems(service.heads):
        if each.code == "unexpected-heads" and each.severity == "error":  # labelled branches are meant
            raise faults.ProjectFault(each.code, f"{service.name}: {each.message}", each.mend)


def version_table(service: facts.ServiceFacts, where: locations.Locations) -> project.VersionTable:
    """Where the service notes its revisions: as declared, else as `env.py` says in constants, else by running it.

    Raises:
        faults.Fault: if `env.py` is missing or does not parse; what it raises where it has to be run.
    """
    name, schema = service.version_table, service.version_table_schema
    if name is not None and schema is not None:
        return project.VersionTable(name, schema)
    said = env_table.read(_env_source(service, where)) or _aside(service)
    return project.VersionTable(name or said.name, schema or said.schema)


def _env_source(service: facts.ServiceFacts, where: locations.Locations) -> bytes:
    file = where.script_location / "env.py"
    try:
        return file.read_bytes()
    except OSError as error:
        raise faults.ProjectFault(
            "env-missing",
            f"{service.name}: {file} can't be read: {error.strerror}",
            "correct script_location in the ini file, or config: in services.yaml",
        ) from error


def _aside(service: facts.ServiceFacts) -> project.VersionTable:
    """The same, without a trace: settings that it reads at import would name this database to whatever comes after."""
    told = aside.run(lambda: dataclasses.asdict(_asked_env(service)))
    return project.VersionTable(**told)


def _asked_env(service: facts.ServiceFacts) -> project.VersionTable:
    """Runs `env.py` against the service's database, as `alembic current` does: nothing is migrated or made."""
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext

    from ..projects import blame

    seen: list[project.VersionTable] = []

    def look(revision: object, context: MigrationContext) -> list[object]:
        seen.append(project.version_table(context))
        return []

    url = environment.service_url(service)
    connection.run(url, lambda conn: conn.exec_driver_sql("SELECT 1") and None)  # says clearly if nobody answers
    of = project.Project(service)
    config = of.config()
    script = of.script(config)
    with (
        environment.working_on(service, url),
        blame.blamed(service.name, "asking env.py for its version table"),
        EnvironmentContext(config, script, fn=look, dont_mutate=True),
    ):
        script.run_env()
    if not seen:
        raise faults.ProjectFault(
            "env-did-nothing",
            f"{service.name}: its env.py ended well without configuring a migration ({script.env_py_location})",
            "declare version_table: (and version_table_schema:) in services.yaml; and env.py must reach "
            "context.run_migrations() before it returns",
        )
    return seen[0]


@dataclasses.dataclass(frozen=True)
class Area:
    """Whose tables count as the service's: those of `tables` if given, else all in `schemas`, else all there are."""

    schemas: tuple[str, ...] | None = None
    tables: tuple[str, ...] | None = None


def area(service: facts.ServiceFacts, graph: revision_graph.Graph) -> Area:
    """What to look at in the service's database, told without importing its models.

    A service that may share a schema (the registry allows that only with a version table of its own) has the tables
    that its revisions create or rename; every other one has all in its schemas.
    """
    if not shares_schemas(service):
        return Area(service.schemas)
    names = {
        operation.subject if operation.name == "rename_table" else operation.table
        for each in graph.revisions
        for operation in each.body.upgrade
        if operation.name in ("create_table", "rename_table")
    }
    return Area(None, tuple(sorted(names - {""})))


def shares_schemas(service: facts.ServiceFacts) -> bool:
    """Whether tables of a neighbour may stand beside the service's own in one schema."""
    return bool(service.neighbours) and (service.schemas is None or service.version_table is not None)


_IN_SCHEMAS = """
(SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
   AND c.oid IS DISTINCT FROM to_regclass({table})
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND {schemas}
   AND NOT (n.nspname = 'stillroom'
            AND starts_with(coalesce(pg_catalog.obj_description(n.oid, 'pg_namespace'), ''), 'stillroom ledger'))
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid
                   AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e'))
"""
_SCHEMA = """
coalesce((SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE c.oid = to_regclass({table})), current_schema(), 'public')::text
"""
_NAMED = "(SELECT count(to_regclass(name)) FROM unnest(ARRAY[{names}]::text[]) AS name)"


_ONE_OF = "i.indrelid = ANY (SELECT to_regclass(name) FROM unnest(ARRAY[{names}]::text[]) AS name)"


def _statement(table: project.VersionTable, where: Area) -> str:
    noted = sqltext.literal(table.quoted)
    if where.tables is not None:
        written = (".".join(sqltext.identifier(part) for part in each.split(".")) for each in where.tables)
        names = ", ".join(sqltext.literal(each) for each in written)
        counted, own = _NAMED.format(names=names), _ONE_OF.format(names=names)
    else:
        listed = ", ".join(sqltext.literal(each) for each in where.schemas or ())
        schemas = "true" if where.schemas is None else f"n.nspname IN ({listed})"
        counted, own = _IN_SCHEMAS.format(table=noted, schemas=schemas), schemas
    schema = _SCHEMA.format(table=noted)
    return f"SELECT to_regclass({noted}) IS NOT NULL, {counted}, {schema}, {invalid_indexes.listed(own)}"


def database(
    url: str, table: project.VersionTable, where: Area, *, application_name: str = "stillroom"
) -> state.Observed:
    """What a database says, by one connection and at most two statements.

    Args:
        url: of the service's database.
        table: where revisions are noted; read if it is there, never made.
        where: whose tables are counted.

    Raises:
        faults.DatabaseFault: if it can't be reached, or refuses.
    """
    statement = _statement(table, where)

    def ask(conn: Connection) -> state.Observed:
        exists, tables, schema, told = conn.exec_driver_sql(statement).one()
        invalid = invalid_indexes.read(told)
        if not exists:
            return state.Observed(None, tables, schema, invalid)
        rows = conn.exec_driver_sql(f"SELECT version_num FROM {table.quoted}")
        return state.Observed(frozenset(row[0] for row in rows), tables, schema, invalid)

    return connection.run(url, ask, application_name=application_name[:63])
