"""Lines, their equipment, and when they can be used."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    Interval,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INT4RANGE, TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Identified, Timestamped


class EquipmentKind(enum.Enum):
    MIXER = "mixer"
    PROOFER = "proofer"
    OVEN = "oven"
    SLICER = "slicer"


# Which equipment belongs to which line.
line_equipment = Table(
    "line_equipment",
    Base.metadata,
    Column("line_id", ForeignKey("lines.id", ondelete="CASCADE"), primary_key=True),
    Column("equipment_id", ForeignKey("equipment.id", ondelete="CASCADE"), primary_key=True, index=True),
)


class Line(Identified, Timestamped, Base):
    """A line bakes one batch at a time, and a batch belongs to a line: two tables that point at each other."""

    __tablename__ = "lines"

    tenant_id: Mapped[uuid.UUID]
    name: Mapped[str] = mapped_column(String(80))
    running_batch_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("batches.id", ondelete="SET NULL"), unique=True
    )

    equipment: Mapped[list[Equipment]] = relationship(secondary=line_equipment)

    __table_args__ = (UniqueConstraint("tenant_id", "name"),)


class Equipment(Identified, Timestamped, Base):
    __tablename__ = "equipment"

    tenant_id: Mapped[uuid.UUID]
    # A steam injector is a part of an oven.
    part_of_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("equipment.id", ondelete="CASCADE"))
    kind: Mapped[EquipmentKind] = mapped_column(
        Enum(EquipmentKind, name="equipment_kind", values_callable=lambda kind: [each.value for each in kind])
    )
    serial: Mapped[str] = mapped_column(String(60), unique=True)
    celsius: Mapped[Range[int] | None] = mapped_column(INT4RANGE)
    capacity_kg: Mapped[Decimal] = mapped_column(Numeric(8, 2))

    __table_args__ = (
        CheckConstraint("capacity_kg > 0"),
        CheckConstraint("kind <> 'oven' OR celsius IS NOT NULL", name="ck_equipment_ovens_have_a_range"),
    )


class Maintenance(Identified, Timestamped, Base):
    __tablename__ = "maintenance"

    equipment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("equipment.id", ondelete="CASCADE"), index=True)
    every: Mapped[timedelta] = mapped_column(Interval, server_default=text("'90 days'::interval"))
    done: Mapped[list[datetime]] = mapped_column(
        ARRAY(DateTime(timezone=True)), server_default=text("'{}'::timestamptz[]")
    )
    notes: Mapped[str | None] = mapped_column(Text)


class Closure(Identified, Base):
    """When nobody bakes anywhere; two closures never overlap."""

    __tablename__ = "closures"

    reason: Mapped[str] = mapped_column(String(120))
    during: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)

    __table_args__ = (
        ExcludeConstraint(("during", "&&"), name="ex_closures_during", using="gist"),
        CheckConstraint("NOT isempty(during)", name="ck_closures_during"),
    )


class Shift(Base):
    """Who works on a line when: the key is the line and the beginning."""

    __tablename__ = "shifts"

    line_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("lines.id", ondelete="CASCADE"), primary_key=True)
    begins_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    lasts: Mapped[timedelta] = mapped_column(Interval, server_default=text("'08:00:00'::interval"))
    bakers: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'::uuid[]"))

    __table_args__ = (
        CheckConstraint("lasts BETWEEN interval '1 hour' AND interval '12 hours'", name="ck_shifts_lasts"),
        Index("ix_shifts_bakers", "bakers", postgresql_using="gin"),
    )
