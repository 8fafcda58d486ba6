"""The declarative base: every table and type stands in the schema `orders` of the shared database `shopfloor`."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import DateTime, MetaData, Uuid, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = "orders"


class Base(DeclarativeBase):
    """No naming convention here: PostgreSQL names the constraints that nobody named."""

    metadata = MetaData(schema=SCHEMA)


class Identified:
    """A UUID key that the database makes."""

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, server_default=text("gen_random_uuid()"))


class Timestamped:
    """When a row was made and last changed."""

    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )
