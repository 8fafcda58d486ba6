"""What goes into a recipe, and what it is made with."""

from __future__ import annotations

import enum
import uuid
from decimal import Decimal

from sqlalchemy import (
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Numeric,
    SmallInteger,
    String,
    Table,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class Measure(enum.Enum):
    GRAM = "g"
    MILLILITRE = "ml"
    PIECE = "piece"
    PERCENT = "%"


class Component(Base):
    """An ingredient of the inventory service, or a recipe that is used in this one: one of the two."""

    __tablename__ = "components"

    version_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("recipe_versions.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    ingredient_id: Mapped[uuid.UUID | None]
    recipe_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("recipes.id", ondelete="RESTRICT"), index=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 4))
    # The percent sign among the values has to survive the way into the migration.
    measure: Mapped[Measure] = mapped_column(
        Enum(Measure, name="measure", values_callable=lambda kind: [measure.value for measure in kind]),
        server_default=Measure.GRAM.value,
    )

    __table_args__ = (
        CheckConstraint("num_nonnulls(ingredient_id, recipe_id) = 1", name="one_or_the_other"),
        CheckConstraint("amount > 0 AND (measure <> '%' OR amount <= 100)", name="amount_makes_sense"),
    )


class Tool(Identified, Base):
    __tablename__ = "tools"

    name: Mapped[str] = mapped_column(String(80), unique=True)


# Which tools a step needs.
step_tools = Table(
    "step_tools",
    Base.metadata,
    Column("version_id", primary_key=True),
    Column("position", SmallInteger, primary_key=True, autoincrement=False),
    Column("tool_id", ForeignKey("tools.id", ondelete="RESTRICT"), primary_key=True),
    ForeignKeyConstraint(["version_id", "position"], ["steps.version_id", "steps.position"], ondelete="CASCADE"),
)
