"""Every table of the service: importing this package fills `Base.metadata`."""

from __future__ import annotations

from app.models.base import Base
from app.models.embeddings import ProductEmbedding
from app.models.jobs import JobEvent, JobState, TrainingJob
from app.models.trained import Metric, TrainedModel

__all__ = ["Base", "JobEvent", "JobState", "Metric", "ProductEmbedding", "TrainedModel", "TrainingJob"]
