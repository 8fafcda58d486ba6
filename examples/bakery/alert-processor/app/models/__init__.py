"""Every table of the service: importing this package fills `Base.metadata`."""

from __future__ import annotations

from app.models.alerts import Alert, AlertState, Interaction, SeenBefore, Severity
from app.models.base import Base
from app.models.rules import Channel, Rule, Subscriber, rule_subscribers

__all__ = [
    "Alert",
    "AlertState",
    "Base",
    "Channel",
    "Interaction",
    "Rule",
    "SeenBefore",
    "Severity",
    "Subscriber",
    "rule_subscribers",
]
