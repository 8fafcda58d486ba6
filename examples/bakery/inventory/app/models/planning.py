"""When to buy, and how much."""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Interval, Numeric, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Quantity, UuidKey, stored_by_value


class SuggestionState(enum.Enum):
    OPEN = "open"
    ORDERED = "ordered"
    DISMISSED = "dismissed"


class ReorderRule(Base):
    __tablename__ = "reorder_rules"

    ingredient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ingredients.id", ondelete="CASCADE"), primary_key=True)
    warehouse_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("warehouses.id", ondelete="CASCADE"), primary_key=True)
    at_least: Mapped[Quantity]
    up_to: Mapped[Quantity]
    lead_time: Mapped[timedelta] = mapped_column(Interval, server_default=text("'2 days'::interval"))
    safety: Mapped[Decimal] = mapped_column(Numeric(4, 2), server_default=text("1.20"))

    __table_args__ = (
        CheckConstraint("at_least >= 0 AND up_to > at_least", name="buys_something"),
        CheckConstraint("safety >= 1", name="safety_adds"),
    )


class ReorderSuggestion(Base):
    __tablename__ = "reorder_suggestions"

    id: Mapped[UuidKey]
    warehouse_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("warehouses.id", ondelete="CASCADE"))
    ingredient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ingredients.id", ondelete="CASCADE"), index=True)
    supplier_id: Mapped[uuid.UUID]
    suggested_for: Mapped[date]
    reason: Mapped[str] = mapped_column(String(40), server_default="below minimum")
    quantity: Mapped[Quantity]
    state: Mapped[SuggestionState] = mapped_column(
        stored_by_value(SuggestionState, "suggestion_state"), server_default=SuggestionState.OPEN.value
    )
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        # The convention makes 82 characters of this; PostgreSQL takes 63.
        UniqueConstraint("warehouse_id", "ingredient_id", "supplier_id", "suggested_for", "reason"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
    )
