"""What a verification comes to: one state, with its exit code, message and mend; and the exception of each."""

from __future__ import annotations

import dataclasses
from typing import Any

from .. import faults
from ..states import AHEAD, AT_HEAD, BEHIND, DIVERGED, EMPTY, NO_MIGRATIONS, UNREACHABLE, UNVERSIONED

__all__ = [
    "AHEAD",
    "ALLOW",
    "AT_HEAD",
    "BEHIND",
    "DIVERGED",
    "DRIFTED",
    "EMPTY",
    "EXIT_CODES",
    "NO_MIGRATIONS",
    "POLICIES",
    "PREFIX",
    "REFUSE",
    "SHOWN",
    "STATES",
    "UNPROVEN",
    "UNREACHABLE",
    "UNVERSIONED",
    "AheadRefused",
    "DatabaseBehind",
    "DatabaseDiverged",
    "DatabaseDrifted",
    "DatabaseEmpty",
    "DatabaseUnproven",
    "DatabaseUnreachable",
    "DatabaseUnversioned",
    "NoMigrations",
    "NotReady",
    "Verdict",
]

DRIFTED = "drifted"
UNPROVEN = "unproven"

EXIT_CODES = {
    AT_HEAD: 0,
    BEHIND: 10,
    AHEAD: 11,
    DIVERGED: 12,
    EMPTY: 13,
    UNVERSIONED: 14,
    UNREACHABLE: 15,
    NO_MIGRATIONS: 16,
    DRIFTED: 17,
    UNPROVEN: 18,
}
"""State to exit code; `ahead` that is allowed is 0. `unproven`: there is nothing to compare the schema with."""

STATES = tuple(EXIT_CODES)

ALLOW = "allow"
REFUSE = "refuse"
POLICIES = (ALLOW, REFUSE)
"""What to make of `ahead` where the ledger does not tell."""

PREFIX = "DB not ready: "

SHOWN = 5
"""How many differences of a schema the message itself names."""


class NotReady(faults.Fault):
    """A service must not start on this database. `verdict` says everything that is known."""

    kind = "not-ready"

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(
            verdict.fault_code,
            verdict.message,
            verdict.mend,
            detail="\n".join(verdict.differences[SHOWN:]),
            data=verdict.to_dict(),
        )
        self.verdict = verdict

    @property
    def exit_code(self) -> int:
        """What a process ends with."""
        return self.verdict.exit_code


class DatabaseBehind(NotReady):
    """The code has revisions that are not applied."""


class AheadRefused(NotReady):
    """The database is newer than this image, in a way that the image can't, or may not, live with."""


class DatabaseDiverged(NotReady):
    """The revisions noted can't all have come from this image's history."""


class DatabaseEmpty(NotReady):
    """Nothing was ever migrated here."""


class DatabaseUnversioned(NotReady):
    """There are tables, and no revision is noted."""


class DatabaseUnreachable(NotReady):
    """The database could not be asked."""


class NoMigrations(NotReady):
    """The image holds no migration files."""


class DatabaseDrifted(NotReady):
    """The schema is not what the last run left."""


class DatabaseUnproven(NotReady):
    """Depth was asked for, and no fingerprint is recorded to hold the schema against."""


_CODES = {
    AT_HEAD: "",
    BEHIND: "database-behind",
    AHEAD: "database-ahead",
    DIVERGED: "database-diverged",
    EMPTY: "database-empty",
    UNVERSIONED: "database-unversioned",
    UNREACHABLE: "database-unreachable",
    NO_MIGRATIONS: "no-migrations",
    DRIFTED: "database-drifted",
    UNPROVEN: "database-unproven",
}
_EXCEPTIONS: dict[str, type[NotReady]] = {
    BEHIND: DatabaseBehind,
    AHEAD: AheadRefused,
    DIVERGED: DatabaseDiverged,
    EMPTY: DatabaseEmpty,
    UNVERSIONED: DatabaseUnversioned,
    UNREACHABLE: DatabaseUnreachable,
    NO_MIGRATIONS: NoMigrations,
    DRIFTED: DatabaseDrifted,
    UNPROVEN: DatabaseUnproven,
}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a verification found.

    Attributes:
        state: one of `STATES`.
        ready: whether a service may start.
        message: one sentence; of one that is not ready it begins `DB not ready: `.
        mend: what to do; "" where nothing is.
        service: whose.
        current: the rows of the version table, sorted.
        heads: what this image expects there, sorted.
        pending: revisions of the image that are not applied, in order.
        unknown: noted revisions that the image does not have, sorted.
        boundary: the first revision beyond this image that it can't live with, or "".
        migrations: how many revisions the image has.
        tables: how many tables the service has, version and ledger tables left out; None: not known.
        warnings: what should be told although it may start.
        differences: of a schema that drifted, one line each.
        ledger: `readable`, `unreadable`, `missing`, `foreign`, or None: it was not needed.
        run: the newest migration run for the heads of this image, else the newest of all (`outcome`, `error`, …), or None.
        hopeless: waiting is of no use: that run failed for good.
        deep: whether the schema was held against its fingerprint.
    """

    state: str
    ready: bool
    message: str
    mend: str = ""
    service: str = ""
    current: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    boundary: str = ""
    migrations: int = 0
    tables: int | None = None
    warnings: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    ledger: str | None = None
    run: dict[str, Any] | None = dataclasses.field(default=None, hash=False)
    hopeless: bool = False
    deep: bool = False

    @property
    def exit_code(self) -> int:
        """What `python -m stillroom.runtime verify` ends with."""
        return 0 if self.ready else EXIT_CODES[self.state]

    @property
    def fault_code(self) -> str:
        """The code of its exception: `database-behind`, `no-migrations`, …; "" of one that has none."""
        return _CODES[self.state]

    @property
    def current_revision(self) -> str | None:
        """The revisions noted, sorted and joined by commas; None where there is none."""
        return ",".join(self.current) or None

    def exception(self) -> NotReady:
        """The exception of this state."""
        return _EXCEPTIONS[self.state](self)

    def need_ready(self) -> Verdict:
        """The verdict itself.

        Raises:
            NotReady: the exception of its state, where a service may not start.
        """
        if not self.ready:
            raise self.exception()
        return self

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        told = {
            key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(self).items()
        }
        return {**told, "exit_code": self.exit_code, "current_revision": self.current_revision}
