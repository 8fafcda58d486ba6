"""What is sold, and at which price."""

from __future__ import annotations

import uuid
from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, DATERANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Money, UuidKey


class Product(Base):
    __tablename__ = "products"

    id: Mapped[UuidKey]
    tenant_id: Mapped[uuid.UUID]
    name: Mapped[str] = mapped_column(String(160))
    sku: Mapped[str] = mapped_column(String(40))
    allergens: Mapped[list[str]] = mapped_column(ARRAY(String(30)), server_default=text("'{}'::varchar[]"))
    vat: Mapped[float] = mapped_column(Numeric(4, 2), server_default=text("10.00"))

    __table_args__ = (
        UniqueConstraint("tenant_id", "sku", name="uq_products_tenant_sku"),
        CheckConstraint("vat BETWEEN 0 AND 100", name="ck_products_vat"),
        # Found whichever way the name is written.
        Index("ix_products_name", "tenant_id", func.lower(name)),
    )


class PriceList(Base):
    """The price of a product while a range of days lasts; the pair is the key."""

    __tablename__ = "price_list"

    product_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"), primary_key=True)
    during: Mapped[Range[date]] = mapped_column(DATERANGE, primary_key=True)
    price: Mapped[Money]

    __table_args__ = (CheckConstraint("price > 0", name="ck_price_list_price"),)


class Promotion(Base):
    """A chain-wide campaign: no two at the same time."""

    __tablename__ = "promotions"

    id: Mapped[UuidKey]
    title: Mapped[str] = mapped_column(String(120))
    during: Mapped[Range[date]] = mapped_column(DATERANGE)
    discount: Mapped[float] = mapped_column(Numeric(5, 4))

    __table_args__ = (
        ExcludeConstraint(("during", "&&"), name="ex_promotions_during", using="gist"),
        CheckConstraint("discount > 0 AND discount < 1", name="ck_promotions_discount"),
    )
