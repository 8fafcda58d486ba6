"""Where a service stands before anything is done about it; and the refusals that this alone calls for."""

from __future__ import annotations

import dataclasses

from .. import facts, faults
from ..connections import connection, sqltext, urls
from ..projects import environment, project
from ..standing import observe, state
from ..wire import telling
from . import matching

__all__ = ["Situation", "look"]


@dataclasses.dataclass(frozen=True)
class Situation:
    """A service's code and database, as they were found.

    Attributes:
        of: its project.
        code: its revisions.
        url: of its database.
        table: where its revisions are noted.
        area: whose tables count as its own.
        observed: what the database said.
        standing: the state that follows.
    """

    of: project.Project
    code: observe.Code
    url: str
    table: project.VersionTable
    area: observe.Area
    observed: state.Observed
    standing: state.Standing

    @property
    def service(self) -> facts.ServiceFacts:
        """The service."""
        return self.of.service

    @property
    def database(self) -> str:
        """`host:port/database`, for messages."""
        return str(urls.address(self.url))

    @property
    def noted_in(self) -> str:
        """The full name of the version table."""
        return sqltext.full_name(self.table.schema or self.observed.schema, self.table.name)

    @property
    def to_bootstrap(self) -> bool:
        """Whether something has to be done before the first revision."""
        return self.service.bootstrap is not None and self.standing.state == state.EMPTY

    def again(self) -> Situation:
        """The same, after asking the database again on a connection of its own."""
        observed = observe.database(self.url, self.table, self.area)
        return dataclasses.replace(self, observed=observed, standing=state.decide(self.code.graph, observed))

    def need_migrations(self) -> None:
        """Raises unless the code has revisions.

        Raises:
            faults.ProjectFault: `no-migrations`.
        """
        if self.standing.state == state.NO_MIGRATIONS:
            folders = ", ".join(str(each) for each in self.code.where.version_locations)
            raise faults.ProjectFault(
                "no-migrations",
                f"{self.service.name}: there is no revision file in {folders}",
                f"make the first one: invoke regenerate --service {self.service.name}",
            )

    def need_known_revisions(self) -> None:
        """Raises if the version table names what the code does not have, or names one revision inside another.

        Raises:
            faults.RefusedFault: `unknown-revision`, `overlapping-revisions`; with the ways out.
        """
        name, standing = self.service.name, self.standing
        if standing.unknown:
            gone = ", ".join(standing.unknown)
            raise faults.RefusedFault(
                "unknown-revision",
                f"{name}: the database {self.database} is at revision {gone}, which the code does not have "
                f"(its heads: {', '.join(standing.heads)})",
                f"bring the files back (invoke restore --service {name}, or git checkout of the migrations folder); "
                f"or, if the history was replaced, compare and stamp: invoke adopt --service {name}; "
                f"or empty the database: invoke cleanup --service {name}",
                data={
                    "unknown": list(standing.unknown),
                    "heads": list(standing.heads),
                    "database": self.database,
                    "version_table": self.noted_in,
                },
            )
        if standing.overlapping:
            raise faults.RefusedFault(
                "overlapping-revisions",
                f"{name}: {self.table.quoted} in {self.database} names {', '.join(standing.overlapping)} beside a "
                "revision that contains it; Alembic never writes that",
                f"compare and stamp anew: invoke adopt --service {name}",
                data={"overlapping": list(standing.overlapping), "revisions": list(standing.applied)},
            )

    def need_version(self, tell: telling.Tell) -> None:
        """Raises if there are tables and no revision; says what to do, after comparing them with the history's outcome.

        Raises:
            faults.RefusedFault: `adopt-first`, `unversioned-differs`, `unversioned-unreplayable`.
        """
        if self.standing.state != state.UNVERSIONED:
            return
        name, tables = self.service.name, self.observed.tables
        found = f"{name}: {self.database} holds {tables} table{'s' if tables != 1 else ''} and no revision"
        cleanup = f"empty it: invoke cleanup --service {name} (and apply again)"
        try:
            if self.service.bootstrap is not None and self.compare_with_start(tell).equal:
                return  # a run that was interrupted after it, or somebody by hand
            match = self.compare(tell)
        except faults.RefusedFault:
            raise
        except faults.Fault as fault:
            connection.check_server(self.url, fault)
            raise faults.RefusedFault(
                "unversioned-unreplayable",
                f"{found}, and they can't be compared with the history, which fails on an empty database: "
                f"{fault.message}",
                f"mend the history, or {cleanup}",
                detail=fault.detail,
                data={"tables": tables, "cause": fault.code},
            ) from fault
        if match.equal:
            raise faults.RefusedFault(
                "adopt-first",
                f"{found}; they are what its history makes (made by create_all, say)",
                f"stamp it: invoke adopt --service {name}",
                data={"tables": tables, "heads": list(self.standing.heads)},
            )
        raise faults.RefusedFault(
            "unversioned-differs",
            f"{found}, and they differ from what its history makes in {match.count}: {match.lines[0]}",
            f"bring them in line by hand and adopt them (invoke adopt --service {name}), or {cleanup}",
            detail="\n".join(match.lines),
            data={"tables": tables, "difference": match.lines},
        )

    def compare(self, tell: telling.Tell) -> matching.Match:
        """Compares the database with what the whole history makes."""
        return matching.against_history(self.of, self.url, self.table, tell, expected=self.standing.heads)

    def compare_with_start(self, tell: telling.Tell) -> matching.Match:
        """Compares the database with what the first revision begins on: what `bootstrap:` makes."""
        return matching.against_history(self.of, self.url, self.table, tell, to=())

    def make_version_schema(self) -> None:
        """Makes the schema of the version table if it is not there; asks first, since making needs a further right."""
        schema = self.table.schema
        if schema is None:
            return
        asked = f"SELECT to_regnamespace({sqltext.literal(sqltext.identifier(schema))}) IS NOT NULL"
        if not connection.run(self.url, lambda conn: conn.exec_driver_sql(asked).scalar()):
            made = f"CREATE SCHEMA IF NOT EXISTS {sqltext.identifier(schema)}"
            connection.run(self.url, lambda conn: conn.exec_driver_sql(made) and None)


def look(service: facts.ServiceFacts) -> Situation:
    """Finds out where a service stands; changes nothing.

    Raises:
        faults.Fault: if the code can't be read, or has another number of heads than the registry says; if the database
            can't be asked.
    """
    of = project.Project(service)
    code = observe.code(service)
    observe.expect_heads(service, code.graph)
    url = environment.service_url(service)
    table = observe.version_table(service, code.where)
    area = observe.area(service, code.graph)
    observed = observe.database(url, table, area, application_name=f"stillroom {service.name}")
    return Situation(of, code, url, table, area, observed, state.decide(code.graph, observed))
