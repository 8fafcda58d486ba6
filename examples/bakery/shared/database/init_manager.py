"""Services verify their database; migration Jobs migrate it."""

from __future__ import annotations

from stillroom.runtime.service import DatabaseInitManager, initialize_service_database

__all__ = ["DatabaseInitManager", "initialize_service_database"]
