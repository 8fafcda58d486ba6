"""The HTTP face of the external-data service."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import Observation
from stillroom.runtime.service import BaseFastAPIService

app = BaseFastAPIService("external", database.engine).create_app()
Session = Annotated[AsyncSession, Depends(database.session)]
Kind = Literal["weather", "traffic", "holiday"]


class Seen(BaseModel, from_attributes=True):
    provider: str = Field(max_length=20)
    kind: Kind
    city: str = Field(max_length=80)
    station: str | None = Field(None, max_length=40)
    observed_at: AwareDatetime
    measured: dict[str, Any] = {}


@app.put("/observations")
async def store(seen: list[Seen], session: Session) -> dict[str, int]:
    """Stores what is new and replaces what was measured again."""
    if not seen:
        return {"stored": 0}
    statement = insert(Observation).values([one.model_dump() for one in seen])
    await session.execute(
        statement.on_conflict_do_update(
            constraint="uq_observation",
            set_={"measured": statement.excluded.measured, "fetched_at": datetime.now().astimezone()},
        )
    )
    await session.commit()
    return {"stored": len(seen)}


@app.get("/cities/{city}/{kind}")
async def latest(
    city: str, kind: Kind, session: Session, limit: Annotated[int, Query(ge=1, le=1000)] = 24
) -> list[Seen]:
    rows = await session.scalars(
        select(Observation)
        .where(Observation.city == city, Observation.kind == kind)
        .order_by(Observation.observed_at.desc())
        .limit(limit)
    )
    return [Seen.model_validate(row) for row in rows]
