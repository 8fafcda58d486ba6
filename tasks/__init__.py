"""The commands people type: parse, ask, call, print. No logic."""

from __future__ import annotations

from invoke.collection import Collection
from stillroom.tasks import (
    applying,
    backups,
    checks,
    cleaning,
    database,
    generation,
    manifests,
    protecting,
    rolling_out,
    services,
    verifying,
)

__all__ = ["namespace"]

namespace = Collection()
for _task in (
    services.services,
    checks.check,
    checks.preflight,
    cleaning.cleanup,
    generation.regenerate,
    generation.revision,
    applying.status,
    applying.apply,
    applying.adopt,
    verifying.verify,
    verifying.history,
    rolling_out.logs,
    rolling_out.rollback,
    rolling_out.doctor,
    backups.restore,
    protecting.protect,
    manifests.render_manifests,
    database.database,
):
    namespace.add_task(_task)
