"""Orders, their lines, and what happened to them."""

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
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, Range
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import SCHEMA, Base, Identified, Timestamped


class OrderState(enum.Enum):
    PLACED = "placed"
    CONFIRMED = "confirmed"
    BAKED = "baked"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


# The order's state, and the state in each of its events: one type, two tables, in the schema `orders`.
ORDER_STATE = Enum(
    OrderState, name="order_state", schema=SCHEMA, values_callable=lambda kind: [state.value for state in kind]
)


class Order(Identified, Timestamped, Base):
    """The table is called like its schema: `orders.orders`."""

    __tablename__ = "orders"

    number: Mapped[int] = mapped_column(BigInteger, Identity(start=100_000, cache=20), unique=True)
    tenant_id: Mapped[uuid.UUID]
    customer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.customers.id", ondelete="RESTRICT"))
    address_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("orders.addresses.id", ondelete="SET NULL"))
    standing_order_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("orders.standing_orders.id", ondelete="SET NULL")
    )
    state: Mapped[OrderState] = mapped_column(ORDER_STATE, server_default=OrderState.PLACED.value)
    deliver_within: Mapped[Range[datetime] | None] = mapped_column(TSTZRANGE)
    extra: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("""'{"gift": false}'::jsonb"""))

    lines: Mapped[list[OrderLine]] = relationship(
        back_populates="order", cascade="all, delete-orphan", order_by="OrderLine.position", lazy="selectin"
    )
    events: Mapped[list[OrderEvent]] = relationship(back_populates="order", order_by="OrderEvent.id")

    __table_args__ = (
        CheckConstraint("NOT isempty(deliver_within)", name="ck_orders_deliver_within"),
        Index("ix_orders_open", "tenant_id", "created_at", postgresql_where=text("state IN ('placed', 'confirmed')")),
        Index("ix_orders_deliver_within", "deliver_within", postgresql_using="gist"),
    )


class OrderLine(Base):
    __tablename__ = "order_lines"

    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.orders.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    product_id: Mapped[uuid.UUID]
    quantity: Mapped[Decimal] = mapped_column(Numeric(10, 3))
    unit_price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    amount: Mapped[Decimal] = mapped_column(
        Numeric(12, 2), Computed("round(quantity * unit_price, 2)", persisted=True), nullable=False
    )
    note: Mapped[str] = mapped_column(String(200), server_default="")

    order: Mapped[Order] = relationship(back_populates="lines")

    __table_args__ = (
        UniqueConstraint("order_id", "product_id", "note"),
        CheckConstraint("quantity > 0 AND unit_price >= 0", name="ck_order_lines_numbers"),
    )


class OrderEvent(Base):
    __tablename__ = "order_events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.orders.id", ondelete="CASCADE"))
    state: Mapped[OrderState] = mapped_column(ORDER_STATE)
    said: Mapped[str] = mapped_column(Text, server_default="")
    happened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    order: Mapped[Order] = relationship(back_populates="events")

    __table_args__ = (Index("ix_order_events_order_id_happened_at", "order_id", happened_at.desc()),)
