"""Forecasts and the runs that made them."""

from __future__ import annotations

import enum
import uuid
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Enum,
    ForeignKey,
    Index,
    Interval,
    Numeric,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DATERANGE, JSONB, NUMRANGE, Range
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Dated, Identified


class BatchState(enum.Enum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Batch(Identified, Dated, Base):
    __tablename__ = "batches"

    tenant_id: Mapped[uuid.UUID]
    horizon: Mapped[timedelta] = mapped_column(Interval, server_default=text("'7 days'::interval"))
    covers: Mapped[Range[date]] = mapped_column(DATERANGE)
    state: Mapped[BatchState] = mapped_column(
        Enum(BatchState, name="batch_state", values_callable=lambda kind: [state.value for state in kind]),
        server_default=BatchState.RUNNING.value,
    )
    locations: Mapped[list[str]] = mapped_column(ARRAY(String(80)), server_default=text("ARRAY[]::varchar[]"))

    forecasts: Mapped[list[Forecast]] = relationship(back_populates="batch", cascade="all, delete-orphan")

    __table_args__ = (
        CheckConstraint("horizon > interval '0'", name="horizon_positive"),
        Index("ix_batches_covers", "covers", postgresql_using="gist"),
        Index(None, "tenant_id", "created_at", postgresql_where=text("state = 'done'")),
    )


class Forecast(Identified, Dated, Base):
    __tablename__ = "forecasts"

    batch_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"))
    product_id: Mapped[uuid.UUID]
    day: Mapped[date]
    hour: Mapped[int | None] = mapped_column(SmallInteger)
    predicted: Mapped[Decimal] = mapped_column(Numeric(12, 3))
    likely: Mapped[Range[Decimal]] = mapped_column(NUMRANGE)
    confidence: Mapped[Decimal] = mapped_column(Numeric(4, 3), server_default=text("0.8"))
    features: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))

    batch: Mapped[Batch] = relationship(back_populates="forecasts")

    __table_args__ = (
        # A forecast for the whole day has no hour, and there is one of it.
        UniqueConstraint("batch_id", "product_id", "day", "hour", postgresql_nulls_not_distinct=True),
        CheckConstraint("predicted >= 0", name="predicted_not_negative"),
        CheckConstraint("confidence > 0 AND confidence < 1", name="confidence_is_open_interval"),
        CheckConstraint("likely @> predicted", name="prediction_is_likely"),
        CheckConstraint("hour BETWEEN 0 AND 23", name="hour_of_day"),
        Index("ix_forecasts_features", "features", postgresql_using="gin"),
        Index("ix_forecasts_weather", text("CAST(features ->> 'temperature' AS numeric)")),
    )


class Scenario(Identified, Dated, Base):
    """What if: a scenario may start from another one."""

    __tablename__ = "scenarios"

    tenant_id: Mapped[uuid.UUID]
    based_on_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("scenarios.id", ondelete="CASCADE"), index=True)
    title: Mapped[str] = mapped_column(String(120))
    changes: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))

    __table_args__ = (UniqueConstraint("tenant_id", "title"),)
