"""Bakeries and their shops."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, String, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Identified, Timestamped


class Tenant(Identified, Timestamped, Base):
    """A bakery; one that belongs to a group has the group's head office as its parent."""

    __tablename__ = "tenants"

    parent_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    country: Mapped[str] = mapped_column(String(2), server_default="ES")
    tags: Mapped[list[str]] = mapped_column(ARRAY(String(40)), server_default=text("'{}'"))
    # A shop belongs to a bakery and a bakery has a main shop: `use_alter` says which of the two is added afterwards.
    main_location_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("locations.id", ondelete="SET NULL", use_alter=True)
    )

    children: Mapped[list[Tenant]] = relationship(back_populates="parent")
    parent: Mapped[Tenant | None] = relationship(back_populates="children", remote_side="Tenant.id")
    main_location: Mapped[Location | None] = relationship(foreign_keys=main_location_id, post_update=True)

    __table_args__ = (
        CheckConstraint("slug ~ '^[a-z0-9-]+$'", name="slug_is_plain"),
        CheckConstraint("parent_id <> id", name="not_its_own_parent"),
        Index("ix_tenants_tags", "tags", postgresql_using="gin"),
    )


class TenantSettings(Timestamped, Base):
    """One row a bakery: the key is the bakery's."""

    __tablename__ = "tenant_settings"

    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    inventory: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("""'{"low_stock_days": 3}'::jsonb"""))
    forecasting: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    notifications: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))

    __table_args__ = (
        Index(
            "ix_tenant_settings_notifications",
            "notifications",
            postgresql_using="gin",
            postgresql_ops={"notifications": "jsonb_path_ops"},
        ),
    )


class Location(Identified, Timestamped, Base):
    __tablename__ = "locations"

    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(300))
    latitude: Mapped[float | None] = mapped_column(Numeric(9, 6))
    longitude: Mapped[float | None] = mapped_column(Numeric(9, 6))

    __table_args__ = (
        CheckConstraint("latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180", name="on_earth"),
        Index("uq_locations_tenant_id_name", "tenant_id", text("lower(name)"), unique=True),
    )
