"""Alerts, and what people did about them."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Double,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Interval,
    LargeBinary,
    String,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Identified


class Severity(enum.Enum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"


class AlertState(enum.Enum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


# An alert has a severity, and a rule may give it another one: one type, two tables.
SEVERITY = Enum(Severity, name="severity", values_callable=lambda kind: [severity.value for severity in kind])


class Alert(Identified, Base):
    __tablename__ = "alerts"

    tenant_id: Mapped[uuid.UUID]
    # An alert that another one explains is shown under it.
    explained_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("alerts.id", ondelete="SET NULL"), index=True)
    service: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(60))
    severity: Mapped[Severity] = mapped_column(SEVERITY, server_default=Severity.MEDIUM.value)
    state: Mapped[AlertState] = mapped_column(
        Enum(AlertState, name="alert_state", values_callable=lambda kind: [state.value for state in kind]),
        server_default=AlertState.OPEN.value,
    )
    title: Mapped[str] = mapped_column(String(200))
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    labels: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'::text[]"))
    concerns: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'::uuid[]"))
    raised_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    resolved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    interactions: Mapped[list[Interaction]] = relationship(back_populates="alert", order_by="Interaction.id")

    __table_args__ = (
        CheckConstraint("(state = 'resolved') = (resolved_at IS NOT NULL)", name="chk_alerts_resolved_at"),
        # What somebody has to look at, the worst first: the type's order is the order of urgency.
        Index("idx_alerts_open", "tenant_id", severity.desc(), raised_at, postgresql_where=text("state = 'open'")),
        Index("idx_alerts_details", "details", postgresql_using="gin", postgresql_ops={"details": "jsonb_path_ops"}),
        Index("idx_alerts_labels", "labels", postgresql_using="gin"),
        Index("idx_alerts_raised_at", "raised_at", postgresql_using="brin", postgresql_with={"pages_per_range": 32}),
        Index("idx_alerts_order", text("(details ->> 'order_id')")),
    )


class Interaction(Base):
    __tablename__ = "interactions"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    alert_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[uuid.UUID]
    did: Mapped[str] = mapped_column(String(30))
    after: Mapped[timedelta | None] = mapped_column(Interval)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    alert: Mapped[Alert] = relationship(back_populates="interactions")


class SeenBefore(Base):
    """Fingerprints of recent alerts, so that one is not raised twice. Lost in a crash, and that is meant."""

    __tablename__ = "seen_before"

    fingerprint: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    alert_id: Mapped[uuid.UUID]
    times: Mapped[int] = mapped_column(server_default=text("1"))
    weight: Mapped[float] = mapped_column(Double, server_default=text("1.0"))
    until: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("now() + '01:00:00'::interval"), index=True
    )

    __table_args__ = (
        CheckConstraint("octet_length(fingerprint) = 32", name="chk_seen_before_fingerprint"),
        {"prefixes": ["UNLOGGED"]},
    )
