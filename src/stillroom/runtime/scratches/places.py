"""Where generation works: a scratch database, or, where none can be had, the service's own, emptied first.

Whichever it is: the service's variable points at it, and the process can connect to nothing else meanwhile.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .. import facts
from ..connections import connection, kept, urls
from ..housekeeping import ending, temporary
from ..projects import environment
from ..resetting import cleaning, reset
from ..schema import ownership
from ..standing import owned
from . import scratch

if TYPE_CHECKING:
    from ..wire import protocol, telling

__all__ = ["InPlace", "Place", "on_scratch", "sweep", "working_place"]


_SWEEP_SECONDS = 5.0


class Place(Protocol):
    """A database that is empty, as far as the service is concerned, and can be made empty again."""

    name: str
    url: str
    strategy: str

    def renew(self) -> None:
        """Makes it empty again, under the same URL."""


class InPlace:
    """The service's own database. Only what the service owns in it is emptied, looked at and compared.

    Attributes:
        own: what that is.
        strangers: what others own in its schemas, as `kind:name`.
        dumped: the dump that was made before it was emptied; None if none was.
    """

    strategy = "reset-in-place"

    def __init__(
        self, service: facts.ServiceFacts, url: str, own: ownership.Ownership, options: dict[str, Any]
    ) -> None:
        self.name = urls.address(url).database
        self.url = url
        self.own = own
        self.strangers: frozenset[str] = frozenset()
        self.dumped: dict[str, Any] | None = None
        self._service = service
        self._options = options

    def renew(self) -> None:
        """Empties what the service owns, and verifies it."""
        cleaning.empty(self._service, self.url, self.own, self._options)


@contextlib.contextmanager
def on_scratch(service: facts.ServiceFacts, tell: telling.Tell) -> Iterator[scratch.Scratch]:
    """An empty scratch database that the service's variable points at, and the only one that may be connected to."""
    tell.step("scratch database")
    url = environment.service_url(service)
    server = _scratch_server(service, url, tell)
    with (
        scratch.open_scratch(server, service.name, scratch_url=environment.scratch_url(service)) as place,
        environment.working_on(service, place.url),
        kept.keep(place.url),
    ):
        yield place
    for warning in place.warnings:
        tell.warn(warning)


@contextlib.contextmanager
def working_place(service: facts.ServiceFacts, options: dict[str, Any], tell: telling.Tell) -> Iterator[Place]:
    """A scratch database; or with the option `reset_in_place` the service's own, emptied before and after.

    Options: `reset_in_place`, `others` (see `mixed_histories.refuse`), and those of `cleaning.clean`.

    Raises:
        faults.RefusedFault: before anything is emptied, `version-table-shared` and what `cleaning` refuses for.
    """
    if not options.get("reset_in_place"):
        with on_scratch(service, tell) as place:
            yield place
        return
    given = environment.service_url(service)
    # What the URL leaves to PG* variables is written out: the guard takes those variables away.
    url = urls.with_database(given, urls.address(given).database)
    claimed = owned.claim(service, url)
    tell.step("survey")

    def look(conn: Any) -> tuple[dict[str, Any], ownership.Ownership]:
        found, own = cleaning.surveyed(conn, claimed, url)
        cleaning.refuse_mixed(conn, claimed, own, options.get("others") or {})
        return found, own

    found, own = connection.run(url, look)
    here = InPlace(service, url, own, options)
    if options.get("backup") and found["holds_data"]:
        tell.step("dump rows")
        here.dumped = cleaning.dump_rows(url, own, found, Path(str(options["backup"])), options)
        tell.warn(
            f"its database is emptied; its rows were dumped to {here.dumped['file']}",
            f"invoke restore --service {service.name} --database --backup {Path(here.dumped['file']).stem} puts them back",
        )
    tell.step("reset in place")
    kept = connection.run(url, lambda conn: reset.plan(conn, own).kept)
    here.strangers = frozenset(f"table:{each.name}" for each in kept if each.is_relation)
    here.renew()
    debt = ending.owe(here.renew)
    try:
        with environment.working_on(service, url):
            yield here
    finally:
        ending.pay(debt)


def sweep(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Clears away what killed processes left: scratch databases, where the service's go, and temporary folders."""
    service = facts.ServiceFacts.from_dict(request.service)
    folders = temporary.sweep()
    url, given = environment.service_url(service), environment.scratch_url(service)
    if given:
        with scratch.open_scratch(url, service.name, scratch_url=given, wait_seconds=_SWEEP_SECONDS) as place:
            pass
        for warning in place.warnings:
            tell.warn(warning)
        return {"databases": [], "folders": [str(each) for each in folders]}
    dropped = scratch.sweep(_scratch_server(service, url, tell))
    return {"databases": dropped, "folders": [str(each) for each in folders]}


def _scratch_server(service: facts.ServiceFacts, url: str, tell: telling.Tell) -> str:
    """The server that makes the scratch database: the service's own, or the one that the operator names."""
    if service.scratch_server_variable is None:
        return url
    server = os.environ.pop(service.scratch_server_variable)
    parsed = urls.parse(server).set(drivername=urls.parse(url).drivername)
    given = urls.render(parsed)
    ours, theirs = (connection.run(each, _version) for each in (given, url))
    if ours.partition(".")[0] != theirs.partition(".")[0]:
        tell.warn(
            f"generated and proven on PostgreSQL {ours}, while the service's own server runs {theirs}",
            "a scratch database of the same version is safer: scratch_url_variable: in services.yaml",
        )
    return given


def _version(conn: Any) -> str:
    return str(conn.exec_driver_sql("SHOW server_version").scalar()).partition(" ")[0]
