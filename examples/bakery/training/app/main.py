"""The HTTP face of the training service."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import JobEvent, JobState, ProductEmbedding, TrainingJob
from app.models.embeddings import DIMENSIONS
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(title="training", lifespan=lifespan("training", database.engine))
app.add_middleware(FailsPlainly)
Session = Annotated[AsyncSession, Depends(database.session)]


class NewJob(BaseModel):
    tenant_id: uuid.UUID
    product_ids: list[uuid.UUID] = Field(min_length=1)
    parameters: dict[str, Any] | None = None


class JobOut(BaseModel, from_attributes=True):
    id: uuid.UUID
    state: JobState
    progress: int
    parameters: dict[str, Any]


class Neighbour(BaseModel):
    product_id: uuid.UUID
    distance: float


@app.post("/jobs", status_code=status.HTTP_202_ACCEPTED)
async def queue(new: NewJob, session: Session) -> JobOut:
    job = TrainingJob(**new.model_dump(exclude_none=True))
    job.events = [JobEvent(state=JobState.QUEUED)]
    session.add(job)
    await session.commit()
    await session.refresh(job)
    return JobOut.model_validate(job)


@app.put("/tenants/{tenant_id}/embeddings/{product_id}", status_code=status.HTTP_204_NO_CONTENT)
async def place(
    tenant_id: uuid.UUID,
    product_id: uuid.UUID,
    numbers: Annotated[list[float], Field(min_length=DIMENSIONS, max_length=DIMENSIONS)],
    session: Session,
) -> None:
    row = {"tenant_id": tenant_id, "product_id": product_id, "place": numbers}
    await session.execute(
        insert(ProductEmbedding)
        .values(row)
        .on_conflict_do_update(index_elements=["tenant_id", "product_id"], set_={"place": numbers})
    )
    await session.commit()


@app.get("/tenants/{tenant_id}/embeddings/{product_id}/neighbours")
async def neighbours(tenant_id: uuid.UUID, product_id: uuid.UUID, session: Session, limit: int = 5) -> list[Neighbour]:
    """The products of a bakery that are most like one of them, nearest first."""
    here = await session.get(ProductEmbedding, (tenant_id, product_id))
    if here is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "this product has no place yet")
    distance = ProductEmbedding.place.cosine_distance(here.place).label("distance")
    rows = await session.execute(
        select(ProductEmbedding.product_id, distance)
        .where(ProductEmbedding.tenant_id == tenant_id, ProductEmbedding.product_id != product_id)
        .order_by(distance)
        .limit(limit)
    )
    return [Neighbour(product_id=product, distance=far) for product, far in rows]
