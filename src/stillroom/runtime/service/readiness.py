"""What a start found out about the database, remembered: health endpoints ask this, and not the database."""

from __future__ import annotations

import dataclasses
from typing import Any

from .. import faults

__all__ = ["Readiness"]


@dataclasses.dataclass
class Readiness:
    """Of one application.

    Attributes:
        service: its name.
        result: what the start gave (see `DatabaseInitManager.initialize_database`); None: not done yet, or failed.
        fault: why the start failed, or None.
        stopping: whether the application is shutting down.
    """

    service: str
    result: dict[str, Any] | None = None
    fault: faults.Fault | None = None
    stopping: bool = False

    @property
    def ready(self) -> bool:
        """Whether requests may come."""
        return self.result is not None and not self.stopping

    def to_dict(self) -> dict[str, Any]:
        """What `/health/ready` answers."""
        told: dict[str, Any] = {"status": "ready" if self.ready else "not ready", "service": self.service}
        if self.result is not None:
            told |= {name: self.result[name] for name in ("state", "current_revision") if name in self.result}
        if self.stopping:
            told["reason"] = "shutting down"
        elif self.fault is not None:
            told["reason"] = self.fault.message
        elif self.result is None:
            told["reason"] = "starting"
        return told
