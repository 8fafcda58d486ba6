"""Networks from which the staff of a bakery may sign in."""

from __future__ import annotations

import uuid

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.dialects.postgresql import CIDR
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Timestamped


class AllowedNetwork(Identified, Timestamped, Base):
    __tablename__ = "allowed_networks"

    # A row of the tenant service's database: no foreign key reaches there.
    tenant_id: Mapped[uuid.UUID]
    network: Mapped[str] = mapped_column(CIDR)
    note: Mapped[str] = mapped_column(String(200), server_default="")

    __table_args__ = (UniqueConstraint("tenant_id", "network"),)
