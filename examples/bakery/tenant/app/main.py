"""The HTTP face of the tenant service."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import Location, Member, Permission, Tenant, TenantSettings
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(title="tenant", lifespan=lifespan("tenant", database.engine))
app.add_middleware(FailsPlainly)
Session = Annotated[AsyncSession, Depends(database.session)]


class NewTenant(BaseModel):
    name: str = Field(min_length=1, max_length=200)
    slug: str = Field(pattern=r"^[a-z0-9-]+$", max_length=80)
    owner_id: uuid.UUID
    main_shop: str = Field(max_length=120)
    address: str = Field(max_length=300)
    parent_id: uuid.UUID | None = None


class TenantOut(BaseModel, from_attributes=True):
    id: uuid.UUID
    name: str
    slug: str
    main_location_id: uuid.UUID | None


@app.post("/tenants", status_code=status.HTTP_201_CREATED)
async def open_bakery(new: NewTenant, session: Session) -> TenantOut:
    """A bakery with its settings, its first shop, and its owner."""
    tenant = Tenant(name=new.name, slug=new.slug, parent_id=new.parent_id)
    session.add(tenant)
    try:
        await session.flush()
    except IntegrityError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, "this slug is taken, or there is no such parent") from error
    tenant.main_location = Location(tenant_id=tenant.id, name=new.main_shop, address=new.address)
    everything = list(Permission)
    session.add_all(
        [
            TenantSettings(tenant_id=tenant.id),
            Member(tenant_id=tenant.id, user_id=new.owner_id, permissions=everything, is_owner=True),
        ]
    )
    await session.commit()
    return TenantOut.model_validate(tenant)


@app.get("/users/{user_id}/tenants")
async def of_user(user_id: uuid.UUID, session: Session, may: Permission = Permission.VIEW) -> list[TenantOut]:
    """The bakeries in which a user may do something."""
    rows = await session.scalars(
        select(Tenant)
        .join(Member, Member.tenant_id == Tenant.id)
        .where(Member.user_id == user_id, Member.permissions.any(may))
        .order_by(Tenant.name)
    )
    return [TenantOut.model_validate(row) for row in rows]
