"""Who orders, and where it goes."""

from __future__ import annotations

import enum
import uuid
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, Numeric, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import SCHEMA, Base, Identified, Timestamped


class Segment(enum.Enum):
    WALK_IN = "walk-in"
    CAFE = "café"
    HOTEL = "hotel"
    RETAIL = "retail"


class Customer(Identified, Timestamped, Base):
    __tablename__ = "customers"

    tenant_id: Mapped[uuid.UUID]
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(254))
    # An array of a type that this schema holds; one of its values is not ASCII.
    segments: Mapped[list[Segment]] = mapped_column(
        ARRAY(
            Enum(
                Segment, name="segment", schema=SCHEMA, values_callable=lambda kind: [segment.value for segment in kind]
            )
        ),
        server_default=text("'{walk-in}'"),
    )
    credit_limit: Mapped[Decimal] = mapped_column(Numeric(12, 2), server_default=text("0"))
    preferences: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))

    addresses: Mapped[list[Address]] = relationship(back_populates="customer", cascade="all, delete-orphan")

    __table_args__ = (
        CheckConstraint("credit_limit >= 0", name="ck_customers_credit_limit"),
        Index("uq_customers_email", "tenant_id", func.lower(email), unique=True),
        Index("ix_customers_segments", "segments", postgresql_using="gin"),
    )


class Address(Identified, Base):
    __tablename__ = "addresses"

    customer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.customers.id", ondelete="CASCADE"))
    label: Mapped[str] = mapped_column(String(40), server_default="main")
    street: Mapped[str] = mapped_column(String(200))
    city: Mapped[str] = mapped_column(String(80))
    postcode: Mapped[str] = mapped_column(String(12))

    customer: Mapped[Customer] = relationship(back_populates="addresses")

    __table_args__ = (UniqueConstraint("customer_id", "label"),)
