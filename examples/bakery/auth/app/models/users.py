"""People, and how far they got in setting up their bakery."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, DateTime, Enum, ForeignKey, Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Identified, Timestamped


class UserRole(enum.Enum):
    """What somebody may do anywhere; what they may do in one bakery is the tenant service's matter."""

    USER = "user"
    SUPPORT = "support"
    ADMIN = "admin"


class User(Identified, Timestamped, Base):
    __tablename__ = "users"

    email: Mapped[str] = mapped_column(String(254))
    full_name: Mapped[str] = mapped_column(String(200))
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[UserRole] = mapped_column(
        Enum(UserRole, name="user_role", values_callable=lambda kind: [role.value for role in kind]),
        server_default=UserRole.USER.value,
    )
    is_active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    language: Mapped[str] = mapped_column(String(5), server_default="es")
    verified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    steps: Mapped[list[OnboardingStep]] = relationship(back_populates="user", cascade="all, delete-orphan")

    __table_args__ = (
        # One account per address, however it is capitalised.
        Index("uq_users_email_lower", func.lower(email), unique=True),
        Index("ix_users_unverified", "created_at", postgresql_where=text("verified_at IS NULL")),
    )


class OnboardingStep(Base):
    """One step that one user took; the pair is the key."""

    __tablename__ = "onboarding_steps"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[str] = mapped_column(String(60), primary_key=True)
    completed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    answers: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))

    user: Mapped[User] = relationship(back_populates="steps")
