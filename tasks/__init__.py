"""The commands people type: parse, ask, call, print. No logic."""

from __future__ import annotations

from invoke.collection import Collection
from stillroom.tasks import checks, database, generation, services

__all__ = ["namespace"]

namespace = Collection()
for _task in (
    services.services,
    checks.preflight,
    generation.regenerate,
    database.database,
):
    namespace.add_task(_task)
