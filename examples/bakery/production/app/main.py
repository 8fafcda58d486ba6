"""The HTTP face of the production service."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import Batch, BatchState, Defect, Line, Plan, PlanItem, QualityCheck
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(title="production", lifespan=lifespan("production", database.engine))
app.add_middleware(FailsPlainly)
Session = Annotated[AsyncSession, Depends(database.session)]


class NewLine(BaseModel):
    tenant_id: uuid.UUID
    name: str = Field(min_length=1, max_length=80)


class Item(BaseModel):
    recipe_id: uuid.UUID
    quantity: Decimal = Field(gt=0)


class NewPlan(BaseModel):
    tenant_id: uuid.UUID
    day: date
    items: list[Item] = Field(min_length=1)


class Check(BaseModel):
    score: int = Field(ge=1, le=10)
    good: Decimal = Field(ge=0)
    measured: dict[str, Any] = {}
    defects: list[str] = []


class BatchOut(BaseModel, from_attributes=True):
    id: uuid.UUID
    number: int
    state: BatchState
    planned: Decimal
    good: Decimal
    share_good: Decimal | None


@app.post("/lines", status_code=status.HTTP_201_CREATED)
async def add_line(new: NewLine, session: Session) -> uuid.UUID:
    line = Line(**new.model_dump())
    session.add(line)
    await session.commit()
    return line.id


@app.post("/plans", status_code=status.HTTP_201_CREATED)
async def plan(new: NewPlan, session: Session) -> list[uuid.UUID]:
    """Stores a plan; answers with the ids of its items, most urgent first."""
    items = [PlanItem(**item.model_dump(), priority=place) for place, item in enumerate(new.items, start=1)]
    session.add(Plan(tenant_id=new.tenant_id, day=new.day, items=items))
    await session.commit()
    return [item.id for item in items]


@app.post("/lines/{line_id}/start/{item_id}", status_code=status.HTTP_201_CREATED)
async def start(line_id: uuid.UUID, item_id: uuid.UUID, session: Session) -> BatchOut:
    """Starts a batch on a line that is free."""
    line = await session.get(Line, line_id, with_for_update=True)
    item = await session.get(PlanItem, item_id)
    if line is None or item is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such line, or no such item of a plan")
    if line.running_batch_id is not None:
        raise HTTPException(status.HTTP_409_CONFLICT, "the line is baking another batch")
    batch = Batch(
        line_id=line.id,
        plan_item_id=item.id,
        recipe_id=item.recipe_id,
        recipe_version=1,
        state=BatchState.MIXING,
        planned=item.quantity,
    )
    session.add(batch)
    await session.flush()
    line.running_batch_id = batch.id
    await session.commit()
    await session.refresh(batch)
    return BatchOut.model_validate(batch)


@app.post("/batches/{batch_id}/checks")
async def check(batch_id: uuid.UUID, found: Check, session: Session) -> BatchOut:
    """Ends a batch with a check; a defect blocks it, and its line is free again."""
    batch = await session.get(Batch, batch_id, with_for_update=True)
    if batch is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such batch")
    if found.good > batch.planned:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, "more good ones than were planned")
    entry = QualityCheck(batch_id=batch.id, during=batch.state, score=found.score, measured=found.measured)
    session.add(entry)
    await session.flush()
    defects = [Defect(check_id=entry.id, code=code, blocks=True) for code in found.defects]
    session.add_all(defects)
    await session.flush()
    batch.good, batch.state = found.good, BatchState.SCRAPPED if defects else BatchState.DONE
    batch.blocked_by_id = defects[0].id if defects else None
    for line in await session.scalars(select(Line).filter_by(running_batch_id=batch.id)):
        line.running_batch_id = None
    await session.commit()
    await session.refresh(batch)
    return BatchOut.model_validate(batch)
