"""The operation behind `status`: what the code has, what the database says, and the state that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import facts, faults
from ..connections import sqltext, urls
from ..projects import environment, project
from ..standing import observe, state

if TYPE_CHECKING:
    from ..wire import protocol, telling

__all__ = ["sentence", "status"]

# Faults of the machine that the service runs on; every other one that the database gives says that it can't be asked.
_NOT_THE_DATABASE = frozenset({"driver-missing", "greenlet-missing"})


def status(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Compares a service's revisions with its database; changes nothing, and takes one connection.

    Returns:
        `state`, `revision` and `head` (lists, sorted), `tables` (None if the database was not to be asked), `pending`
        and `unknown` revisions, `message` and `mend` (may be empty), `address` (`host:port/database`),
        `version_table` (its full name; empty if the database was not to be asked), `invalid_indexes` (those of the
        service that are INVALID: `name`, `definition`, and `again`: statements that make it anew).

    Raises:
        faults.Fault: if the code can't be read; a database that does not answer is a state.
    """
    service = facts.ServiceFacts.from_dict(request.service)
    project.enter(service)
    code = observe.code(service)
    url = environment.service_url(service)
    unreachable: faults.DatabaseFault | None = None
    observed: state.Observed | None = None
    noted = ""
    try:
        table = observe.version_table(service, code.where)
        where = observe.area(service, code.graph)
        observed = observe.database(url, table, where, application_name=f"stillroom status {service.name}")
        noted = sqltext.full_name(table.schema or observed.schema, table.name)
    except faults.DatabaseFault as fault:
        if fault.code in _NOT_THE_DATABASE:
            raise
        unreachable = fault
    standing = state.decide(code.graph, observed)
    return {
        "state": standing.state,
        "revision": list(standing.applied),
        "head": list(standing.heads),
        "tables": observed.tables if observed is not None else None,
        "pending": [code.describe(each) for each in standing.pending] if observed is not None else [],
        "unknown": list(standing.unknown),
        "message": unreachable.message if unreachable is not None else sentence(standing),
        "mend": unreachable.mend if unreachable is not None else mend(standing, service.name),
        "address": str(urls.address(url)),
        "version_table": noted,
        "invalid_indexes": [
            {"name": each.name, "definition": each.definition, "again": each.again}
            for each in (observed.invalid if observed is not None else ())
        ],
    }


def sentence(standing: state.Standing) -> str:
    """What a state means here, in one sentence; empty where the state says it all."""
    unknown, known = ", ".join(standing.unknown), len(standing.pending)
    if standing.state == state.BEHIND:
        return f"{_revisions(known)} pending: {', '.join(standing.pending)}"
    if standing.state == state.AHEAD:
        return f"the code does not have {unknown}: a newer release was here, or the history was replaced"
    if standing.state == state.DIVERGED and standing.overlapping:
        return f"the version table names {', '.join(standing.overlapping)} beside a revision that contains it"
    if standing.state == state.DIVERGED:
        return f"the code does not have {unknown}, and {_revisions(known)} of it pending"
    if standing.state == state.UNVERSIONED:
        return "there are tables, but no revision is noted (made by create_all, say)"
    if standing.state == state.NO_MIGRATIONS and standing.applied:
        return f"the code has no revision, but the database is at {', '.join(standing.applied)}"
    return ""


def mend(standing: state.Standing, service: str) -> str:
    """What to do about a state; empty where there is nothing to be done. Where only people can know, each way out."""
    adopt, cleanup = f"invoke adopt --service {service}", f"invoke cleanup --service {service}"
    back = f"bring its files back (git pull, git checkout, or invoke restore --service {service})"
    if standing.state == state.NO_MIGRATIONS:
        regenerate = f"invoke regenerate --service {service}"
        return f"{back}; or begin anew: {regenerate}, then {adopt}" if standing.applied else regenerate
    if standing.unknown:
        return (
            f"a newer release: {back}; a replaced history: {adopt}, which compares before it stamps "
            f"(if they differ and the rows may go: {cleanup})"
        )
    if standing.overlapping:
        return f"{adopt} compares and stamps anew"
    if standing.state == state.UNVERSIONED:
        return f"{adopt}, which compares before it stamps (if they differ and the rows may go: {cleanup})"
    if standing.state in (state.BEHIND, state.EMPTY):
        return f"invoke apply --service {service}"
    return ""


def _revisions(count: int) -> str:
    return "1 revision is" if count == 1 else f"{count} revisions are"
