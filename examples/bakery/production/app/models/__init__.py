"""Every table of the service: importing this package fills `Base.metadata`."""

from __future__ import annotations

from app.models.base import Base
from app.models.batches import Batch, BatchState, Defect, QualityCheck
from app.models.capacity import Closure, Equipment, Line, Maintenance, Shift
from app.models.plans import Plan, PlanItem

__all__ = [
    "Base",
    "Batch",
    "BatchState",
    "Closure",
    "Defect",
    "Equipment",
    "Line",
    "Maintenance",
    "Plan",
    "PlanItem",
    "QualityCheck",
    "Shift",
]
