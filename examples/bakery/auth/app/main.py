"""The HTTP face of the auth service."""

from __future__ import annotations

import hashlib
import os
import uuid
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import User, UserRole
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(title="auth", lifespan=lifespan("auth", database.engine))
app.add_middleware(FailsPlainly)
Session = Annotated[AsyncSession, Depends(database.session)]


class Registration(BaseModel):
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)
    full_name: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=12)


class Account(BaseModel, from_attributes=True):
    id: uuid.UUID
    email: str
    full_name: str
    role: UserRole


def hashed(password: str) -> str:
    """The password with a salt of its own, through scrypt."""
    salt = os.urandom(16)
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1).hex()}"


@app.post("/users", status_code=status.HTTP_201_CREATED)
async def register(registration: Registration, session: Session) -> Account:
    user = User(email=registration.email, full_name=registration.full_name, password_hash=hashed(registration.password))
    session.add(user)
    try:
        await session.commit()
    except IntegrityError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, "there is an account with this address") from error
    await session.refresh(user)
    return Account.model_validate(user)


@app.get("/users/by-email/{email}")
async def account(email: str, session: Session) -> Account:
    user = await session.scalar(select(User).where(func.lower(User.email) == email.lower(), User.is_active))
    if user is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such account")
    return Account.model_validate(user)
