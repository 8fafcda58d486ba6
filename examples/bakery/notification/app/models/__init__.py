"""Every table of the service: importing this package fills `Base.metadata`."""

from __future__ import annotations

from app.models.base import Base
from app.models.contacts import Contact, DeviceContact, MailContact, PhoneContact
from app.models.messages import Email, Message, MessageState, Push, Sms
from app.models.templates import Template, TemplateText

__all__ = [
    "Base",
    "Contact",
    "DeviceContact",
    "Email",
    "MailContact",
    "Message",
    "MessageState",
    "PhoneContact",
    "Push",
    "Sms",
    "Template",
    "TemplateText",
]
