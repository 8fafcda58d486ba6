"""Stillroom looks after the Alembic migrations of a whole fleet of services."""

__version__ = "0.1.0"
