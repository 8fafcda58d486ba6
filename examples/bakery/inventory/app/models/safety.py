"""Lots that have to come back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, ForeignKey, Index, String, Table, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, OfTenant, UuidKey
from app.models.stock import Lot

recall_lots = Table(
    "recall_lots",
    Base.metadata,
    Column("recall_id", ForeignKey("recalls.id", ondelete="CASCADE"), primary_key=True),
    Column("lot_id", ForeignKey("lots.id", ondelete="RESTRICT"), primary_key=True, index=True),
)


class Recall(OfTenant, Base):
    __tablename__ = "recalls"

    id: Mapped[UuidKey]
    title: Mapped[str] = mapped_column(String(160))
    allergens: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'::text[]"))
    notice: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    issued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]

    lots: Mapped[list[Lot]] = relationship(secondary=recall_lots)

    __table_args__ = (Index("ix_recalls_open", "tenant_id", postgresql_where=text("closed_at IS NULL")),)
