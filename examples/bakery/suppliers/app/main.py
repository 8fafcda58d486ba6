"""The HTTP face of the suppliers service."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, Field
from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import Approval, Contract, PriceBreak, Supplier, Weekday, supplier_ingredients
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(title="suppliers", lifespan=lifespan("suppliers", database.engine))
app.add_middleware(FailsPlainly)
Session = Annotated[AsyncSession, Depends(database.session)]


class NewSupplier(BaseModel):
    tenant_id: uuid.UUID
    name: str = Field(min_length=1, max_length=200)
    tax_id: str | None = Field(None, max_length=20)
    delivers: dict[uuid.UUID, str] = {}


class SupplierOut(BaseModel, from_attributes=True):
    id: uuid.UUID
    number: int
    name: str
    approval: Approval
    delivers_on: list[Weekday]


class Price(BaseModel):
    ingredient_id: uuid.UUID
    from_quantity: int = Field(1, ge=1)
    price: Decimal = Field(gt=0)


class NewContract(BaseModel):
    first_day: date
    last_day: date | None = None
    prices: list[Price] = Field(min_length=1)


@app.post("/suppliers", status_code=status.HTTP_201_CREATED)
async def add(new: NewSupplier, session: Session) -> SupplierOut:
    supplier = Supplier(tenant_id=new.tenant_id, name=new.name, tax_id=new.tax_id)
    session.add(supplier)
    try:
        await session.flush()
    except IntegrityError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, "there is a supplier with this tax number, or none") from error
    if new.delivers:
        rows = [{"supplier_id": supplier.id, "ingredient_id": item, "sku": sku} for item, sku in new.delivers.items()]
        await session.execute(insert(supplier_ingredients), rows)
    await session.commit()
    await session.refresh(supplier)
    return SupplierOut.model_validate(supplier)


@app.post("/suppliers/{supplier_id}/contracts", status_code=status.HTTP_201_CREATED)
async def sign(supplier_id: uuid.UUID, new: NewContract, session: Session) -> uuid.UUID:
    supplier = await session.get(Supplier, supplier_id)
    if supplier is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such supplier")
    contract = Contract(
        supplier_id=supplier_id,
        valid=Range(new.first_day, new.last_day, bounds="[]" if new.last_day else "[)"),
        breaks=[
            PriceBreak(
                ingredient_id=price.ingredient_id,
                position=place,
                quantities=Range(price.from_quantity, None),
                price=price.price,
            )
            for place, price in enumerate(new.prices, start=1)
        ],
    )
    session.add(contract)
    await session.commit()
    return contract.id


@app.get("/ingredients/{ingredient_id}/price")
async def price(ingredient_id: uuid.UUID, quantity: int, on: date, session: Session) -> dict[str, str]:
    """The best price of an ingredient on a day, by supplier."""
    rows = await session.execute(
        select(Supplier.name, PriceBreak.price)
        .join(Contract, Contract.supplier_id == Supplier.id)
        .join(PriceBreak, PriceBreak.contract_id == Contract.id)
        .where(
            PriceBreak.ingredient_id == ingredient_id,
            PriceBreak.quantities.contains(quantity),
            Contract.valid.contains(on),
        )
        .order_by(PriceBreak.price.desc())
    )
    return {name: str(cost) for name, cost in rows}
