"""What can be in store at all."""

from __future__ import annotations

import enum
import uuid
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Interval,
    Numeric,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DATERANGE, INT4RANGE, Range
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Money, OfTenant, Timestamped, UuidKey, stored_by_value


class Dimension(enum.Enum):
    MASS = "mass"
    VOLUME = "volume"
    PIECES = "pieces"


class Unit(Base):
    __tablename__ = "units"

    code: Mapped[str] = mapped_column(String(10), primary_key=True)
    dimension: Mapped[Dimension] = mapped_column(stored_by_value(Dimension, "dimension"))
    decimals: Mapped[int] = mapped_column(SmallInteger, server_default=text("3"))

    __table_args__ = (CheckConstraint("decimals BETWEEN 0 AND 6", name="decimals_in_range"),)


class UnitConversion(Base):
    __tablename__ = "unit_conversions"

    from_code: Mapped[str] = mapped_column(ForeignKey("units.code", onupdate="CASCADE"), primary_key=True)
    to_code: Mapped[str] = mapped_column(ForeignKey("units.code", onupdate="CASCADE"), primary_key=True)
    factor: Mapped[Decimal] = mapped_column(Numeric(18, 9))

    __table_args__ = (
        CheckConstraint("factor > 0", name="factor_positive"),
        CheckConstraint("from_code <> to_code", name="two_units"),
    )


class Category(Base):
    """Flour, and under it wheat flour, and under it strong wheat flour."""

    __tablename__ = "categories"

    id: Mapped[UuidKey]
    parent_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("categories.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(80))
    path: Mapped[list[str]] = mapped_column(ARRAY(String(80)), server_default=text("'{}'"))

    children: Mapped[list[Category]] = relationship()

    __table_args__ = (
        # Top-level categories have no parent, and yet no two of one name.
        UniqueConstraint("parent_id", "name", postgresql_nulls_not_distinct=True),
        Index(None, "path", postgresql_using="gin"),
    )


class Allergen(Base):
    __tablename__ = "allergens"

    code: Mapped[str] = mapped_column(String(20), primary_key=True)
    names: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))


ingredient_allergens = Table(
    "ingredient_allergens",
    Base.metadata,
    Column("ingredient_id", ForeignKey("ingredients.id", ondelete="CASCADE"), primary_key=True),
    Column("allergen_code", ForeignKey("allergens.code", ondelete="RESTRICT"), primary_key=True),
    Column("traces_only", SmallInteger, nullable=False, server_default=text("0")),
)


class Ingredient(OfTenant, Timestamped, Base):
    __tablename__ = "ingredients"

    id: Mapped[UuidKey]
    category_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("categories.id", ondelete="SET NULL"), index=True)
    unit_code: Mapped[str] = mapped_column(ForeignKey("units.code", onupdate="CASCADE"))
    name: Mapped[str] = mapped_column(String(160))
    keeps: Mapped[timedelta | None] = mapped_column(Interval)
    celsius: Mapped[Range[int] | None] = mapped_column(INT4RANGE)
    extra: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    retired: Mapped[bool] = mapped_column(server_default=text("false"))

    allergens: Mapped[list[Allergen]] = relationship(secondary=ingredient_allergens)

    __table_args__ = (
        Index("uq_ingredients_tenant_id_lower_name", "tenant_id", func.lower(name), unique=True),
        Index(None, "extra", postgresql_using="gin", postgresql_ops={"extra": "jsonb_path_ops"}),
        Index("ix_ingredients_in_use", "tenant_id", "category_id", postgresql_where=text("NOT retired")),
    )


class Barcode(Base):
    __tablename__ = "barcodes"

    code: Mapped[str] = mapped_column(String(14), primary_key=True)
    ingredient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ingredients.id", ondelete="CASCADE"), index=True)
    pack_size: Mapped[Decimal] = mapped_column(Numeric(14, 4), server_default=text("1"))

    __table_args__ = (CheckConstraint("code ~ '^[0-9]{8,14}$'", name="code_is_gtin"),)


class NutritionFacts(Base):
    """At most one row an ingredient: the key is the ingredient's. Everything is for 100 g."""

    __tablename__ = "nutrition_facts"

    ingredient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ingredients.id", ondelete="CASCADE"), primary_key=True)
    kilojoules: Mapped[Decimal] = mapped_column(Numeric(7, 1))
    fat: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    carbohydrates: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    protein: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    salt: Mapped[Decimal] = mapped_column(Numeric(5, 2))

    __table_args__ = (
        CheckConstraint("least(fat, carbohydrates, protein, salt, kilojoules) >= 0", name="not_negative"),
        CheckConstraint("fat + carbohydrates + protein + salt <= 100", name="sum_to_hundred_grams"),
    )


class IngredientSupplier(OfTenant, Base):
    __tablename__ = "ingredient_suppliers"

    ingredient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ingredients.id", ondelete="CASCADE"), primary_key=True)
    supplier_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    preferred: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        Index("uq_ingredient_suppliers_preferred", "ingredient_id", unique=True, postgresql_where=text("preferred")),
    )


class Price(Base):
    """What an ingredient cost a unit, while a range of days lasted."""

    __tablename__ = "prices"

    ingredient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ingredients.id", ondelete="CASCADE"), primary_key=True)
    during: Mapped[Range[date]] = mapped_column(DATERANGE, primary_key=True)
    price: Mapped[Money]
    currency: Mapped[str] = mapped_column(String(3), server_default="EUR")

    __table_args__ = (
        CheckConstraint("price >= 0", name="price_not_negative"),
        Index(None, "during", postgresql_using="gist"),
    )
