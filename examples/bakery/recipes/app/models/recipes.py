"""Recipes and their versions."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Interval,
    Numeric,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INT4RANGE, JSONB, Range
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Identified


class VersionState(enum.Enum):
    DRAFT = "draft"
    TESTED = "tested"
    RELEASED = "released"
    WITHDRAWN = "withdrawn"


class Recipe(Identified, Base):
    """A recipe has versions, and one of them is the current one: each table points at the other.

    Nothing says `use_alter`: autogenerate writes a file that cannot run, whichever table it makes first.
    """

    __tablename__ = "recipes"

    tenant_id: Mapped[uuid.UUID]
    name: Mapped[str] = mapped_column(String(160))
    # A variant (with walnuts) points at the recipe that it varies.
    variant_of_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("recipes.id", ondelete="RESTRICT"), index=True)
    current_version_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("recipe_versions.id", ondelete="SET NULL"))
    names: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))

    current_version: Mapped[RecipeVersion | None] = relationship(
        foreign_keys=current_version_id, post_update=True, lazy="selectin"
    )

    __table_args__ = (
        Index("uq_recipes_tenant_id_name", "tenant_id", func.lower(name), unique=True),
        Index("ix_recipes_names", "names", postgresql_using="gin"),
    )


class RecipeVersion(Identified, Base):
    __tablename__ = "recipe_versions"

    recipe_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("recipes.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[VersionState] = mapped_column(
        Enum(VersionState, name="version_state", values_callable=lambda kind: [state.value for state in kind]),
        server_default=VersionState.DRAFT.value,
    )
    batch_weight_kg: Mapped[Decimal] = mapped_column(Numeric(10, 3))
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    recipe: Mapped[Recipe] = relationship(foreign_keys=recipe_id)
    steps: Mapped[list[Step]] = relationship(cascade="all, delete-orphan", order_by="Step.position", lazy="selectin")

    __table_args__ = (
        UniqueConstraint("recipe_id", "number"),
        CheckConstraint("number > 0", name="number_positive"),
        CheckConstraint("batch_weight_kg > 0", name="weight_positive"),
        Index(None, "recipe_id", unique=True, postgresql_where=text("state = 'released'")),
    )


class Step(Base):
    """One step; it may have to wait for another step of the same version."""

    __tablename__ = "steps"

    version_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("recipe_versions.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    waits_for: Mapped[int | None] = mapped_column(SmallInteger)
    instruction: Mapped[str] = mapped_column(Text)
    lasts: Mapped[timedelta] = mapped_column(Interval, server_default=text("'0'"))
    oven_celsius: Mapped[Range[int] | None] = mapped_column(INT4RANGE)

    __table_args__ = (
        # A key of two columns that points into its own table.
        ForeignKeyConstraint(["version_id", "waits_for"], ["steps.version_id", "steps.position"]),
        CheckConstraint("waits_for < position", name="waits_for_an_earlier_one"),
        CheckConstraint("oven_celsius <@ '[0,400]'::int4range", name="oven_can_do_it"),
    )


class Tag(Base):
    """Words by which a recipe is found."""

    __tablename__ = "tags"

    recipe_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("recipes.id", ondelete="CASCADE"), primary_key=True)
    locale: Mapped[str] = mapped_column(String(5), primary_key=True)
    words: Mapped[list[str]] = mapped_column(ARRAY(String(40)), server_default=text("'{}'"))

    __table_args__ = (Index(None, "words", postgresql_using="gin"),)
