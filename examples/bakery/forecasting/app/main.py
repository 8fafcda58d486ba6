"""The HTTP face of the forecasting service."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import Accuracy, Batch, BatchState, Forecast, Verdict
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(title="forecasting", lifespan=lifespan("forecasting", database.engine))
app.add_middleware(FailsPlainly)
Session = Annotated[AsyncSession, Depends(database.session)]

TOLERATED = Decimal("0.1")


class Prediction(BaseModel):
    product_id: uuid.UUID
    day: date
    predicted: Decimal = Field(ge=0)
    lowest: Decimal
    highest: Decimal


class StoredPrediction(Prediction):
    id: uuid.UUID


class NewBatch(BaseModel):
    tenant_id: uuid.UUID
    first_day: date
    days: int = Field(7, ge=1, le=60)
    predictions: list[Prediction] = []


@app.post("/batches", status_code=status.HTTP_201_CREATED)
async def store(new: NewBatch, session: Session) -> uuid.UUID:
    horizon = timedelta(days=new.days)
    batch = Batch(
        tenant_id=new.tenant_id,
        horizon=horizon,
        covers=Range(new.first_day, new.first_day + horizon),
        state=BatchState.DONE,
    )
    batch.forecasts = [
        Forecast(
            product_id=one.product_id,
            day=one.day,
            predicted=one.predicted,
            likely=Range(one.lowest, one.highest, bounds="[]"),
        )
        for one in new.predictions
    ]
    session.add(batch)
    await session.commit()
    return batch.id


@app.get("/batches/{batch_id}/forecasts")
async def of_batch(batch_id: uuid.UUID, session: Session) -> list[StoredPrediction]:
    rows = await session.scalars(
        select(Forecast).where(Forecast.batch_id == batch_id).order_by(Forecast.day, Forecast.product_id)
    )
    return [
        StoredPrediction(
            id=row.id,
            product_id=row.product_id,
            day=row.day,
            predicted=row.predicted,
            lowest=row.likely.lower,
            highest=row.likely.upper,
        )
        for row in rows
    ]


@app.put("/forecasts/{forecast_id}/sold/{sold}")
async def judge(forecast_id: uuid.UUID, sold: Decimal, session: Session) -> Verdict:
    """Compares a forecast with what was sold."""
    forecast = await session.get(Forecast, forecast_id)
    if forecast is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such forecast")
    verdict = Verdict.GOOD
    if abs(forecast.predicted - sold) > TOLERATED * sold:
        verdict = Verdict.LOW if forecast.predicted < sold else Verdict.HIGH
    await session.merge(Accuracy(forecast_id=forecast_id, predicted=forecast.predicted, sold=sold, verdict=verdict))
    await session.commit()
    return verdict


@app.get("/accuracy")
async def accuracy(session: Session) -> dict[Verdict, int]:
    rows = await session.execute(select(Accuracy.verdict, func.count()).group_by(Accuracy.verdict))
    return dict(rows.tuples().all())
