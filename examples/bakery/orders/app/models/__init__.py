"""Every table of the service: importing this package fills `Base.metadata`."""

from __future__ import annotations

from app.models.base import SCHEMA, Base
from app.models.customers import Address, Customer, Segment
from app.models.orders import Order, OrderEvent, OrderLine, OrderState
from app.models.standing import StandingOrder, Weekday

__all__ = [
    "SCHEMA",
    "Address",
    "Base",
    "Customer",
    "Order",
    "OrderEvent",
    "OrderLine",
    "OrderState",
    "Segment",
    "StandingOrder",
    "Weekday",
]
