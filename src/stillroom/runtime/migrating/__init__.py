"""Migrations of a service's own database: one process at a time, within limits, and believed only when re-read."""
