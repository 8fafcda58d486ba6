"""The HTTP face of the notification service."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from string import Template as Words
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, status
from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import database
from app.models import Email, Message, MessageState, Template, TemplateText
from stillroom.runtime.service import FailsPlainly, lifespan

app = FastAPI(title="notification", lifespan=lifespan("notification", database.engine))
app.add_middleware(FailsPlainly)
Session = Annotated[AsyncSession, Depends(database.session)]


class NewTemplate(BaseModel):
    code: str = Field(max_length=60)
    tenant_id: uuid.UUID | None = None
    locale: str = Field("es", pattern=r"^[a-z]{2}(-[A-Z]{2})?$")
    subject: str = Field(max_length=200)
    body: str
    needs: list[str] = []


class NewEmail(BaseModel):
    tenant_id: uuid.UUID
    template: str
    locale: str = "es"
    recipients: list[str] = Field(min_length=1)
    filled_with: dict[str, str] = {}


class MessageOut(BaseModel, from_attributes=True):
    id: uuid.UUID
    kind: str
    state: MessageState
    sent_at: datetime | None


@app.post("/templates", status_code=status.HTTP_201_CREATED)
async def add_template(new: NewTemplate, session: Session) -> uuid.UUID:
    template = Template(code=new.code, tenant_id=new.tenant_id, needs=new.needs)
    template.texts = [TemplateText(locale=new.locale, subject=new.subject, body=new.body)]
    session.add(template)
    await session.commit()
    return template.id


@app.post("/emails", status_code=status.HTTP_202_ACCEPTED)
async def queue(new: NewEmail, session: Session) -> MessageOut:
    """Queues an e-mail made from the bakery's own template, or else the platform's."""
    template = await session.scalar(
        select(Template)
        .where(Template.code == new.template, Template.tenant_id.is_(None) | (Template.tenant_id == new.tenant_id))
        .order_by(Template.tenant_id.nulls_last())
        .limit(1)
    )
    words = next((words for words in template.texts if words.locale == new.locale), None) if template else None
    if template is None or words is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such template in this language")
    if missing := sorted(set(template.needs) - set(new.filled_with)):
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, f"not filled in: {', '.join(missing)}")
    email = Email(
        tenant_id=new.tenant_id,
        template_id=template.id,
        filled_with=new.filled_with,
        sender="hola@bakery.example",
        recipients=new.recipients,
        subject=Words(words.subject).safe_substitute(new.filled_with),
        html=Words(words.body).safe_substitute(new.filled_with),
    )
    session.add(email)
    await session.commit()
    await session.refresh(email)
    return MessageOut.model_validate(email)


@app.post("/messages/{message_id}/sent")
async def sent(message_id: uuid.UUID, session: Session) -> MessageOut:
    message = await session.get(Message, message_id)
    if message is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "no such message")
    message.state, message.sent_at = MessageState.SENT, datetime.now(timezone.utc)
    await session.commit()
    return MessageOut.model_validate(message)


@app.get("/tenants/{tenant_id}/messages/count")
async def count(tenant_id: uuid.UUID, session: Session) -> dict[MessageState, int]:
    rows = await session.execute(
        select(Message.state, func.count()).where(Message.tenant_id == tenant_id).group_by(Message.state)
    )
    return dict(rows.tuples().all())
