"""The database of a service: its manager, and what a start does with it."""

from __future__ import annotations

from shared.database.base import DatabaseManager
from shared.database.init_manager import DatabaseInitManager, initialize_service_database

__all__ = ["DatabaseInitManager", "DatabaseManager", "initialize_service_database"]
