"""Every table of the service: importing this package fills `Base.metadata`."""

from __future__ import annotations

from app.models.analytics import Accuracy, ModelScore, Verdict
from app.models.base import Base
from app.models.forecasts import Batch, BatchState, Forecast, Scenario

__all__ = ["Accuracy", "Base", "Batch", "BatchState", "Forecast", "ModelScore", "Scenario", "Verdict"]
