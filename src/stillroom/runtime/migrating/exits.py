"""Exit codes of a migration: what a Job's podFailurePolicy decides on.

0     done, or nothing to do
20    the migration is wrong: trying again can't help
21    it could not connect, or got no lock: try again
22    refused, before anything was touched; or wrong use
143   ended by a signal; what was running was rolled back
"""

from __future__ import annotations

from .. import faults

__all__ = ["DONE", "REFUSED", "TERMINATED", "TRY_AGAIN", "WRONG", "is_fatal", "of"]

DONE = 0
WRONG = 20
TRY_AGAIN = 21
REFUSED = 22
TERMINATED = 143

_TRY_AGAIN = frozenset(
    {
        "authentication-failed",
        "database-missing",
        "database-unreachable",
        "lock-lost",
        "lock-timeout",
        "migration-locked",
        "too-many-connections",
    }
)

_WRONG_USE = "no-such-revision"  # what `--to` named: the history is as good as before


def of(fault: faults.Fault) -> int:
    """The exit code for a fault: by what caused it, whatever it led to."""
    if str(fault.data.get("cause") or fault.code) in _TRY_AGAIN or fault.code in _TRY_AGAIN:
        return TRY_AGAIN
    refused = isinstance(fault, faults.RefusedFault | faults.WrongRequest) or fault.code == _WRONG_USE
    return REFUSED if refused else WRONG


def is_fatal(fault: faults.Fault) -> bool:
    """Whether trying again can't help."""
    return of(fault) != TRY_AGAIN
