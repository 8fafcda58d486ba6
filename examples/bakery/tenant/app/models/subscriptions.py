"""What a bakery pays for."""

from __future__ import annotations

import enum
import uuid
from datetime import date
from decimal import Decimal

from sqlalchemy import BigInteger, CheckConstraint, Enum, ForeignKey, Identity, Index, Numeric, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import DATERANGE, Range
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Timestamped


class Plan(enum.Enum):
    STARTER = "starter"
    PROFESSIONAL = "professional"
    ENTERPRISE = "enterprise"


class Subscription(Identified, Timestamped, Base):
    __tablename__ = "subscriptions"

    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    # The type holds the names in capitals, as SQLAlchemy makes it when nothing is said.
    plan: Mapped[Plan] = mapped_column(Enum(Plan, name="subscription_plan"), server_default=Plan.STARTER.name)
    period: Mapped[Range[date]] = mapped_column(DATERANGE)
    monthly_price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    cancelled: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        CheckConstraint("monthly_price >= 0", name="price_not_negative"),
        CheckConstraint("NOT isempty(period)", name="period_not_empty"),
        Index("uq_subscriptions_running", "tenant_id", unique=True, postgresql_where=text("NOT cancelled")),
    )


class Invoice(Timestamped, Base):
    __tablename__ = "invoices"

    id: Mapped[int] = mapped_column(BigInteger, Identity(start=1000), primary_key=True)
    subscription_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("subscriptions.id", ondelete="RESTRICT"))
    issued_on: Mapped[date]
    amount: Mapped[Decimal] = mapped_column(Numeric(10, 2))

    __table_args__ = (
        UniqueConstraint("subscription_id", "issued_on"),
        CheckConstraint("amount > 0", name="amount_positive"),
    )
