"""Every table of the service: importing this package fills `Base.metadata`."""

from __future__ import annotations

from app.models.base import Base
from app.models.members import Invitation, Member, Permission
from app.models.subscriptions import Invoice, Plan, Subscription
from app.models.tenants import Location, Tenant, TenantSettings

__all__ = [
    "Base",
    "Invitation",
    "Invoice",
    "Location",
    "Member",
    "Permission",
    "Plan",
    "Subscription",
    "Tenant",
    "TenantSettings",
]
