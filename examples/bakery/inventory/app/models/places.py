"""Where things are kept, and how cold it is there."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import MACADDR, NUMRANGE, Range
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, NumberKey, OfTenant, Timestamped, UuidKey, stored_by_value


class Climate(enum.Enum):
    AMBIENT = "ambient"
    COOLED = "cooled"
    FROZEN = "frozen"


class Warehouse(OfTenant, Timestamped, Base):
    __tablename__ = "warehouses"

    id: Mapped[UuidKey]
    name: Mapped[str] = mapped_column(String(80))
    # A shop's store room is filled from a central one.
    filled_from_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("warehouses.id", ondelete="SET NULL"))

    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint("filled_from_id <> id", name="not_filled_from_itself"),
    )


class Zone(Base):
    __tablename__ = "zones"

    id: Mapped[UuidKey]
    warehouse_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("warehouses.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(40))
    climate: Mapped[Climate] = mapped_column(stored_by_value(Climate, "climate"), server_default=Climate.AMBIENT.value)
    celsius: Mapped[Range[Decimal] | None] = mapped_column(NUMRANGE)

    __table_args__ = (
        UniqueConstraint("warehouse_id", "name"),
        CheckConstraint("climate = 'ambient' OR celsius IS NOT NULL", name="cold_has_a_range"),
    )


class Shelf(Base):
    __tablename__ = "shelves"

    id: Mapped[UuidKey]
    zone_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("zones.id", ondelete="CASCADE"))
    label: Mapped[str] = mapped_column(String(20))
    carries_kg: Mapped[Decimal | None] = mapped_column(Numeric(8, 2))

    __table_args__ = (UniqueConstraint("zone_id", "label"),)


class Sensor(Timestamped, Base):
    __tablename__ = "sensors"

    id: Mapped[UuidKey]
    zone_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("zones.id", ondelete="CASCADE"), index=True)
    hardware: Mapped[str] = mapped_column(MACADDR, unique=True)


class SensorReading(Base):
    __tablename__ = "sensor_readings"

    sensor_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sensors.id", ondelete="CASCADE"), primary_key=True)
    read_at: Mapped[datetime] = mapped_column(primary_key=True)
    celsius: Mapped[Decimal] = mapped_column(Numeric(5, 2))

    __table_args__ = (Index(None, "read_at", postgresql_using="brin"),)


class TemperatureAlert(Base):
    __tablename__ = "temperature_alerts"

    id: Mapped[NumberKey]
    zone_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("zones.id", ondelete="CASCADE"))
    celsius: Mapped[Decimal] = mapped_column(Numeric(5, 2))
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("ended_at >= began_at", name="ends_after_it_began"),
        # One alert a zone at a time.
        Index("uq_temperature_alerts_going_on", "zone_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    )
