"""Reports on forecasts, in a schema of their own; they point into `public`."""

from __future__ import annotations

import enum
import uuid
from datetime import date
from decimal import Decimal

from sqlalchemy import CheckConstraint, Computed, Date, Enum, ForeignKey, Index, Numeric, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import ANALYTICS, Base, Dated


class Verdict(enum.Enum):
    GOOD = "good"
    LOW = "too low"
    HIGH = "too high"


# A type in a schema other than `public`, used by two tables there.
VERDICT = Enum(
    Verdict, name="verdict", schema=ANALYTICS, values_callable=lambda kind: [verdict.value for verdict in kind]
)


class Accuracy(Dated, Base):
    __tablename__ = "accuracy"

    forecast_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("forecasts.id", ondelete="CASCADE"), primary_key=True)
    predicted: Mapped[Decimal] = mapped_column(Numeric(12, 3))
    sold: Mapped[Decimal] = mapped_column(Numeric(12, 3))
    off_by: Mapped[Decimal] = mapped_column(
        Numeric(12, 3), Computed("abs(predicted - sold)", persisted=True), nullable=False
    )
    verdict: Mapped[Verdict] = mapped_column(VERDICT)

    __table_args__ = (
        CheckConstraint("sold >= 0", name="sold_not_negative"),
        Index("ix_accuracy_bad", "off_by", postgresql_where=text("verdict <> 'good'")),
        {"schema": ANALYTICS},
    )


class ModelScore(Base):
    """How often a model was right in a month, kept after its forecasts are gone."""

    __tablename__ = "model_scores"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(String(80), primary_key=True)
    month: Mapped[date] = mapped_column(Date, primary_key=True)
    verdict: Mapped[Verdict] = mapped_column(VERDICT, primary_key=True)
    times: Mapped[int]

    __table_args__ = (
        CheckConstraint("extract(day FROM month) = 1", name="month_is_its_first_day"),
        {"schema": ANALYTICS},
    )
