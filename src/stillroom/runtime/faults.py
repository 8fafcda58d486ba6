"""The faults of the runtime: each has a stable code, a sentence of what happened and a sentence of what to do.

    Fault
    ├── WrongRequest       the operator side asked for something that makes no sense here
    ├── ProjectFault       the service's code or Alembic project is at fault
    ├── DatabaseFault      the database answered with an error, or not at all
    ├── JudgedFault        what was generated is wrong; nothing is copied
    └── RefusedFault       it could be done, but would destroy or touch what it must not

A fault crosses the wire whole (`to_dict`, `from_dict`).
"""

from __future__ import annotations

from typing import Any

from . import secrecy

__all__ = ["DatabaseFault", "Fault", "JudgedFault", "ProjectFault", "RefusedFault", "WrongRequest", "from_dict"]


class Fault(Exception):
    """Something that a person has to know and can mend.

    Args:
        code: stable, kebab-case, unique to the cause (`models-do-not-import`).
        message: one sentence: what happened, and where (file, line, table, database, host); never a secret.
        mend: one sentence or command: what to do.
        detail: longer text for the curious (a traceback, a diff); may be empty.
        data: JSON-able facts for machines.
    """

    kind = "fault"

    def __init__(
        self, code: str, message: str, mend: str, *, detail: str = "", data: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.mend = mend
        self.detail = detail
        self.data: dict[str, Any] = data or {}

    def to_dict(self) -> dict[str, Any]:
        """The fault as it crosses the wire: without passwords, whoever said them."""
        told: dict[str, Any] = secrecy.scrubbed(
            {"message": self.message, "mend": self.mend, "detail": self.detail, "data": self.data}
        )
        return {"kind": self.kind, "code": self.code, **told}


class WrongRequest(Fault):
    """The request names an operation or option that this runtime does not have."""

    kind = "wrong-request"


class ProjectFault(Fault):
    """The service's code, configuration or history is at fault."""

    kind = "project"


class DatabaseFault(Fault):
    """The database could not be reached, or refused a statement."""

    kind = "database"


class JudgedFault(Fault):
    """What was generated is wrong by name; nothing of it is kept."""

    kind = "judged"


class RefusedFault(Fault):
    """Refused, because something would be destroyed or touched that must not be."""

    kind = "refused"


_KINDS: dict[str, type[Fault]] = {
    each.kind: each for each in (Fault, WrongRequest, ProjectFault, DatabaseFault, JudgedFault, RefusedFault)
}


def from_dict(value: dict[str, Any]) -> Fault:
    """The fault that `to_dict` described; an unknown kind becomes a plain `Fault`."""
    cls = _KINDS.get(str(value.get("kind")), Fault)
    data = value.get("data")
    return cls(
        str(value.get("code", "unknown")),
        str(value.get("message", "")),
        str(value.get("mend", "")),
        detail=str(value.get("detail", "")),
        data=dict(data) if isinstance(data, dict) else {},
    )
