"""The commands people type: parse, ask, call, print. No logic."""

from __future__ import annotations

from invoke.collection import Collection
from stillroom.tasks import applying, checks, database, databases, generation, services

__all__ = ["namespace"]

namespace = Collection()
for _task in (
    services.services,
    checks.preflight,
    databases.cleanup,
    generation.regenerate,
    generation.revision,
    applying.status,
    applying.apply,
    applying.adopt,
    databases.restore,
    databases.protect,
    database.database,
):
    namespace.add_task(_task)
