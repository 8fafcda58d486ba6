"""Reports on services: findings of checks, as values. Preflight makes them, people read them, commands decide by them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["CHECKS", "Finding", "Report"]

CHECKS = (
    "kubectl",
    "cluster",
    "namespace",
    "permissions",
    "pods",
    "target",
    "image",
    "path",
    "python",
    "alembic",
    "sqlalchemy",
    "driver",
    "greenlet",
    "config",
    "env.py",
    "folder",
    "writable",
    "uncommitted",
    "disk",
    "history",
    "revisions",
    "models",
    "bootstrap",
    "url",
    "database",
    "server",
    "primary",
    "pooler",
    "rights",
    "owner",
    "version table",
    "extensions",
    "roles",
    "scratch",
)
"""The names of the checks, in the order in which findings are shown."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: its name, see `CHECKS`.
        level: "ok", "skipped" (not looked at, or not to be known; the message says why), "note" (usual and fine; shown by
            `--verbose`), "warning" or "error".
        message: what was seen.
        mend: what to do; empty where there is nothing to be done.
        data: JSON-able facts, with a stable `code` where something is wrong.
    """

    check: str
    level: str
    message: str
    mend: str = ""
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Finding:
        """A finding as the runtime sends it."""
        return cls(
            str(value.get("check", "")),
            str(value.get("level", "error")),
            str(value.get("message", "")),
            str(value.get("mend", "")),
            dict(value.get("data") or {}),
        )


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything found about one service, in the order of `CHECKS`; `facts` as the runtime's `preflight` gives them."""

    service: str
    findings: tuple[Finding, ...]
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, service: str, findings: Sequence[Finding], facts: Mapping[str, Any]) -> Report:
        """A report with its findings in order; those of an unknown check come last."""
        place = {check: at for at, check in enumerate(CHECKS)}
        return cls(service, tuple(sorted(findings, key=lambda each: place.get(each.check, len(place)))), facts)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What would make a run fail."""
        return tuple(each for each in self.findings if each.level == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What a person should know."""
        return tuple(each for each in self.findings if each.level == "warning")

    @property
    def level(self) -> str:
        """The worst level that counts: "ok", "warning" or "error"."""
        if self.errors:
            return "error"
        return "warning" if self.warnings else "ok"

    def with_findings(self, more: Sequence[Finding]) -> Report:
        """The same report with further findings."""
        return Report.of(self.service, [*self.findings, *more], self.facts)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, without the service's name."""
        return {
            "level": self.level,
            "findings": [dataclasses.asdict(each) for each in self.findings],
            "facts": dict(self.facts),
        }
