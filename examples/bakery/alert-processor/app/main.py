"""The HTTP face of the alert processor."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import Alert, AlertState, Interaction, Rule, SeenBefore, Severity
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(title="alert-processor", lifespan=lifespan("alert-processor", database.engine))
app.add_middleware(FailsPlainly)
Session = Annotated[AsyncSession, Depends(database.session)]


class NewAlert(BaseModel):
    tenant_id: uuid.UUID
    service: str = Field(max_length=40)
    kind: str = Field(max_length=60)
    title: str = Field(max_length=200)
    severity: Severity = Severity.MEDIUM
    details: dict[str, Any] = {}
    labels: list[str] = []

    @property
    def fingerprint(self) -> bytes:
        """Equal for alerts that say the same."""
        return hashlib.sha256("\0".join([str(self.tenant_id), self.service, self.kind, self.title]).encode()).digest()


class AlertOut(BaseModel, from_attributes=True):
    id: uuid.UUID
    kind: str
    title: str
    severity: Severity
    state: AlertState


@app.post("/alerts", status_code=status.HTTP_201_CREATED)
async def raise_alert(new: NewAlert, session: Session) -> uuid.UUID:
    """Stores an alert, as severe as the rules say; one that was raised within the hour is counted, not stored."""
    seen = await session.scalar(
        select(SeenBefore).where(SeenBefore.fingerprint == new.fingerprint, SeenBefore.until > func.now())
    )
    if seen is not None:
        seen.times += 1
        await session.commit()
        return seen.alert_id
    becomes = await session.scalar(
        select(func.max(Rule.becomes)).where(
            Rule.enabled,
            Rule.tenant_id.is_(None) | (Rule.tenant_id == new.tenant_id),
            Rule.service.is_(None) | (Rule.service == new.service),
            Rule.matches.contained_by(new.details),
        )
    )
    alert = Alert(**new.model_dump(exclude={"severity"}), severity=becomes or new.severity)
    session.add(alert)
    await session.flush()
    remembered = insert(SeenBefore).values(fingerprint=new.fingerprint, alert_id=alert.id)
    await session.execute(
        remembered.on_conflict_do_update(
            index_elements=["fingerprint"],
            set_={"alert_id": alert.id, "times": 1, "until": func.now() + timedelta(hours=1)},
        )
    )
    await session.commit()
    return alert.id


@app.get("/tenants/{tenant_id}/alerts")
async def to_look_at(tenant_id: uuid.UUID, session: Session, label: str | None = None) -> list[AlertOut]:
    """What is open in a bakery, the most urgent first."""
    query = select(Alert).where(Alert.tenant_id == tenant_id, Alert.state == AlertState.OPEN)
    if label is not None:
        query = query.where(Alert.labels.contains([label]))
    rows = await session.scalars(query.order_by(Alert.severity.desc(), Alert.raised_at))
    return [AlertOut.model_validate(row) for row in rows]


@app.post("/alerts/{alert_id}/resolve")
async def resolve(alert_id: uuid.UUID, user_id: uuid.UUID, session: Session) -> AlertOut:
    alert = await session.get(Alert, alert_id, with_for_update=True)
    if alert is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such alert")
    if alert.state is not AlertState.RESOLVED:
        alert.state, alert.resolved_at = AlertState.RESOLVED, datetime.now(timezone.utc)
        after = alert.resolved_at - alert.raised_at
        session.add(Interaction(alert_id=alert.id, user_id=user_id, did="resolved", after=after))
        await session.commit()
    return AlertOut.model_validate(alert)
