"""Every table of the service: importing this package fills `Base.metadata`."""

from __future__ import annotations

from app.models.base import Base
from app.models.recipes import Recipe, RecipeVersion, Step, Tag, VersionState
from app.models.things import Component, Measure, Tool, step_tools

__all__ = [
    "Base",
    "Component",
    "Measure",
    "Recipe",
    "RecipeVersion",
    "Step",
    "Tag",
    "Tool",
    "VersionState",
    "step_tools",
]
