"""The operation behind `preflight`: everything that would make a run fail, found before it begins.

What needs no code of the service comes first, so that models which crash the process take no other answer with them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import facts, faults
from ..projects import alembic_config, project, sources
from ..reading import made_tables
from . import preflight_project, preflight_versions
from .preflight_findings import Findings

if TYPE_CHECKING:
    from ..wire import protocol, telling

# The checks import these late, since Alembic or SQLAlchemy may be missing or broken. A parent that forks workers imports
# this module beforehand, and should have the others then, too.
with contextlib.suppress(Exception):
    from ..generation import extensions  # noqa: F401
    from ..projects import env_run, environment, hardcoded  # noqa: F401
    from ..reading import revision_needs  # noqa: F401
    from ..standing import preflight_models  # noqa: F401
    from . import (  # noqa: F401
        preflight_database,
        preflight_env,
        preflight_needs,
        preflight_rights,
        preflight_scratch,
        preflight_sources,
    )

__all__ = ["preflight"]


def preflight(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Looks at a service; changes nothing.

    Options: `skip_db_check` (bool): leaves the database out. `skip_models` (str): leaves out what imports code of the
    service, for this reason (it ended the process before, say). `sources` (bool): also digests the code that is loaded.

    Returns:
        `findings`: a list of `{"check", "level", "message", "mend", "data"}`, see `preflight_findings.LEVELS`.
        `facts`: what was seen, as far as it was seen: `versions`, `driver`, `files` (name, revision, size, sha256),
        `folders`, `heads`, `address`, `host`, `port`, `database`, `role`, `server_version`, `marker`, `applied`,
        `version_table`, `schemas`, `database_tables` (in these schemas, the version table included), `metadata_tables`
        (full names), where it shares its database `makes` and `shares` (tables that its history makes; that it makes
        where they are not there), `sources` (see `preflight_sources.digests`),
        `scratch` ("given", "embedded", "create", or None: none is to be had).
    """
    service = facts.ServiceFacts.from_dict(request.service)
    looking = _Preflight(service, request.options, tell)
    looking.all()
    return {"findings": looking.found.to_list(), "facts": looking.facts}


class _Preflight:
    def __init__(self, service: facts.ServiceFacts, options: dict[str, Any], tell: telling.Tell) -> None:
        self.service = service
        self._source = sources.of(service)
        self._named = self._source.named
        self.found = Findings()
        self.facts: dict[str, Any] = {}
        self._skip_database = bool(options.get("skip_db_check"))
        self._skip_models = str(options.get("skip_models") or "")
        self._in_place = bool(options.get("reset_in_place"))
        self._with_sources = bool(options.get("sources"))
        self._tell = tell
        self._files = preflight_project.Files()
        self._url: str | None = None
        self._state: preflight_database.State | None = None
        self._metadatas: tuple[Any, ...] | None = None
        self._ran: env_run.Ran | None = None

    def all(self) -> None:
        """Every check, those that run the service's code last."""
        found = self.found
        self._tell.step("project")
        with found.checking("path"):
            project.enter(self.service)
        self._files = preflight_project.look(found, self.service, self.facts)
        usable = preflight_versions.check(found, self.facts, self._source.text(), self._files.env_source)
        with found.checking("alembic"):
            if usable and self._files.places is not None:
                alembic_config.refuse_old(self.service, self._files.places)
        with found.checking("url"):
            if usable:
                self._look_at_url()
        self._tell.step("database")
        with found.checking("database"):
            self._look_at_database(usable)
        self._judge_history()
        self._tell.step("models")
        with found.checking("models"):
            self._look_at_models(usable)
            if self._with_sources and self._metadatas is not None:
                self._look_at_sources()
        with found.checking("bootstrap"):
            if usable and not self._skip_models and self.service.bootstrap is not None:
                self._look_at_bootstrap()
        with found.checking("url"):
            if usable and not self._skip_models:
                self._look_for_other_url()
        if self._state is not None:
            self._judge_database(self._state)

    # What is looked at

    def _look_at_url(self) -> None:
        from ..connections import urls
        from ..projects import environment

        try:
            self._url = environment.service_url(self.service)
        except faults.Fault:
            if not self._skip_database:
                raise
            self.found.skipped("url", f"{self._named} names no database; the database is left out")
            return
        address = urls.address(self._url)
        self.facts.update(address=str(address), host=address.host, port=address.port, database=address.database)
        self.found.ok("url", f"{self._named} names {address}", address=str(address))

    def _look_for_other_url(self) -> None:
        from ..projects import hardcoded
        from . import preflight_env

        places = self._files.places
        if places is None or not self._files.env_source:
            return
        ini = places.ini.read_text(encoding="utf-8", errors="replace") if places.ini is not None else ""
        written = hardcoded.find(self._files.env_source, ini, self._source.words)
        if written is not None:
            where = places.file if written.file == "ini" else places.script_location / "env.py"
            given = self._ran.url if self._ran is not None else None
            preflight_env.judge_url(self.found, written, where, self._source, given, self._url)

    def _look_at_database(self, usable: bool) -> None:
        reason = self._no_database(usable)
        if reason:
            self.found.skipped("database", reason)
            return
        from . import preflight_database

        try:
            state = preflight_database.observe(str(self._url))
        except faults.DatabaseFault as fault:
            preflight_database.judge_failure(self.found, fault, self._named)
            return
        seen = state.facts
        self.facts.update(
            database=seen["database"],
            role=seen["role"],
            server_version=preflight_database.short_version(seen),
            marker=state.marker,
        )
        self._state = state
        preflight_database.judge_server(self.found, state, self._named)

    def _no_database(self, usable: bool) -> str:
        if self._skip_database:
            return "left out (--skip-db-check)"
        if not usable:
            return "not looked at: Alembic or SQLAlchemy can't be used"
        return "" if self._url else f"not looked at: {self._named} does not name it"

    def _look_at_bootstrap(self) -> None:
        from ..projects import bootstrap, env_run, environment

        with environment.working_on(self.service, self._url or env_run.NOWHERE):
            bootstrap.check(self.service)
        self.found.ok("bootstrap", "what comes before the first revision is there; it was not run")

    def _look_at_models(self, usable: bool) -> None:
        if self._skip_models or not usable:
            self.found.skipped("models", self._skip_models or "not imported: Alembic or SQLAlchemy can't be used")
            return
        from ..standing import preflight_models
        from . import preflight_env

        service = self.service
        if service.models or service.metadata:
            self._metadatas = preflight_models.metadata_of_models(service, self._url)
            where = service.metadata or ", ".join(service.models)
            self._judge_metadata(where)
            if self._files.env_source:
                with self.found.checking("env.py"):
                    preflight_env.judge_beside_models(self.found, service.name, self._run_env(), self._metadatas)
        elif self._files.env_source:
            self._metadatas = preflight_env.judge_alone(self.found, self._run_env())
            if self._metadatas is not None:
                self._judge_metadata("target_metadata of env.py")
        else:
            self.found.skipped("models", "not imported: services.yaml names none, and there is no env.py to tell")

    def _look_at_sources(self) -> None:
        """Which code this is, for whoever has another copy of it."""
        from . import preflight_sources

        if self._files.env_source and (self.service.models or self.service.metadata):
            self._run_env()  # it may import more than the models do
        places = self._files.places
        self.facts["sources"] = preflight_sources.digests(
            self.service, places.script_location / "env.py" if places is not None else None
        )

    def _judge_metadata(self, where: str) -> None:
        from . import preflight_env

        self.facts["metadata_tables"] = preflight_env.judge_metadata(
            self.found, self.service, self._metadatas or (), where
        )

    def _run_env(self) -> env_run.Ran:
        """What env.py configures without a database; it is run once at most."""
        from ..projects import env_run

        if self._ran is None:
            self._ran = env_run.run(self.service, self._url)
            if self._ran.url and self._url:
                preflight_versions.judge_taken(self.found, self._ran.url, self._url, self._files.env_source)
        return self._ran

    # The version table: declared, or in the source of env.py, or told by env.py itself; never guessed

    def _version_table_as_written(self) -> project.VersionTable | None:
        from ..projects import locations

        try:
            read = locations.version_table_in_env(self._files.env_source)
        except faults.Fault:
            return self._declared_table()
        if not read.known:
            return self._declared_table()
        return project.VersionTable(read.table, read.schema)

    def _declared_table(self) -> project.VersionTable | None:
        service = self.service
        if service.version_table is None and service.version_table_schema is None:
            return None
        return project.VersionTable(service.version_table or "alembic_version", service.version_table_schema)

    def _version_table(self) -> tuple[project.VersionTable | None, str]:
        """The version table, or why it is not known."""
        written = self._version_table_as_written()
        if written is not None:
            return written, ""
        if self._skip_models:
            return None, self._skip_models
        ran = self._run_env()
        return ran.version_table, ran.fault.message if ran.fault is not None else ""

    # What is judged, once everything is seen

    def _judge_history(self) -> None:
        graph = self._files.graph
        if graph is None:
            return
        width = None
        table = self._version_table_as_written()
        if self._state is not None and table is not None:
            from . import preflight_database

            row = preflight_database.version_table_row(self._state.facts, table)
            width = (row or {}).get("width")
        if self.service.neighbours:
            with self.found.checking("history"):
                self.facts["makes"] = made_tables.of(self.service, graph)
                self.facts["shares"] = made_tables.of(self.service, graph, careful=True)
        with self.found.checking("history"):
            preflight_project.judge_history(self.found, self.service, self._files, width)
        if self._ran is not None and not self._ran.certain:
            from . import preflight_imports

            preflight_imports.judge(self.found, self.service, graph.revisions)

    def _judge_database(self, state: preflight_database.State) -> None:
        from ..generation import extensions
        from ..reading import revision_needs
        from . import preflight_database, preflight_needs, preflight_rights, preflight_scratch

        found, seen, where = self.found, state.facts, str(state.address)
        schemas = self._schemas()
        names = [each or preflight_database.default_schema(seen) for each in schemas]
        self.facts["schemas"] = names
        self.facts["database_tables"] = sum(seen["schemas"].get(each, {"tables": 0})["tables"] for each in names)
        with found.checking("rights"):
            preflight_rights.judge_schemas(found, seen, schemas, where)
            preflight_rights.judge_tables(found, seen, self.facts.get("metadata_tables"), schemas, where)
        scratch = preflight_rights.Scratch()
        with found.checking("scratch"):
            if self._in_place:
                found.skipped("scratch", "none is needed: --reset-in-place generates on the service's own database")
            else:
                scratch = preflight_scratch.look(self.service, str(self._url))
                self.facts["scratch"] = preflight_rights.judge_scratch(found, seen, scratch)
        with found.checking("version table"):
            self._judge_version_table(state)
        with found.checking("extensions"):
            graph = self._files.graph
            needs = revision_needs.read(graph.revisions if graph is not None else ())
            needed = extensions.needed(self.service.extensions, self._metadatas or (), needs.extensions)
            beside = not scratch.given and not scratch.server
            preflight_rights.judge_extensions(found, seen, needed, scratch_beside=beside)
            preflight_needs.judge(found, seen, needs, scratch, bootstrapped=self.service.bootstrap is not None)

    def _schemas(self) -> Sequence[str | None]:
        """The service's schemas; None stands for the default one."""
        if self.service.schemas is not None:
            return self.service.schemas
        of_tables = {table.schema for metadata in self._metadatas or () for table in metadata.tables.values()}
        return sorted(of_tables, key=lambda each: each or "") or (None,)

    def _judge_version_table(self, state: preflight_database.State) -> None:
        from ..connections import sqltext
        from . import preflight_database, preflight_env, preflight_rights

        table, reason = self._version_table()
        if table is None and not self._could_be_told():
            self.found.skipped("version table", f"not looked at: {reason}")
            return
        if table is None:
            self.found.warning(
                "version table",
                f"where revisions are noted is not to be known without running env.py on a database ({reason})",
                "write version_table (and version_table_schema) as plain text in env.py, or declare it in services.yaml",
                code="version-table-unknown",
            )
            return
        schema = table.schema or preflight_database.default_schema(state.facts)
        applied = state.applied.get((schema, table.name))
        self.facts["version_table"] = sqltext.full_name(schema, table.name)
        self.facts["applied"] = None if applied is None else list(applied)
        preflight_rights.judge_version_table(
            self.found,
            state.facts,
            table,
            applied,
            neighbours=bool(self.service.neighbours),
            where=str(state.address),
        )
        preflight_env.judge_contradiction(self.found, self.service, table)
        if self._files.graph is not None:
            preflight_rights.judge_applied(
                self.found, applied or (), self._files.graph.by_id, service=self.service.name, where=str(state.address)
            )

    def _could_be_told(self) -> bool:
        """False where env.py is missing, or can't run because the models don't import: that is said already."""
        failed = self._metadatas is None and bool(self.service.models or self.service.metadata)
        failed = failed or (self._ran is not None and self._ran.certain)
        return bool(self._files.env_source) and not failed
