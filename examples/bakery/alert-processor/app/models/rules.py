"""Who is told about what."""

from __future__ import annotations

import enum
import uuid
from datetime import time
from typing import Any

from sqlalchemy import CheckConstraint, Column, Enum, ForeignKey, Index, String, Table, Time, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.alerts import SEVERITY, Severity
from app.models.base import Base, Identified


class Channel(enum.Enum):
    APP = "app"
    EMAIL = "email"
    SMS = "sms"


rule_subscribers = Table(
    "rule_subscribers",
    Base.metadata,
    Column("rule_id", ForeignKey("rules.id", ondelete="CASCADE"), primary_key=True),
    Column("subscriber_id", ForeignKey("subscribers.id", ondelete="CASCADE"), primary_key=True, index=True),
)


class Rule(Identified, Base):
    __tablename__ = "rules"

    tenant_id: Mapped[uuid.UUID | None]
    name: Mapped[str] = mapped_column(String(80))
    service: Mapped[str | None] = mapped_column(String(40))
    matches: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    becomes: Mapped[Severity | None] = mapped_column(SEVERITY)
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))

    subscribers: Mapped[list[Subscriber]] = relationship(secondary=rule_subscribers, back_populates="rules")

    __table_args__ = (
        UniqueConstraint("tenant_id", "name", postgresql_nulls_not_distinct=True),
        Index(None, "service", postgresql_where=text("enabled")),
    )


class Subscriber(Identified, Base):
    __tablename__ = "subscribers"

    tenant_id: Mapped[uuid.UUID]
    user_id: Mapped[uuid.UUID]
    channels: Mapped[list[Channel]] = mapped_column(
        ARRAY(Enum(Channel, name="alert_channel", values_callable=lambda kind: [channel.value for channel in kind])),
        server_default=text("'{app}'::alert_channel[]"),
    )
    not_before: Mapped[time] = mapped_column(Time, server_default=text("'06:00:00'::time"))
    not_after: Mapped[time] = mapped_column(Time, server_default=text("'22:00:00'::time"))

    rules: Mapped[list[Rule]] = relationship(secondary=rule_subscribers, back_populates="subscribers")

    __table_args__ = (
        UniqueConstraint("tenant_id", "user_id"),
        CheckConstraint("not_before < not_after", name="chk_subscribers_hours"),
    )
