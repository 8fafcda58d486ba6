"""Models that came out of a run, and how good they are."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from pathlib import PurePosixPath

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import DATERANGE, Range
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, StoragePath


class TrainedModel(Identified, Base):
    __tablename__ = "trained_models"

    tenant_id: Mapped[uuid.UUID]
    product_id: Mapped[uuid.UUID]
    version: Mapped[int] = mapped_column(Integer)
    job_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("training_jobs.id", ondelete="SET NULL"))
    algorithm: Mapped[str] = mapped_column(String(40), server_default="prophet")
    stored_at: Mapped[PurePosixPath] = mapped_column(StoragePath(500))
    learned_from: Mapped[Range[date]] = mapped_column(DATERANGE)
    in_use: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        UniqueConstraint("tenant_id", "product_id", "version"),
        CheckConstraint("version > 0", name="version_positive"),
        Index("uq_trained_models_in_use", "tenant_id", "product_id", unique=True, postgresql_where=text("in_use")),
    )


class Metric(Base):
    """One measure of a model; it points at the model by the three columns that people know it by."""

    __tablename__ = "metrics"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    product_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    value: Mapped[float] = mapped_column(Double)

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "product_id", "version"],
            ["trained_models.tenant_id", "trained_models.product_id", "trained_models.version"],
            ondelete="CASCADE",
        ),
    )
