"""Every table of the service: importing this package fills `Base.metadata`."""

from __future__ import annotations

from app.models.base import Base
from app.models.imports import ImportFile, ImportState
from app.models.products import PriceList, Product, Promotion
from app.models.records import Channel, DailyTotal, SaleRecord

__all__ = [
    "Base",
    "Channel",
    "DailyTotal",
    "ImportFile",
    "ImportState",
    "PriceList",
    "Product",
    "Promotion",
    "SaleRecord",
]
