"""The one table of the service."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Index, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ["Base", "Observation"]


class Base(DeclarativeBase):
    """No naming convention here: PostgreSQL names the constraints that nobody named."""


class Observation(Base):
    """What one provider said about one place at one time; a provider without stations says it of a whole city."""

    __tablename__ = "observations"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    provider: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(20))
    city: Mapped[str] = mapped_column(String(80))
    station: Mapped[str | None] = mapped_column(String(40))
    observed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    fetched_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    measured: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))

    __table_args__ = (
        # Without NULLS NOT DISTINCT a city-wide observation could be stored twice.
        UniqueConstraint(
            "provider",
            "kind",
            "city",
            "station",
            "observed_at",
            name="uq_observation",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("kind IN ('weather', 'traffic', 'holiday')", name="ck_observation_kind"),
        Index(
            "ix_observations_measured",
            "measured",
            postgresql_using="gin",
            postgresql_ops={"measured": "jsonb_path_ops"},
        ),
        Index("ix_observations_city_kind", "city", "kind", observed_at.desc()),
    )
