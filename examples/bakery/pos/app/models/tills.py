"""Tills and who made them."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Enum, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import SCHEMA, Base, Identified


class Vendor(enum.Enum):
    SQUARE = "square"
    TOAST = "toast"
    LIGHTSPEED = "lightspeed"


# The type stands where the tables are, pos.vendor, and two of them use it.
VENDOR = Enum(Vendor, name="vendor", schema=SCHEMA, values_callable=lambda kind: [each.value for each in kind])


class Till(Identified, Base):
    __tablename__ = "tills"

    tenant_id: Mapped[uuid.UUID]
    name: Mapped[str] = mapped_column(String(80))
    vendor: Mapped[Vendor] = mapped_column(VENDOR)
    address: Mapped[str | None] = mapped_column(INET)
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    registered_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (UniqueConstraint("tenant_id", "name"),)
