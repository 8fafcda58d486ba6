"""What a start does with the database: verify it, or migrate it first. Pure: settings in, a decision out.

| ENVIRONMENT | SKIP_MIGRATIONS | a service's start |
|---|---|---|
| development, dev, local, test | `false`, set explicitly | migrates, under the lock; then it is ready |
| development, dev, local, test | `true`, or not set | verifies |
| staging, production, prod, any other, or not set | whatever is set | verifies |

`DB_FORCE_RECREATE` is for migration Jobs: a service's start does not look at it but to say so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from .. import faults

__all__ = [
    "DEPTHS",
    "FREE_ENVIRONMENTS",
    "Start",
    "decide",
    "depth",
    "force_recreate_requested",
    "need_free_environment",
    "yes_or_no",
]

FREE_ENVIRONMENTS = ("development", "dev", "local", "test")
"""Where a start may migrate, and a Job may recreate, if it is told so."""

DEPTHS = ("stamp", "deep")

_YES = ("true", "1", "yes", "on")
_NO = ("false", "0", "no", "off")


@dataclasses.dataclass(frozen=True)
class Start:
    """What a start does.

    Attributes:
        verify_only: whether it leaves the database as it is.
        skips: whether `SKIP_MIGRATIONS=true` asked for that, so that the older log lines are due as well.
        remarks: what was set and has no effect, a sentence each.
    """

    verify_only: bool
    skips: bool = False
    remarks: tuple[str, ...] = ()


def decide(environ: Mapping[str, str]) -> Start:
    """The decision for a service's start.

    Raises:
        faults.WrongRequest: `setting-unclear`.
    """
    environment = _environment(environ)
    skip = yes_or_no(environ, "SKIP_MIGRATIONS")
    remarks = []
    if environ.get("DB_FORCE_RECREATE", "").strip() and yes_or_no(environ, "DB_FORCE_RECREATE"):
        remarks.append("DB_FORCE_RECREATE has no effect here: only a migration Job recreates a database")
    if skip is False and environment not in FREE_ENVIRONMENTS:
        where = f"ENVIRONMENT is {environment}" if environment else "ENVIRONMENT is not set"
        remarks.append(f"SKIP_MIGRATIONS=false has no effect here, since {where}: services only verify")
    return Start(
        verify_only=skip is not False or environment not in FREE_ENVIRONMENTS,
        skips=skip is True,
        remarks=tuple(remarks),
    )


def force_recreate_requested(environ: Mapping[str, str]) -> bool:
    """Whether a migration Job is to recreate the database: what `DB_FORCE_RECREATE` says.

    Raises:
        faults.WrongRequest: `setting-unclear`.
    """
    return yes_or_no(environ, "DB_FORCE_RECREATE") is True


def need_free_environment(environ: Mapping[str, str]) -> None:
    """Raises unless `ENVIRONMENT` says, explicitly, that what is in the database may be thrown away.

    Raises:
        faults.RefusedFault: `recreate-refused`.
    """
    environment = _environment(environ)
    if environment not in FREE_ENVIRONMENTS:
        said = f"ENVIRONMENT is {environment}" if environment else "ENVIRONMENT is not set"
        raise faults.RefusedFault(
            "recreate-refused",
            f"the database is not recreated: {said}",
            f"where its content may be lost, set ENVIRONMENT to one of {', '.join(FREE_ENVIRONMENTS)}; "
            "elsewhere unset DB_FORCE_RECREATE",
        )


def depth(environ: Mapping[str, str], given: str | None = None) -> str:
    """How closely the database is looked at: `given`, else what `VERIFY_DEPTH` says, else `stamp`.

    Raises:
        faults.WrongRequest: `setting-unclear`.
    """
    said = given if given is not None else environ.get("VERIFY_DEPTH", "").strip().lower() or DEPTHS[0]
    if said not in DEPTHS:
        where = "verify_depth" if given is not None else "VERIFY_DEPTH"
        raise faults.WrongRequest("setting-unclear", f"{where} is {said!r}", f"it can be {' or '.join(DEPTHS)}")
    return said


def yes_or_no(environ: Mapping[str, str], name: str) -> bool | None:
    """What a variable says; None where it is not set, or empty.

    Raises:
        faults.WrongRequest: `setting-unclear`: it says neither.
    """
    said = environ.get(name, "").strip().lower()
    if not said:
        return None
    if said not in _YES + _NO:
        raise faults.WrongRequest("setting-unclear", f"{name} is {said!r}", f"set {name} to true or false")
    return said in _YES


def _environment(environ: Mapping[str, str]) -> str:
    return environ.get("ENVIRONMENT", "").strip().lower()
