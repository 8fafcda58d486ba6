"""Every table of the service, thirty of them: importing this package fills `Base.metadata`."""

from __future__ import annotations

from app.models.base import Base
from app.models.catalogue import (
    Allergen,
    Barcode,
    Category,
    Ingredient,
    IngredientSupplier,
    NutritionFacts,
    Price,
    Unit,
    UnitConversion,
    ingredient_allergens,
)
from app.models.counting import Adjustment, Count, CountLine
from app.models.places import Sensor, SensorReading, Shelf, TemperatureAlert, Warehouse, Zone
from app.models.planning import ReorderRule, ReorderSuggestion
from app.models.safety import Recall, recall_lots
from app.models.stock import (
    Lot,
    LotState,
    Movement,
    MovementKind,
    Reservation,
    StockLevel,
    Transfer,
    TransferLine,
    WasteEntry,
    WasteReason,
)

__all__ = [
    "Adjustment",
    "Allergen",
    "Barcode",
    "Base",
    "Category",
    "Count",
    "CountLine",
    "Ingredient",
    "IngredientSupplier",
    "Lot",
    "LotState",
    "Movement",
    "MovementKind",
    "NutritionFacts",
    "Price",
    "Recall",
    "ReorderRule",
    "ReorderSuggestion",
    "Reservation",
    "Sensor",
    "SensorReading",
    "Shelf",
    "StockLevel",
    "TemperatureAlert",
    "Transfer",
    "TransferLine",
    "Unit",
    "UnitConversion",
    "Warehouse",
    "WasteEntry",
    "WasteReason",
    "Zone",
    "ingredient_allergens",
    "recall_lots",
]
