"""Sales, as they came in and summed up."""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Computed, Enum, ForeignKey, Identity, Index, Numeric, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Money


class Channel(enum.Enum):
    SHOP = "shop"
    ONLINE = "online"
    WHOLESALE = "wholesale"


# One type for two tables.
CHANNEL = Enum(Channel, name="sales_channel", values_callable=lambda kind: [channel.value for channel in kind])


class SaleRecord(Base):
    __tablename__ = "sales_records"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    product_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("products.id", ondelete="RESTRICT"))
    import_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("import_files.id", ondelete="SET NULL"))
    channel: Mapped[Channel] = mapped_column(CHANNEL, server_default=Channel.SHOP.value)
    sold_at: Mapped[datetime]
    quantity: Mapped[Decimal] = mapped_column(Numeric(10, 3))
    unit_price: Mapped[Money]
    discount: Mapped[Decimal] = mapped_column(Numeric(5, 4), server_default=text("0"))
    revenue: Mapped[Decimal] = mapped_column(
        Numeric(14, 2), Computed("round(quantity * unit_price * (1 - discount), 2)", persisted=True), nullable=False
    )
    raw: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))

    __table_args__ = (
        CheckConstraint("quantity > 0", name="ck_sales_records_quantity"),
        CheckConstraint("discount >= 0 AND discount <= 1", name="ck_sales_records_discount"),
        # A covering index: the sums of a product are read from it alone.
        Index("ix_sales_records_product_sold", "product_id", "sold_at", postgresql_include=["quantity", "revenue"]),
        Index("ix_sales_records_sold_brin", "sold_at", postgresql_using="brin"),
        Index("ix_sales_records_batch", raw["batch"].astext, postgresql_where=text("raw ? 'batch'")),
    )


class DailyTotal(Base):
    """Sums of a finished day; the key has three parts."""

    __tablename__ = "daily_totals"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    channel: Mapped[Channel] = mapped_column(CHANNEL, primary_key=True)
    revenue: Mapped[Money]
    tickets: Mapped[int] = mapped_column(server_default=text("0"))
    currency: Mapped[str] = mapped_column(String(3), server_default="EUR")
