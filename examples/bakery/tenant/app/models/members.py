"""Who works for a bakery."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, DateTime, Enum, ForeignKey, Index, Interval, String, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Timestamped


class Permission(enum.Enum):
    VIEW = "view"
    SELL = "sell"
    BAKE = "bake"
    ORDER = "order"
    MANAGE = "manage"


# One type, used by two tables; its values are those of the enumeration, not the names.
PERMISSION = Enum(Permission, name="permission", values_callable=lambda kind: [member.value for member in kind])


class Member(Timestamped, Base):
    """A user (of the auth service) in a bakery: an association whose pair is the key."""

    __tablename__ = "members"

    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(primary_key=True, index=True)
    permissions: Mapped[list[Permission]] = mapped_column(ARRAY(PERMISSION), server_default=text("'{view}'"))
    is_owner: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        Index("uq_members_owner", "tenant_id", unique=True, postgresql_where=text("is_owner")),
        CheckConstraint("cardinality(permissions) > 0", name="may_do_something"),
    )


class Invitation(Identified, Timestamped, Base):
    __tablename__ = "invitations"

    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    email: Mapped[str] = mapped_column(String(254))
    offers: Mapped[Permission] = mapped_column(PERMISSION, server_default=Permission.VIEW.value)
    valid_for: Mapped[timedelta] = mapped_column(Interval, server_default=text("'7 days'"))
    accepted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index(
            "uq_invitations_open",
            "tenant_id",
            func.lower(email),
            unique=True,
            postgresql_where=text("accepted_at IS NULL"),
        ),
    )
