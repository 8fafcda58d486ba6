"""Batches and how they came out."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    SmallInteger,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Identified, Timestamped


class BatchState(enum.Enum):
    PLANNED = "planned"
    MIXING = "mixing"
    PROOFING = "proofing"
    BAKING = "baking"
    COOLING = "cooling"
    DONE = "done"
    SCRAPPED = "scrapped"


# A batch has a state, and a quality check notes the one that it found: one type, two tables.
BATCH_STATE = Enum(BatchState, name="batch_state", values_callable=lambda kind: [state.value for state in kind])


class Batch(Identified, Timestamped, Base):
    """Part of two cycles: lines point at it and it at them; a defect that blocks it belongs to a check of it."""

    __tablename__ = "batches"

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    line_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("lines.id", ondelete="RESTRICT"))
    plan_item_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("plan_items.id", ondelete="SET NULL"))
    blocked_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("defects.id", ondelete="SET NULL"))
    recipe_id: Mapped[uuid.UUID]
    recipe_version: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[BatchState] = mapped_column(BATCH_STATE, server_default=BatchState.PLANNED.value)
    planned: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    good: Mapped[Decimal] = mapped_column(Numeric(10, 2), server_default=text("0"))
    # NULL while nothing was planned: a division by zero is none.
    share_good: Mapped[Decimal | None] = mapped_column(
        Numeric(6, 4), Computed("good / NULLIF(planned, 0)", persisted=True)
    )
    log: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))

    checks: Mapped[list[QualityCheck]] = relationship(back_populates="batch", cascade="all, delete-orphan")

    __table_args__ = (
        CheckConstraint("planned >= 0 AND good BETWEEN 0 AND planned", name="ck_batches_numbers"),
        Index("uq_batches_running", "line_id", unique=True, postgresql_where=text("state IN ('mixing', 'baking')")),
        Index("ix_batches_log", "log", postgresql_using="gin", postgresql_ops={"log": "jsonb_path_ops"}),
    )


class QualityCheck(Identified, Base):
    __tablename__ = "quality_checks"

    batch_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"))
    during: Mapped[BatchState] = mapped_column(BATCH_STATE)
    score: Mapped[int] = mapped_column(SmallInteger)
    measured: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    checked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    batch: Mapped[Batch] = relationship(back_populates="checks")

    __table_args__ = (
        CheckConstraint("score BETWEEN 1 AND 10", name="ck_quality_checks_score"),
        Index("ix_quality_checks_batch_id_checked_at", "batch_id", checked_at.desc()),
    )


class Defect(Identified, Base):
    __tablename__ = "defects"

    check_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("quality_checks.id", ondelete="CASCADE"), index=True)
    code: Mapped[str] = mapped_column(String(20))
    description: Mapped[str] = mapped_column(Text, server_default="")
    blocks: Mapped[bool] = mapped_column(server_default=text("false"))
