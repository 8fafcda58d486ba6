"""The declarative base, with names for what is an index or unique, and PostgreSQL's own for the rest."""

from __future__ import annotations

import uuid

from sqlalchemy import MetaData, Uuid, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={"ix": "idx_%(column_0_N_label)s", "uq": "unq_%(table_name)s_%(column_0_N_name)s"}
    )


class Identified:
    """A UUID key that the database makes."""

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, server_default=text("gen_random_uuid()"))
