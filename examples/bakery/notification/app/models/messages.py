"""Messages: one table for what all kinds have, one more for each kind (joined-table inheritance)."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, DateTime, Enum, ForeignKey, Index, Interval, SmallInteger, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, OfTenant


class MessageState(enum.Enum):
    PENDING = "pending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"


class Message(Identified, OfTenant, Base):
    __tablename__ = "messages"

    kind: Mapped[str] = mapped_column(String(10), comment="Which of emails, sms_messages, push_messages holds the rest")
    state: Mapped[MessageState] = mapped_column(
        Enum(MessageState, name="message_state", values_callable=lambda kind: [state.value for state in kind]),
        server_default=MessageState.PENDING.value,
    )
    template_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("templates.id", ondelete="SET NULL"))
    # A reminder points at the message that nobody answered.
    reminds_of_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    filled_with: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    retry_after: Mapped[timedelta] = mapped_column(Interval, server_default=text("'00:05:00'::interval"))
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("kind IN ('email', 'sms', 'push')", name="ck_messages_kind"),
        CheckConstraint("(state = 'pending') = (sent_at IS NULL)", name="ck_messages_sent_at"),
        Index("ix_messages_waiting", "created_at", postgresql_where=text("state = 'pending'")),
        {"comment": "Every message to anybody"},
    )
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_on": "kind"}


class Email(Message):
    __tablename__ = "emails"
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "email"}

    id: Mapped[uuid.UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    sender: Mapped[str] = mapped_column(String(254))
    recipients: Mapped[list[str]] = mapped_column(ARRAY(String(254)))
    subject: Mapped[str] = mapped_column(String(200))
    html: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (CheckConstraint("cardinality(recipients) > 0", name="ck_emails_recipients"),)


class Sms(Message):
    __tablename__ = "sms_messages"
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "sms"}

    id: Mapped[uuid.UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[str] = mapped_column(String(16))
    words: Mapped[str] = mapped_column(String(640))

    __table_args__ = (CheckConstraint(r"number ~ '^\+[1-9][0-9]{6,14}$'", name="ck_sms_messages_number"),)


class Push(Message):
    __tablename__ = "push_messages"
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "push"}

    id: Mapped[uuid.UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    device_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"))
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
