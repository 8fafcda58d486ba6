"""What was sold at a till, and what the vendor told us about it."""

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
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import SCHEMA, Base, Identified
from app.models.tills import VENDOR, Vendor


class PaymentKind(enum.Enum):
    CASH = "cash"
    CARD = "card"
    VOUCHER = "voucher"


class Transaction(Identified, Base):
    __tablename__ = "transactions"

    till_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pos.tills.id", ondelete="RESTRICT"))
    # A refund points at the sale that it takes back.
    refunds_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("pos.transactions.id"))
    payment: Mapped[PaymentKind] = mapped_column(
        Enum(PaymentKind, name="payment_kind", schema=SCHEMA), server_default=PaymentKind.CARD.name
    )
    sold_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    lines: Mapped[list[TransactionLine]] = relationship(back_populates="transaction", cascade="all, delete-orphan")

    __table_args__ = (
        Index(None, "till_id", "sold_at"),
        CheckConstraint("refunds_id <> id", name="refunds_another"),
    )


class TransactionLine(Base):
    """A line of a receipt: its place on the receipt is part of the key."""

    __tablename__ = "transaction_lines"

    transaction_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("pos.transactions.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    sku: Mapped[str] = mapped_column(String(40))
    quantity: Mapped[Decimal] = mapped_column(Numeric(10, 3))
    unit_price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    total: Mapped[Decimal] = mapped_column(
        Numeric(12, 2), Computed("round(quantity * unit_price, 2)", persisted=True), nullable=False
    )

    transaction: Mapped[Transaction] = relationship(back_populates="lines")

    __table_args__ = (
        CheckConstraint("quantity <> 0", name="quantity_not_zero"),
        CheckConstraint("unit_price >= 0", name="price_not_negative"),
    )


class WebhookDelivery(Base):
    __tablename__ = "webhook_deliveries"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    vendor: Mapped[Vendor] = mapped_column(VENDOR)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    handled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index("ix_webhook_deliveries_payload", "payload", postgresql_using="gin"),
        Index("ix_webhook_deliveries_waiting", "received_at", postgresql_where=text("handled_at IS NULL")),
    )
