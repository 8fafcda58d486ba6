"""What is to be baked on a day."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Identified, Timestamped


class Plan(Identified, Timestamped, Base):
    __tablename__ = "plans"

    tenant_id: Mapped[uuid.UUID]
    day: Mapped[date]
    # A new plan for the same day replaces the one before.
    replaces_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("plans.id", ondelete="SET NULL"), unique=True)
    released: Mapped[bool] = mapped_column(server_default=text("false"))

    items: Mapped[list[PlanItem]] = relationship(cascade="all, delete-orphan", order_by="PlanItem.priority")

    __table_args__ = (
        Index("uq_plans_released", "tenant_id", "day", unique=True, postgresql_where=text("released")),
        CheckConstraint("replaces_id <> id", name="ck_plans_replaces_another"),
    )


class PlanItem(Identified, Base):
    __tablename__ = "plan_items"

    plan_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("plans.id", ondelete="CASCADE"))
    recipe_id: Mapped[uuid.UUID]
    quantity: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    priority: Mapped[int] = mapped_column(server_default=text("100"))
    forecast: Mapped[str | None] = mapped_column(String(36), comment="The forecast that asked for it, if one did")

    __table_args__ = (UniqueConstraint("plan_id", "recipe_id"), CheckConstraint("quantity > 0"))
