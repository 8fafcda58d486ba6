"""The declarative base, and the columns that most tables share."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import DateTime, Uuid, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """No naming convention here: PostgreSQL names the constraints that nobody named."""


class Identified:
    """A UUID key that the database makes."""

    id: Mapped[uuid.UUID] = mapped_column(
        Uuid, primary_key=True, server_default=text("gen_random_uuid()"), comment="Made by the database"
    )


class OfTenant:
    """A row of one bakery."""

    tenant_id: Mapped[uuid.UUID] = mapped_column(Uuid, index=True, comment="A bakery of the tenant service")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
