"""Services as targets want to know them: where there is no registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stillroom.registry import model

__all__ = ["service"]


def service(name: str = "shop", **said: Any) -> model.Service:
    """A service about which nothing is said but this."""
    facts: dict[str, Any] = {
        "name": name,
        "environment": "test",
        "path": Path("/nowhere") / name,
        "config": None,
        "models": (),
        "metadata": None,
        "url_variable": "SHOP_DATABASE_URL",
        "scratch_url_variable": None,
        "database": name,
        "schemas": None,
        "version_table": None,
        "version_table_schema": None,
        "extensions": (),
        "heads": 1,
        "python": None,
        "env": {},
        "time_limit": 60.0,
        "after": (),
        "namespace": None,
        "container": None,
        "workload": name,
        "scratch": None,
        "message": "initial schema",
    }
    return model.Service(**{**facts, **said})
