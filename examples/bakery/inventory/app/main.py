"""The HTTP face of the inventory service."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import Ingredient, Lot, LotState, Movement, MovementKind, Shelf, StockLevel, Unit, Warehouse, Zone
from app.models.catalogue import Dimension
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(title="inventory", lifespan=lifespan("inventory", database.engine))
app.add_middleware(FailsPlainly)
Session = Annotated[AsyncSession, Depends(database.session)]


class NewIngredient(BaseModel):
    tenant_id: uuid.UUID
    name: str = Field(min_length=1, max_length=160)
    unit: str = Field("kg", max_length=10)
    dimension: Dimension = Dimension.MASS


class NewShelf(BaseModel):
    tenant_id: uuid.UUID
    warehouse: str = Field(max_length=80)
    zone: str = Field(max_length=40)
    label: str = Field(max_length=20)


class Receipt(BaseModel):
    shelf_id: uuid.UUID
    number: str = Field(max_length=40)
    quantity: Decimal = Field(gt=0)
    cost: Decimal = Field(ge=0)
    expires_on: date | None = None


class Taken(BaseModel):
    lot: str
    quantity: Decimal


@app.post("/ingredients", status_code=status.HTTP_201_CREATED)
async def add_ingredient(new: NewIngredient, session: Session) -> uuid.UUID:
    await session.execute(insert(Unit).values(code=new.unit, dimension=new.dimension).on_conflict_do_nothing())
    ingredient = Ingredient(tenant_id=new.tenant_id, name=new.name, unit_code=new.unit)
    session.add(ingredient)
    try:
        await session.commit()
    except IntegrityError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, "there is an ingredient of this name") from error
    return ingredient.id


@app.post("/shelves", status_code=status.HTTP_201_CREATED)
async def add_shelf(new: NewShelf, session: Session) -> uuid.UUID:
    """A shelf, in a warehouse and a zone that are made where there are none."""
    where = Warehouse.tenant_id == new.tenant_id, Warehouse.name == new.warehouse
    warehouse = await session.scalar(select(Warehouse).where(*where))
    if warehouse is None:
        session.add(warehouse := Warehouse(tenant_id=new.tenant_id, name=new.warehouse))
        await session.flush()
    zone = await session.scalar(select(Zone).filter_by(warehouse_id=warehouse.id, name=new.zone))
    if zone is None:
        session.add(zone := Zone(warehouse_id=warehouse.id, name=new.zone))
        await session.flush()
    session.add(shelf := Shelf(zone_id=zone.id, label=new.label))
    await session.commit()
    return shelf.id


@app.post("/ingredients/{ingredient_id}/receipts", status_code=status.HTTP_201_CREATED)
async def receive(ingredient_id: uuid.UUID, receipt: Receipt, session: Session) -> Decimal:
    """Puts a lot on a shelf; answers with what it is worth."""
    ingredient = await session.get(Ingredient, ingredient_id)
    if ingredient is None or await session.get(Shelf, receipt.shelf_id) is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such ingredient, or no such shelf")
    lot = Lot(
        tenant_id=ingredient.tenant_id,
        ingredient_id=ingredient_id,
        number=receipt.number,
        received=receipt.quantity,
        cost=receipt.cost,
        expires_on=receipt.expires_on,
    )
    session.add(lot)
    await session.flush()
    place = {"lot_id": lot.id, "shelf_id": receipt.shelf_id}
    session.add(StockLevel(**place, quantity=receipt.quantity))
    await session.flush()
    session.add(Movement(**place, kind=MovementKind.RECEIPT, quantity=receipt.quantity))
    await session.commit()
    await session.refresh(lot, ["value"])
    return lot.value


@app.post("/ingredients/{ingredient_id}/use")
async def use(ingredient_id: uuid.UUID, quantity: Decimal, session: Session) -> list[Taken]:
    """Takes from the lots that expire first; all or nothing."""
    rows = await session.execute(
        select(StockLevel, Lot.number)
        .join(Lot, Lot.id == StockLevel.lot_id)
        .where(Lot.ingredient_id == ingredient_id, Lot.state == LotState.GOOD, StockLevel.quantity > 0)
        .order_by(Lot.expires_on.asc().nulls_last(), Lot.received_on)
        .with_for_update(of=StockLevel)
    )
    taken: list[Taken] = []
    for level, number in rows:
        part = min(level.quantity, quantity - sum((one.quantity for one in taken), Decimal(0)))
        if part <= 0:
            break
        level.quantity -= part
        session.add(Movement(lot_id=level.lot_id, shelf_id=level.shelf_id, kind=MovementKind.USE, quantity=-part))
        taken.append(Taken(lot=number, quantity=part))
    if sum((one.quantity for one in taken), Decimal(0)) < quantity:
        raise HTTPException(status.HTTP_409_CONFLICT, "there is not enough of it")
    await session.commit()
    return taken


@app.get("/ingredients/{ingredient_id}/stock")
async def stock(ingredient_id: uuid.UUID, session: Session) -> Decimal:
    total = await session.scalar(
        select(func.sum(StockLevel.quantity))
        .join(Lot, Lot.id == StockLevel.lot_id)
        .where(Lot.ingredient_id == ingredient_id, Lot.state == LotState.GOOD)
    )
    return total or Decimal(0)
