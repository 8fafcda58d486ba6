"""How a migration is to go about it: how long it waits for what, and how often it tries; from options or the environment."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any

from .. import faults

__all__ = ["VARIABLES", "Settings", "from_environment", "seconds"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|)")
_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}

VARIABLES = {
    "lock_wait": "STILLROOM_LOCK_WAIT",
    "lock_timeout": "STILLROOM_LOCK_TIMEOUT",
    "statement_timeout": "STILLROOM_STATEMENT_TIMEOUT",
    "lock_retries": "STILLROOM_LOCK_RETRIES",
}
"""What the environment may say instead of an option."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Limits of one migration.

    Attributes:
        to: where it leads: a revision, or `heads`.
        lock_wait: seconds to wait for another migrator of the same database to end.
        lock_timeout: seconds that a statement of a revision waits for a lock, and whoever comes after it behind it; 0: for
            ever. 4 seconds is what an application bears without an outage.
        statement_timeout: seconds that a statement of a revision may take; 0: as long as it wants. A revision that needs
            longer says so itself (`stillroom_statement_timeout = "2h"`).
        lock_retries: how often a revision that got no lock is tried again.
        repair: whether INVALID indexes are repaired before anything else.
        prove: whether a database where nothing is to be done gets the fingerprint that it lacks, after an empty diff.
        ahead: of a database that is ahead: `allow` or `refuse` where the ledger does not explain it; None: always refused.
        last_attempt: whether nobody starts another one after this; services that wait need not wait any longer then.
    """

    to: str = "heads"
    lock_wait: float = 300.0
    lock_timeout: float = 4.0
    statement_timeout: float = 600.0
    lock_retries: int = 10
    repair: bool = False
    last_attempt: bool = False
    prove: bool = False
    ahead: str | None = None


def seconds(text: str | float, what: str) -> float:
    """A duration as PostgreSQL writes it: `500ms`, `4s`, `10min`, `2h`; a plain number counts seconds.

    Args:
        text: the duration.
        what: for the message: an option, a variable, a name in a revision file.

    Raises:
        faults.WrongRequest: `duration-invalid`.
    """
    match = _DURATION.fullmatch(str(text).strip())
    if match is None:
        raise faults.WrongRequest(
            "duration-invalid", f"{what} is {text!r}, which is no duration", "write it as 500ms, 4s, 10min or 2h"
        )
    return float(match[1]) * _UNITS[match[2]]


def from_environment(given: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """The settings: what is given (None: not given), else what the environment says, else the defaults.

    Raises:
        faults.WrongRequest: `duration-invalid`, `number-invalid`.
    """
    said = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Settings):
        variable = VARIABLES.get(field.name)
        value, what = given.get(field.name), f"--{field.name.replace('_', '-')}"
        if value is None and variable is not None and said.get(variable):
            value, what = said[variable], variable
        if value is not None:
            values[field.name] = _converted(field.name, value, what)
    return Settings(**values)


def _converted(name: str, value: Any, what: str) -> Any:
    if name == "lock_retries":
        if not str(value).strip().isdecimal():
            raise faults.WrongRequest("number-invalid", f"{what} is {value!r}, which is no number", "write it as 10")
        return int(value)
    return seconds(value, what) if name in VARIABLES else value
