"""Where products lie in the space of tastes: a new product borrows the model of its nearest neighbour."""

from __future__ import annotations

import uuid
from datetime import datetime

from pgvector.sqlalchemy import Vector
from sqlalchemy import DateTime, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base

DIMENSIONS = 16


class ProductEmbedding(Base):
    __tablename__ = "product_embeddings"

    tenant_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    product_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    place: Mapped[list[float]] = mapped_column(Vector(DIMENSIONS))
    computed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    __table_args__ = (
        Index(
            "ix_product_embeddings_place",
            "place",
            postgresql_using="hnsw",
            postgresql_with={"m": 16, "ef_construction": 64},
            postgresql_ops={"place": "vector_cosine_ops"},
        ),
    )
