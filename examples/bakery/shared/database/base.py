"""The engine and the sessions of a service."""

from __future__ import annotations

from stillroom.runtime.service import DatabaseManager

__all__ = ["DatabaseManager"]
