"""The operations behind `cleanup`, `restore --database` and `protect`: looking at what a service owns, and emptying it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import facts, faults
from ..connections import connection, urls
from ..projects import environment, project
from ..schema import marker, ownership, survey
from ..standing import mixed_histories, owned, versions
from . import dump, exchange, reset, reset_refusal, reset_verify

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from ..wire import protocol, telling

__all__ = ["clean", "dump_rows", "empty", "look", "protect", "refuse_mixed", "restore_database", "surveyed"]


def look(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """What the service owns in its database, and what a reset would do: nothing is changed.

    Options: `others`: see `mixed_histories.refuse`.

    Raises:
        faults.Fault: what would make the reset fail: rights that are missing, objects of others that need these.
    """
    service, url = _begin(request, tell)
    claimed = owned.claim(service, url)
    tell.step("survey")

    def work(conn: Connection) -> dict[str, Any]:
        own = owned.resolve(claimed, conn)
        refuse_mixed(conn, claimed, own, request.options.get("others") or {})
        planned = reset.plan(conn, own)
        with _named(service):
            reset_refusal.check(conn, planned)
        return {
            **_surveyed(conn, own, url),
            "drops": [str(each) for each in planned.drops],
            "kept": [f"{each} (of role {each.owner})" for each in planned.kept],
        }

    return connection.run(url, work)


def refuse_mixed(conn: Connection, claimed: owned.Claim, own: ownership.Ownership, others: Mapping[str, str]) -> None:
    """Raises where the service's version table holds revisions of a neighbour; arguments: see `mixed_histories.refuse`.

    Raises:
        faults.RefusedFault: `version-table-shared`.
    """
    rows = versions.applied(conn, claimed.version_table) or ()
    table = ", ".join(sorted(own.version_tables))
    mixed_histories.refuse(claimed.service, table, rows, claimed.revisions, others)


def clean(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Empties what the service owns, after a dump of its rows.

    Options: `backup` (path of the dump; None: no dump), `programs` (folders with pg_dump), `lock_timeout` (seconds),
    `allow_marked`, `expect_database`.
    """
    service, url = _begin(request, tell)
    found, own, dumped = _dumped(request, tell, service, url)
    tell.step("reset")
    report = empty(service, url, own, request.options)
    return {**found, "report": report.to_dict(), "dump": dumped}


def _dumped(
    request: protocol.Request, tell: telling.Tell, service: facts.ServiceFacts, url: str
) -> tuple[dict[str, Any], ownership.Ownership, dict[str, Any] | None]:
    """What the service owns, as facts and as the ownership, and the dump of it; None where there is nothing to dump."""
    claimed = owned.claim(service, url)
    tell.step("survey")
    found, own = connection.run(url, lambda conn: surveyed(conn, claimed, url))
    if not (request.options.get("backup") and found["holds_data"]):
        return found, own, None
    tell.step("dump rows")
    return found, own, dump_rows(url, own, found, Path(str(request.options["backup"])), request.options)


def empty(
    service: facts.ServiceFacts, url: str, own: ownership.Ownership, options: dict[str, Any]
) -> reset.ResetReport:
    """Resets with the options of a request.

    Raises:
        faults.Fault: what `reset.reset` raises, with the service's name in front.
    """
    with _named(service):
        return reset.reset(
            url,
            own,
            lock_timeout_s=_waiting(options),
            allow_marked=options.get("allow_marked"),
            expect_database=options.get("expect_database"),
        )


def _waiting(options: dict[str, Any]) -> float:
    """Seconds to wait for each lock."""
    return float(options.get("lock_timeout") or 5.0)


@contextlib.contextmanager
def _named(service: facts.ServiceFacts) -> Iterator[None]:
    try:
        yield
    except faults.Fault as fault:
        fault.message = f"{service.name}: {fault.message}"
        raise


def surveyed(conn: Connection, claimed: owned.Claim, url: str) -> tuple[dict[str, Any], ownership.Ownership]:
    """What a service owns in the connected database, as facts for people and as the ownership itself."""
    own = owned.resolve(claimed, conn)
    return _surveyed(conn, own, url), own


def dump_rows(
    url: str, own: ownership.Ownership, found: dict[str, Any], target: Path, options: dict[str, Any]
) -> dict[str, Any]:
    """Dumps what a service owns to a file, with a note beside it: whatever happens next, it can be found and put back.

    `options["programs"]` are folders with pg_dump to look in first.
    """
    kept = connection.run(url, lambda conn: reset.plan(conn, own).kept)
    without = [each.name for each in kept if each.is_relation]
    about = {each: found[each] for each in ("address", "server_version", "rows")}
    made = dump.dump(url, own, _major(found), target, options.get("programs") or (), without=without, about=about)
    return {**about, **made}


def restore_database(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Puts a dump in the place of what the service owns, in one transaction, after a dump of that.

    Options: those of `clean`, and `source` (path) and `sha256` of the dump.
    """
    service, url = _begin(request, tell)
    source, digest = Path(str(request.options["source"])), str(request.options["sha256"])
    programs = request.options.get("programs") or ()
    version = connection.run(url, lambda conn: str(conn.exec_driver_sql("SHOW server_version").scalar()))
    dump.check(source, digest, _major({"server_version": version}), programs)
    found, own, dumped = _dumped(request, tell, service, url)
    tell.step("rehearse")
    waiting = _waiting(request.options)
    with _named(service):
        begun = reset.rehearse(
            url,
            own,
            lock_timeout_s=waiting,
            allow_marked=request.options.get("allow_marked"),
            expect_database=request.options.get("expect_database"),
        )
        tell.step("restore rows")
        statements = [each for transaction in begun.plan.transactions for each in transaction]
        entries = exchange.exchange(url, statements, source, _major(found), programs, lock_timeout_s=waiting)
        lost = connection.run(url, lambda conn: reset_verify.unpublished(conn, begun, own))
    if lost:
        tell.warn("a publication loses a table that is exchanged for another", "; ".join(lost))
    claimed = owned.claim(service, url)
    after = connection.run(url, lambda conn: surveyed(conn, claimed, url)[0])
    return {**after, "entries": entries, "dump": dumped}


def protect(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Marks the service's database as one of an environment, in the database itself.

    Options: `environment` (its name; None: the mark is only read), `erase` (bool).
    """
    service, url = _begin(request, tell)
    tell.step("mark")
    name = request.options.get("environment")

    def work(conn: Connection) -> str | None:
        if request.options.get("erase"):
            marker.erase(conn)
            return None
        return marker.write(conn, str(name)) if name else None

    how = connection.run(url, work)
    marked = connection.run(url, marker.read)
    wanted = None if request.options.get("erase") else name
    if (name or request.options.get("erase")) and marked != wanted:
        raise faults.DatabaseFault(
            "mark-not-kept",
            f"{service.name}: the database says that it is marked as {marked}, not {wanted}",
            "look who else marks it, then again",
        )
    return {"address": str(urls.address(url)), "marker": marked, "how": how}


def _begin(request: protocol.Request, tell: telling.Tell) -> tuple[facts.ServiceFacts, str]:
    service = facts.ServiceFacts.from_dict(request.service)
    project.enter(service)
    tell.step("connect")
    return service, environment.service_url(service)


def _surveyed(conn: Connection, own: ownership.Ownership, url: str) -> dict[str, Any]:
    address = urls.address(url)
    found = survey.survey(conn, own, host=address.host, port=address.port)
    # A stamp alone is no data worth a dump.
    holds_data = any(each.rows != 0 for each in found.tables if each.name not in own.version_tables)
    return {**found.to_dict(), "address": str(address), "holds_data": holds_data}


def _major(found: dict[str, Any]) -> int:
    return int(str(found["server_version"]).partition(".")[0])
