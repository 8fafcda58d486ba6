"""What every generation begins with, before anything of the service is imported."""

from __future__ import annotations

from .. import facts
from ..connections import compiled, type_memory
from ..projects import project
from ..replay import same_types

__all__ = ["enter"]


def enter(service: facts.ServiceFacts) -> None:
    """Makes this process the service's, and its engines share what they learn and compare types as PostgreSQL does.

    Raises:
        faults.ProjectFault: as `project.enter` does.
    """
    project.enter(service)
    compiled.share()
    type_memory.remember()
    same_types.compare_as_postgresql()
