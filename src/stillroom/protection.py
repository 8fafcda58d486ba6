"""Who may destroy what: the rule for protected environments and for databases marked as production."""

from __future__ import annotations

import dataclasses

from stillroom import errors

__all__ = ["Permission", "check"]


@dataclasses.dataclass(frozen=True)
class Permission:
    """What the person gave with `--allow-protected ENVIRONMENT` and `--expect-database NAME`."""

    environment: str | None = None
    database: str | None = None


def check(
    service: str, environment: str, protected: bool, marker: str | None, database: str, given: Permission
) -> None:
    """Refuses to destroy in a protected place, unless both flags are given and right.

    Args:
        service: for the message.
        environment: name of the environment in the registry.
        protected: what the registry says of it.
        marker: what the database says of itself (`stillroom.environment`), or None.
        database: its name.
        given: the flags.

    Raises:
        errors.Refused: naming what protects it and the flags that would lift that.
    """
    if given.database is not None and given.database != database:
        raise errors.Refused(
            f"{service}: --expect-database {given.database} was given, but the database is {database}",
            "check the environment and the service's URL variable, then name the database that you mean",
        )
    if not protected and marker is None:
        return
    # A database's own word counts before the registry's: its URL may have been swapped.
    wanted = environment if marker is None else marker
    why = (
        f"environment {environment} is protected in services.yaml"
        if marker is None
        else f"the database marks itself as {marker} (ALTER DATABASE … SET stillroom.environment)"
    )
    if given.environment not in (None, wanted):
        raise errors.Refused(
            f"{service}: --allow-protected {given.environment} was given, but {why}",
            f"if {wanted} is really meant: --allow-protected {wanted} --expect-database {database}",
        )
    if given.environment is None or given.database is None:
        raise errors.Refused(
            f"{service}: refused on database {database}: {why}",
            f"if that is really meant: --allow-protected {wanted} --expect-database {database}",
        )
