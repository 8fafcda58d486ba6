"""What is in store, and what comes and goes."""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Numeric,
    SmallInteger,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Money, NumberKey, OfTenant, Quantity, Timestamped, UuidKey, stored_by_value


class LotState(enum.Enum):
    GOOD = "good"
    HELD = "held"
    EXPIRED = "expired"
    USED_UP = "used up"


class MovementKind(enum.Enum):
    RECEIPT = "receipt"
    USE = "use"
    TRANSFER = "transfer"
    WASTE = "waste"
    COUNT = "count"


class WasteReason(enum.Enum):
    EXPIRED = "expired"
    DAMAGED = "damaged"
    SPILLED = "spilled"
    OTHER = "other"


# Movements have a kind, and so have corrections after a count: one type, two tables.
MOVEMENT_KIND = stored_by_value(MovementKind, "movement_kind")


class Lot(OfTenant, Timestamped, Base):
    """What came in at one time from one supplier, and expires together."""

    __tablename__ = "lots"

    id: Mapped[UuidKey]
    ingredient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ingredients.id", ondelete="RESTRICT"))
    # A lot that was opened and packed anew points at the one it came from.
    split_from_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("lots.id", ondelete="RESTRICT"))
    number: Mapped[str] = mapped_column(String(40))
    state: Mapped[LotState] = mapped_column(stored_by_value(LotState, "lot_state"), server_default=LotState.GOOD.value)
    received_on: Mapped[date] = mapped_column(server_default=func.current_date())
    expires_on: Mapped[date | None]
    received: Mapped[Quantity]
    cost: Mapped[Money]
    value: Mapped[Decimal] = mapped_column(
        Numeric(16, 2), Computed("round(received * cost, 2)", persisted=True), nullable=False
    )
    papers: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))

    __table_args__ = (
        UniqueConstraint("ingredient_id", "number"),
        CheckConstraint("received > 0", name="received_positive"),
        CheckConstraint("cost >= 0", name="cost_not_negative"),
        CheckConstraint("expires_on >= received_on", name="expires_after_receipt"),
        # First expired, first out.
        Index(
            "ix_lots_fefo",
            "ingredient_id",
            "expires_on",
            postgresql_where=text("state = 'good'"),
        ),
        Index(None, "papers", postgresql_using="gin"),
    )


class StockLevel(Base):
    __tablename__ = "stock_levels"

    lot_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("lots.id", ondelete="CASCADE"), primary_key=True)
    shelf_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("shelves.id", ondelete="RESTRICT"), primary_key=True)
    quantity: Mapped[Quantity]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())

    __table_args__ = (
        CheckConstraint("quantity >= 0", name="quantity_not_negative"),
        Index(None, "shelf_id", postgresql_include=["quantity"]),
    )


class Movement(Base):
    __tablename__ = "movements"

    id: Mapped[NumberKey]
    lot_id: Mapped[uuid.UUID]
    shelf_id: Mapped[uuid.UUID]
    kind: Mapped[MovementKind] = mapped_column(MOVEMENT_KIND)
    quantity: Mapped[Quantity]
    reference: Mapped[uuid.UUID | None]
    moved_at: Mapped[datetime] = mapped_column(server_default=func.now())
    moved_by: Mapped[uuid.UUID | None]

    __table_args__ = (
        # What moves has to be somewhere: a key of two columns.
        ForeignKeyConstraint(["lot_id", "shelf_id"], ["stock_levels.lot_id", "stock_levels.shelf_id"]),
        CheckConstraint("quantity <> 0", name="moves_something"),
        CheckConstraint("kind <> 'receipt' OR quantity > 0", name="receipts_add"),
        Index("ix_movements_lot_id_moved_at", "lot_id", moved_at.desc()),
        Index(None, "reference", postgresql_where=text("reference IS NOT NULL")),
    )


class Reservation(Base):
    __tablename__ = "reservations"

    id: Mapped[UuidKey]
    ingredient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ingredients.id", ondelete="CASCADE"))
    batch_id: Mapped[uuid.UUID] = mapped_column(comment="A batch of the production service")
    quantity: Mapped[Quantity]
    needed_at: Mapped[datetime]
    released_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("batch_id", "ingredient_id"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        Index(None, "ingredient_id", "needed_at", postgresql_where=text("released_at IS NULL")),
    )


class Transfer(OfTenant, Timestamped, Base):
    __tablename__ = "transfers"

    id: Mapped[UuidKey]
    from_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("warehouses.id", ondelete="RESTRICT"))
    to_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("warehouses.id", ondelete="RESTRICT"))
    sent_at: Mapped[datetime | None]
    arrived_at: Mapped[datetime | None]

    lines: Mapped[list[TransferLine]] = relationship(cascade="all, delete-orphan", order_by="TransferLine.position")

    __table_args__ = (
        CheckConstraint("from_id <> to_id", name="goes_somewhere"),
        CheckConstraint("arrived_at >= sent_at", name="arrives_after_it_was_sent"),
    )


class TransferLine(Base):
    __tablename__ = "transfer_lines"

    transfer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("transfers.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    lot_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("lots.id", ondelete="RESTRICT"), index=True)
    quantity: Mapped[Quantity]

    __table_args__ = (CheckConstraint("quantity > 0", name="quantity_positive"),)


class WasteEntry(OfTenant, Base):
    __tablename__ = "waste_entries"

    id: Mapped[NumberKey]
    lot_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("lots.id", ondelete="RESTRICT"))
    reason: Mapped[WasteReason] = mapped_column(stored_by_value(WasteReason, "waste_reason"))
    remark: Mapped[str | None] = mapped_column(String(200))
    quantity: Mapped[Quantity]
    thrown_away_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("reason <> 'other' OR remark IS NOT NULL", name="other_needs_a_remark"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
    )
