"""Counting what is really there."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Computed, ForeignKey, ForeignKeyConstraint, Index, Numeric, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, NumberKey, OfTenant, Quantity, UuidKey
from app.models.stock import MOVEMENT_KIND, MovementKind


class Count(OfTenant, Base):
    __tablename__ = "counts"

    id: Mapped[UuidKey]
    warehouse_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("warehouses.id", ondelete="CASCADE"))
    counted_by: Mapped[uuid.UUID]
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]

    __table_args__ = (Index("uq_counts_open", "warehouse_id", unique=True, postgresql_where=text("closed_at IS NULL")),)


class CountLine(Base):
    __tablename__ = "count_lines"

    count_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("counts.id", ondelete="CASCADE"), primary_key=True)
    lot_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("lots.id", ondelete="CASCADE"), primary_key=True)
    expected: Mapped[Quantity]
    found: Mapped[Quantity]
    off_by: Mapped[Decimal] = mapped_column(
        Numeric(14, 4), Computed("found - expected", persisted=True), nullable=False
    )

    __table_args__ = (
        CheckConstraint("found >= 0", name="found_not_negative"),
        Index(None, "off_by", postgresql_where=text("off_by <> 0")),
    )


class Adjustment(Base):
    """The correction that follows from a line of a count."""

    __tablename__ = "adjustments"

    id: Mapped[NumberKey]
    count_id: Mapped[uuid.UUID]
    lot_id: Mapped[uuid.UUID]
    kind: Mapped[MovementKind] = mapped_column(MOVEMENT_KIND, server_default=MovementKind.COUNT.value)
    quantity: Mapped[Quantity]
    approved_by: Mapped[uuid.UUID | None]
    remark: Mapped[str] = mapped_column(String(200), server_default="")

    __table_args__ = (
        ForeignKeyConstraint(
            ["count_id", "lot_id"], ["count_lines.count_id", "count_lines.lot_id"], ondelete="CASCADE"
        ),
        CheckConstraint("kind IN ('count', 'waste')", name="kind_follows_from_a_count"),
    )
