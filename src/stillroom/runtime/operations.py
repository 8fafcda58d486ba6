"""The operations by name. A module is imported when its operation is asked for, so that each pays for what it uses."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import faults, protocol

if TYPE_CHECKING:
    from . import telling

__all__ = ["OPERATIONS", "modules", "run"]

# name -> (module beside this one, function in it): `(request, tell) -> JSON-able dict`
OPERATIONS: dict[str, tuple[str, str]] = {
    "adopt": ("adopt", "adopt"),
    "clean": ("cleaning", "clean"),
    "echo": ("echo", "echo"),
    "generate": ("generate", "generate"),
    "history_files": ("history_files", "history_files"),
    "look": ("cleaning", "look"),
    "preflight": ("preflight", "preflight"),
    "record_sql": ("record_sql", "record_sql"),
    "protect": ("cleaning", "protect"),
    "restore_database": ("cleaning", "restore_database"),
    "revision": ("revise", "revision"),
    "status": ("status", "status"),
    "sweep": ("places", "sweep"),
    "upgrade": ("upgrade", "upgrade"),
}


def modules() -> list[str]:
    """The modules of all operations: what a parent imports ahead of its workers."""
    return sorted({module for module, _ in OPERATIONS.values()})


def run(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Runs the operation that the request names.

    Raises:
        faults.Fault: what the operation says went wrong, or that there is no such operation.
    """
    if request.operation not in OPERATIONS:
        raise faults.WrongRequest(
            "unknown-operation",
            f"this runtime has no operation '{request.operation}' (it has: {', '.join(sorted(OPERATIONS))})",
            "operator side and runtime are of different versions: upgrade the older one",
        )
    module, function = OPERATIONS[request.operation]
    operation = getattr(importlib.import_module(f".{module}", __package__), function)
    value: dict[str, Any] = operation(request, tell)
    return value
