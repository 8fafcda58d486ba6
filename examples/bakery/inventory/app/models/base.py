"""The declarative base, the naming convention, and what many tables share."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from sqlalchemy import BigInteger, DateTime, Enum, Identity, MetaData, Numeric, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

UuidKey = Annotated[uuid.UUID, mapped_column(Uuid, primary_key=True, server_default=text("gen_random_uuid()"))]
NumberKey = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
Quantity = Annotated[Decimal, mapped_column(Numeric(14, 4))]
Money = Annotated[Decimal, mapped_column(Numeric(12, 4))]


class Base(DeclarativeBase):
    # Names of several columns can grow past the 63 bytes of an identifier: SQLAlchemy then cuts them, with a hash.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
    }


class OfTenant:
    """A row of one bakery: the id is the tenant service's, and no foreign key reaches there."""

    tenant_id: Mapped[uuid.UUID] = mapped_column(index=True)


class Timestamped:
    """When a row was made and last changed."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


def stored_by_value(kind: type[enum.Enum], name: str) -> Enum:
    """A PostgreSQL enum whose labels are the values of `kind`, in their order."""
    return Enum(kind, name=name, values_callable=lambda each: [member.value for member in each])
