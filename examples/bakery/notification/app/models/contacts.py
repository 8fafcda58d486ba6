"""Where a person can be reached: every kind of contact in one table (single-table inheritance)."""

from __future__ import annotations

import uuid
from datetime import time
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, Index, String, Time, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, OfTenant


class Contact(Identified, OfTenant, Base):
    __tablename__ = "contacts"

    user_id: Mapped[uuid.UUID]
    kind: Mapped[str] = mapped_column(String(10))
    quiet_from: Mapped[time | None] = mapped_column(Time(timezone=True))
    quiet_until: Mapped[time | None] = mapped_column(Time(timezone=True))
    preferred: Mapped[bool] = mapped_column(server_default=text("false"))

    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_on": "kind"}
    __table_args__ = (
        CheckConstraint("num_nonnulls(address, number, token) = 1", name="ck_contacts_one_way"),
        CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name="ck_contacts_quiet"),
        Index("uq_contacts_preferred", "user_id", unique=True, postgresql_where=text("preferred")),
    )


class MailContact(Contact):
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "mail"}

    address: Mapped[str | None] = mapped_column(String(254))


class PhoneContact(Contact):
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "phone"}

    number: Mapped[str | None] = mapped_column(String(16))


class DeviceContact(Contact):
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "device"}

    token: Mapped[str | None] = mapped_column(String(200), unique=True)
