"""`force_recreate`: a migration Job empties what the service owns, the careful way, and builds it up again from nothing.

Only where ENVIRONMENT says, explicitly, that what is there may be thrown away; never in a database that is marked.
"""

from __future__ import annotations

from collections.abc import Mapping

from .. import facts, faults
from ..connections import connection
from ..projects import project
from ..resetting import cleaning
from ..standing import owned
from ..wire import telling
from . import migrate, protection, settings

__all__ = ["VARIABLE", "asked", "need_free_environment", "recreate"]

VARIABLE = "DB_FORCE_RECREATE"

_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off", "")


def asked(environ: Mapping[str, str]) -> bool:
    """Whether the environment asks for it.

    Raises:
        faults.WrongRequest: `setting-unclear`.
    """
    said = environ.get(VARIABLE, "").strip().lower()
    if said not in _YES + _NO:
        raise faults.WrongRequest("setting-unclear", f"{VARIABLE} is {said!r}", f"set {VARIABLE} to true or false")
    return said in _YES


def need_free_environment(environ: Mapping[str, str]) -> None:
    """Raises unless ENVIRONMENT is set to one where a database may be thrown away.

    Raises:
        faults.RefusedFault: `recreate-refused`.
    """
    said = environ.get("ENVIRONMENT", "").strip().lower()
    if said not in protection.FREE:
        raise faults.RefusedFault(
            "recreate-refused",
            f"the database is not recreated: ENVIRONMENT is {said or 'not set'}",
            f"where its content may be lost, set ENVIRONMENT to one of {', '.join(protection.FREE)}; elsewhere unset "
            f"{VARIABLE}",
        )


def recreate(
    service: facts.ServiceFacts, wanted: settings.Settings, tell: telling.Tell, environ: Mapping[str, str]
) -> None:
    """Empties it, under the migration lock; what is lost is told first, table by table.

    Raises:
        faults.RefusedFault: `recreate-refused`, `protected-environment`, and what a reset refuses.
        faults.Fault: what the reset or the lock raises.
    """
    need_free_environment(environ)
    project.enter(service)
    found = migrate.looked(service)
    protection.refuse(found, "recreating it", environ, None, None)
    with migrate.locked(found, wanted, tell):
        claimed = owned.claim(service, found.url)
        there, own = connection.run(found.url, lambda conn: cleaning.surveyed(conn, claimed, found.url))
        held = [f"{each['name']}: {_rows(each['rows'])}" for each in there["tables"]]
        tell.warn(f"{service.name}: recreating {found.database}; lost is {', '.join(held) or 'nothing'}")
        cleaning.empty(service, found.url, own, {"lock_timeout": wanted.lock_timeout})


def _rows(count: int | None) -> str:
    return "rows not counted" if count is None else f"{count} row{'' if count == 1 else 's'}"
