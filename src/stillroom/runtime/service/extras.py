"""Libraries that only some services have: imported late, and where one is missing the extra that brings it is named."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from .. import faults

__all__ = ["EXTRAS", "found", "imported", "need"]

EXTRAS = {"structlog": "service", "fastapi": "service", "starlette": "service", "prometheus_client": "metrics"}
"""Module -> the extra that brings it."""


def found(name: str) -> ModuleType | None:
    """The module, or None where it is not installed; a module that is there and broken raises what it raises."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name.partition(".")[0]:
            raise
        return None


def imported(name: str) -> ModuleType | None:
    """The module, if somebody has imported it already: a service that has not can't have set it up."""
    return sys.modules.get(name)


def need(name: str, purpose: str) -> ModuleType:
    """The module.

    Args:
        name: of the module, one of `EXTRAS` or inside of one.
        purpose: what needs it, as the subject of a sentence: `BaseFastAPIService`.

    Raises:
        faults.ProjectFault: `extra-missing`.
    """
    module = found(name)
    if module is None:
        top = name.partition(".")[0]
        raise faults.ProjectFault(
            "extra-missing",
            f"{purpose} needs {top}, which is not installed",
            f"pip install 'stillroom[{EXTRAS[top]}]'",
            data={"module": top, "extra": EXTRAS[top]},
        )
    return module
