"""Environments where nothing may be taken away: as the registry says, as the database is marked, as ENVIRONMENT says."""

from __future__ import annotations

from collections.abc import Mapping

from .. import faults
from ..applying import situation
from ..connections import connection
from ..schema import marker

__all__ = ["FREE", "PROTECTED", "refuse"]

FREE = ("development", "dev", "local", "test")
"""Values of ENVIRONMENT, set explicitly, where a database may be thrown away."""

PROTECTED = ("production", "prod", "staging")
"""Values of ENVIRONMENT that protect."""


def refuse(
    found: situation.Situation, doing: str, environ: Mapping[str, str], allowed: str | None, expected: str | None
) -> None:
    """Raises in a protected environment, unless that very environment and the database are named.

    Args:
        found: the service.
        doing: what is refused: `a downgrade`.
        environ: with ENVIRONMENT.
        allowed: the environment that the person names.
        expected: the database that the person names.

    Raises:
        faults.RefusedFault: `protected-environment`, `wrong-database`.
    """
    said = environ.get("ENVIRONMENT", "").strip().lower()
    marked, database = connection.run(
        found.url, lambda conn: (marker.read(conn), str(conn.exec_driver_sql("SELECT current_database()").scalar()))
    )
    names = [each for each in (marked, said if said in PROTECTED else None) if each]
    if found.service.protected and not names:
        names = [said or "this environment"]
    if expected is not None and expected != database:
        raise faults.RefusedFault(
            "wrong-database",
            f"{found.service.name}: this is database {database!r}, not {expected!r} as expected",
            "correct the URL, or the name after --expect-database",
        )
    if names and not (expected is not None and all(each == allowed for each in names)):
        raise faults.RefusedFault(
            "protected-environment",
            f"{found.service.name}: {doing} is refused: {found.database} is protected ({', '.join(names)})",
            f"if it is really meant: --allow-protected {names[0]} --expect-database {database}",
            data={"environment": names},
        )
