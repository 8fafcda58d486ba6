"""The HTTP face of the orders service."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import Customer, Order, OrderEvent, OrderLine, OrderState, Segment
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(title="orders", lifespan=lifespan("orders", database.engine))
app.add_middleware(FailsPlainly)
Session = Annotated[AsyncSession, Depends(database.session)]

# What may follow on what; nothing follows on a delivery.
NEXT = {
    OrderState.PLACED: {OrderState.CONFIRMED, OrderState.CANCELLED},
    OrderState.CONFIRMED: {OrderState.BAKED, OrderState.CANCELLED},
    OrderState.BAKED: {OrderState.DELIVERED},
}


class NewCustomer(BaseModel):
    tenant_id: uuid.UUID
    name: str = Field(min_length=1, max_length=200)
    email: str | None = Field(None, max_length=254)
    segments: list[Segment] = [Segment.WALK_IN]


class Line(BaseModel):
    product_id: uuid.UUID
    quantity: Decimal = Field(gt=0)
    unit_price: Decimal = Field(ge=0)


class NewOrder(BaseModel):
    customer_id: uuid.UUID
    lines: list[Line] = Field(min_length=1)


class OrderOut(BaseModel):
    id: uuid.UUID
    number: int
    state: OrderState


@app.post("/customers", status_code=status.HTTP_201_CREATED)
async def add_customer(new: NewCustomer, session: Session) -> uuid.UUID:
    customer = Customer(**new.model_dump())
    session.add(customer)
    await session.commit()
    return customer.id


@app.post("/orders", status_code=status.HTTP_201_CREATED)
async def place(new: NewOrder, session: Session) -> OrderOut:
    customer = await session.get(Customer, new.customer_id)
    if customer is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such customer")
    order = Order(
        tenant_id=customer.tenant_id,
        customer_id=customer.id,
        lines=[OrderLine(position=place, **line.model_dump()) for place, line in enumerate(new.lines, start=1)],
        events=[OrderEvent(state=OrderState.PLACED)],
    )
    session.add(order)
    await session.commit()
    await session.refresh(order, ["number", "state"])
    return OrderOut(id=order.id, number=order.number, state=order.state)


@app.post("/orders/{order_id}/{state}")
async def move(order_id: uuid.UUID, state: OrderState, session: Session) -> OrderOut:
    order = await session.get(Order, order_id, with_for_update=True)
    if order is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such order")
    if state not in NEXT.get(order.state, set()):
        raise HTTPException(status.HTTP_409_CONFLICT, f"an order that is {order.state.value} cannot be {state.value}")
    order.state = state
    session.add(OrderEvent(order_id=order.id, state=state))
    await session.commit()
    return OrderOut(id=order.id, number=order.number, state=order.state)


@app.get("/customers/{customer_id}/spent")
async def spent(customer_id: uuid.UUID, session: Session) -> Decimal:
    total = await session.scalar(
        select(func.sum(OrderLine.amount))
        .join(OrderLine.order)
        .where(Order.customer_id == customer_id, Order.state != OrderState.CANCELLED)
    )
    return total or Decimal(0)
