"""Every table of the service: importing this package fills `Base.metadata`."""

from __future__ import annotations

from app.models.base import SCHEMA, Base
from app.models.tills import Till, Vendor
from app.models.transactions import PaymentKind, Transaction, TransactionLine, WebhookDelivery

__all__ = [
    "SCHEMA",
    "Base",
    "PaymentKind",
    "Till",
    "Transaction",
    "TransactionLine",
    "Vendor",
    "WebhookDelivery",
]
