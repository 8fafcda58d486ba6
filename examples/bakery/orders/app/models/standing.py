"""Orders that come back every week."""

from __future__ import annotations

import enum
import uuid
from datetime import date, time
from typing import Any

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, Time, text
from sqlalchemy.dialects.postgresql import ARRAY, DATERANGE, JSONB, Range
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import SCHEMA, Base, Identified, Timestamped


class Weekday(enum.Enum):
    MON = 1
    TUE = 2
    WED = 3
    THU = 4
    FRI = 5
    SAT = 6
    SUN = 7


class StandingOrder(Identified, Timestamped, Base):
    __tablename__ = "standing_orders"

    customer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.customers.id", ondelete="CASCADE"), index=True)
    # What is ordered instead while this one pauses.
    stands_in_for_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("orders.standing_orders.id", ondelete="CASCADE")
    )
    days: Mapped[list[Weekday]] = mapped_column(ARRAY(Enum(Weekday, name="weekday", schema=SCHEMA)))
    at: Mapped[time] = mapped_column(Time, server_default=text("'06:30'"))
    during: Mapped[Range[date]] = mapped_column(DATERANGE, server_default=text("'(,)'::daterange"))
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))

    __table_args__ = (
        CheckConstraint("cardinality(days) BETWEEN 1 AND 7", name="ck_standing_orders_days"),
        CheckConstraint("jsonb_typeof(lines) = 'array'", name="ck_standing_orders_lines"),
        Index("ix_standing_orders_during", "during", postgresql_using="gist"),
    )
