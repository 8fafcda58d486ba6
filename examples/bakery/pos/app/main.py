"""The HTTP face of the point-of-sale service."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import PaymentKind, Till, Transaction, TransactionLine, Vendor
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(title="pos", lifespan=lifespan("pos", database.engine))
app.add_middleware(FailsPlainly)
Session = Annotated[AsyncSession, Depends(database.session)]


class NewTill(BaseModel):
    tenant_id: uuid.UUID
    name: str = Field(min_length=1, max_length=80)
    vendor: Vendor


class Line(BaseModel):
    sku: str = Field(max_length=40)
    quantity: Decimal
    unit_price: Decimal = Field(ge=0)


class Sale(BaseModel):
    payment: PaymentKind = PaymentKind.CARD
    lines: list[Line] = Field(min_length=1)


@app.post("/tills", status_code=status.HTTP_201_CREATED)
async def register(new: NewTill, session: Session) -> uuid.UUID:
    till = Till(**new.model_dump())
    session.add(till)
    await session.commit()
    return till.id


@app.post("/tills/{till_id}/sales", status_code=status.HTTP_201_CREATED)
async def sell(till_id: uuid.UUID, sale: Sale, session: Session) -> uuid.UUID:
    if await session.get(Till, till_id) is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such till")
    lines = [TransactionLine(position=place, **line.model_dump()) for place, line in enumerate(sale.lines, start=1)]
    transaction = Transaction(till_id=till_id, payment=sale.payment, lines=lines)
    session.add(transaction)
    await session.commit()
    return transaction.id


@app.get("/tills/{till_id}/takings")
async def takings(till_id: uuid.UUID, session: Session) -> dict[PaymentKind, Decimal]:
    """What a till took, by the way it was paid."""
    rows = await session.execute(
        select(Transaction.payment, func.sum(TransactionLine.total))
        .join(TransactionLine.transaction)
        .where(Transaction.till_id == till_id)
        .group_by(Transaction.payment)
    )
    return dict(rows.tuples().all())
