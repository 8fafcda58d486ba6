"""Every table of the service, in one module as small services have it."""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    Integer,
    Interval,
    MetaData,
    Numeric,
    Sequence,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DATERANGE, INT4RANGE, JSONB, Range
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

__all__ = [
    "Approval",
    "Base",
    "Contract",
    "Delivery",
    "PriceBreak",
    "Supplier",
    "Weekday",
    "supplier_ingredients",
]


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Approval(enum.Enum):
    PENDING = "pending approval"
    APPROVED = "approved"
    REFUSED = "refused"


class Weekday(enum.Enum):
    MON = 1
    TUE = 2
    WED = 3
    THU = 4
    FRI = 5
    SAT = 6
    SUN = 7


# Suppliers and their contracts are approved alike: one type, two tables. Its values hold a blank.
APPROVAL = Enum(Approval, name="approval", values_callable=lambda kind: [approval.value for approval in kind])

# A supplier's numbers come from a sequence that belongs to no column.
SUPPLIER_NUMBERS = Sequence("supplier_numbers", start=10_000, metadata=Base.metadata)


class Supplier(Base):
    __tablename__ = "suppliers"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, server_default=text("gen_random_uuid()"))
    number: Mapped[int] = mapped_column(Integer, SUPPLIER_NUMBERS, unique=True, comment="As it is printed on orders")
    tenant_id: Mapped[uuid.UUID]
    name: Mapped[str] = mapped_column(String(200))
    tax_id: Mapped[str | None] = mapped_column(String(20))
    approval: Mapped[Approval] = mapped_column(APPROVAL, server_default=Approval.PENDING.value)
    delivers_on: Mapped[list[Weekday]] = mapped_column(
        ARRAY(Enum(Weekday, name="weekday")), server_default=text("'{MON,TUE,WED,THU,FRI}'::weekday[]")
    )
    lead_time: Mapped[timedelta] = mapped_column(Interval, server_default=text("'2 days'"))
    rating: Mapped[Decimal | None] = mapped_column(Numeric(3, 2))
    # Whose deliveries may stand in for this one's.
    substitutes: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'::uuid[]"))
    contact: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    contracts: Mapped[list[Contract]] = relationship(back_populates="supplier")

    __table_args__ = (
        UniqueConstraint("tenant_id", "tax_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("rating BETWEEN 0 AND 5", name="rating_of_five"),
        Index("ix_suppliers_contact", "contact", postgresql_using="gin"),
        Index("ix_suppliers_name", func.lower(name), postgresql_ops={"lower": "text_pattern_ops"}),
    )


# What a supplier can deliver: a plain association table, two keys and a remark.
supplier_ingredients = Table(
    "supplier_ingredients",
    Base.metadata,
    Column("supplier_id", ForeignKey("suppliers.id", ondelete="CASCADE"), primary_key=True),
    Column("ingredient_id", Uuid, primary_key=True),
    Column("sku", String(40), nullable=False),
    UniqueConstraint("supplier_id", "sku"),
)


class Contract(Base):
    __tablename__ = "contracts"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, server_default=text("gen_random_uuid()"))
    supplier_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("suppliers.id", ondelete="RESTRICT"), index=True)
    # A renewal points at the contract that it renews.
    renews_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("contracts.id"), unique=True)
    approval: Mapped[Approval] = mapped_column(APPROVAL, server_default=Approval.PENDING.value)
    valid: Mapped[Range[date]] = mapped_column(DATERANGE)
    terms: Mapped[str] = mapped_column(Text, server_default="")

    supplier: Mapped[Supplier] = relationship(back_populates="contracts")
    breaks: Mapped[list[PriceBreak]] = relationship(cascade="all, delete-orphan", order_by="PriceBreak.position")

    __table_args__ = (
        CheckConstraint("NOT isempty(valid) AND NOT lower_inf(valid)", name="begins_some_day"),
        Index("ix_contracts_valid", "valid", postgresql_using="gist"),
    )


class PriceBreak(Base):
    """The price of an ingredient for a range of quantities."""

    __tablename__ = "price_breaks"

    contract_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("contracts.id", ondelete="CASCADE"), primary_key=True)
    ingredient_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    quantities: Mapped[Range[int]] = mapped_column(INT4RANGE, server_default=text("'[1,)'::int4range"))
    price: Mapped[Decimal] = mapped_column(Numeric(12, 4))

    __table_args__ = (CheckConstraint("price > 0", name="price_positive"),)


class Delivery(Base):
    __tablename__ = "deliveries"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, server_default=text("gen_random_uuid()"))
    supplier_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("suppliers.id", ondelete="RESTRICT"))
    position: Mapped[int] = mapped_column(Integer, comment="Place in the driver's tour of the day")
    due_on: Mapped[date]
    arrived_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    complaints: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'::text[]"))

    __table_args__ = (
        # Two stops of a tour change places in one transaction.
        UniqueConstraint("supplier_id", "due_on", "position", deferrable=True, initially="DEFERRED"),
        Index("ix_deliveries_late", "due_on", postgresql_where=text("arrived_at IS NULL")),
    )
