"""The operations behind `invoke verify` and `invoke history`: what a service would find, and what its ledger says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import facts, faults
from ..connections import connection, urls
from ..ledger import entries, listing
from ..projects import environment, project
from ..standing import observe
from . import of_code, verification
from .verdict import ALLOW, POLICIES

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..wire import protocol, telling

__all__ = ["history", "verify"]


def verify(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Verifies a service's database as its image would: one connection, one statement; changes nothing.

    Options: `deep` (bool), `ahead` (`allow` or `refuse`).

    Returns:
        The verdict (`verdict.Verdict.to_dict`), with `address` (`host:port/database`).

    Raises:
        verdict.NotReady: a service must not start on this database; `data` is the verdict.
        faults.Fault: the code can't be read, or there is no URL.
    """
    service = facts.ServiceFacts.from_dict(request.service)
    policy = str(request.options.get("ahead") or ALLOW)
    if policy not in POLICIES:
        raise faults.WrongRequest("choice-unknown", f"ahead is {policy!r}", f"give {' or '.join(POLICIES)}")
    project.enter(service)
    tell.step("verify")
    code = observe.code(service)
    url = environment.service_url(service)
    table = observe.version_table(service, code.where)
    wanted = of_code.expected_of(service, code, table, f"invoke apply --service {service.name}")
    found = verification.verify(url, wanted, policy=policy, deep=bool(request.options.get("deep")))
    for warning in found.warnings:
        tell.warn(f"{service.name}: {warning}")
    return {**found.need_ready().to_dict(), "address": str(urls.address(url))}


def history(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Reads the ledger of a service's database: who migrated it, when, from where to where, and how that ended.

    Options: `most` (how many runs, the newest first; default 20).

    Returns:
        `runs` (`entries.Run.to_dict`, each with `applied`: revision, kind, reason, seconds), `ledger` (`readable`,
        `unreadable` by this role, `missing`, `foreign`), `version_table` (its full name), `address`.

    Raises:
        faults.Fault: the code can't be read, or the database does not answer.
    """
    service = facts.ServiceFacts.from_dict(request.service)
    project.enter(service)
    tell.step("read")
    code = observe.code(service)
    url = environment.service_url(service)
    table = observe.version_table(service, code.where)
    seen = observe.database(url, table, observe.Area((), ()))
    noted = entries.noted_in(table.schema or seen.schema, table.name)
    most = int(request.options.get("most") or 20)

    def read(conn: Connection) -> tuple[str, list[dict[str, Any]]]:
        ledger = listing.state(conn)
        if ledger != listing.READABLE:
            return ledger, []
        runs = listing.runs(conn, noted, most=most)
        applied = listing.revisions_of(conn, [each.id for each in runs])
        return ledger, [{**each.to_dict(), "applied": [_applied(one) for one in applied[each.id]]} for each in runs]

    ledger, found = connection.run(url, read)
    return {
        "runs": found,
        "ledger": ledger,
        "version_table": noted,
        "address": str(urls.address(url)),
    }


def _applied(revision: entries.AppliedRevision) -> dict[str, Any]:
    return {
        "revision": revision.revision,
        "kind": revision.kind,
        "reason": revision.reason,
        "seconds": revision.seconds,
    }
