"""The commands people type: parse, ask, call, print. No logic."""

from __future__ import annotations

from invoke.collection import Collection
from stillroom.tasks import generation

__all__ = ["namespace"]

namespace = Collection()
for _task in (generation.regenerate,):
    namespace.add_task(_task)
