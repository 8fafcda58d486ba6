"""The HTTP face of the sales service."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import Date, cast, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import Channel, Product, SaleRecord
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(title="sales", lifespan=lifespan("sales", database.engine))
app.add_middleware(FailsPlainly)
Session = Annotated[AsyncSession, Depends(database.session)]


class NewProduct(BaseModel):
    tenant_id: uuid.UUID
    name: str = Field(min_length=1, max_length=160)
    sku: str = Field(min_length=1, max_length=40)
    allergens: list[str] = []


class NewSale(BaseModel):
    sku: str
    channel: Channel = Channel.SHOP
    sold_at: AwareDatetime
    quantity: Decimal = Field(gt=0)
    unit_price: Decimal = Field(ge=0)
    discount: Decimal = Field(Decimal(0), ge=0, le=1)


class Day(BaseModel):
    day: date
    quantity: Decimal
    revenue: Decimal


@app.post("/products", status_code=status.HTTP_201_CREATED)
async def add_product(new: NewProduct, session: Session) -> uuid.UUID:
    product = Product(**new.model_dump())
    session.add(product)
    try:
        await session.commit()
    except IntegrityError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, "there is a product with this SKU") from error
    return product.id


@app.post("/tenants/{tenant_id}/sales", status_code=status.HTTP_201_CREATED)
async def record(tenant_id: uuid.UUID, sale: NewSale, session: Session) -> Decimal:
    """Stores one sale; answers with its revenue, which the database computes."""
    product = await session.scalar(select(Product.id).filter_by(tenant_id=tenant_id, sku=sale.sku))
    if product is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such product")
    stored = SaleRecord(product_id=product, **sale.model_dump(exclude={"sku"}))
    session.add(stored)
    await session.flush()
    await session.refresh(stored, ["revenue"])
    await session.commit()
    return stored.revenue


@app.get("/tenants/{tenant_id}/sales/{sku}")
async def by_day(tenant_id: uuid.UUID, sku: str, session: Session) -> list[Day]:
    day = cast(SaleRecord.sold_at, Date)
    rows = await session.execute(
        select(day, func.sum(SaleRecord.quantity), func.sum(SaleRecord.revenue))
        .join(Product, Product.id == SaleRecord.product_id)
        .where(Product.tenant_id == tenant_id, Product.sku == sku)
        .group_by(day)
        .order_by(day)
    )
    return [Day(day=day, quantity=quantity, revenue=revenue) for day, quantity, revenue in rows]
