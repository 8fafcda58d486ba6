"""The operations by name. A module is imported when its operation is asked for, so that each pays for what it uses."""

from __future__ import annotations

import dataclasses
import importlib
import os
from typing import TYPE_CHECKING, Any

from .. import faults
from . import protocol

if TYPE_CHECKING:
    from . import telling

__all__ = ["OPERATIONS", "load", "modules", "preload", "run"]

# name -> (module of the runtime, function in it): `(request, tell) -> JSON-able dict`
OPERATIONS: dict[str, tuple[str, str]] = {
    "adopt": ("applying.adopt", "adopt"),
    "clean": ("resetting.cleaning", "clean"),
    "echo": ("wire.echo", "echo"),
    "generate": ("generation.generate", "generate"),
    "history": ("verifying.operation", "history"),
    "history_files": ("projects.history_files", "history_files"),
    "look": ("resetting.cleaning", "look"),
    "preflight": ("readiness.preflight", "preflight"),
    "record_sql": ("applying.record_sql", "record_sql"),
    "protect": ("resetting.cleaning", "protect"),
    "restore_database": ("resetting.cleaning", "restore_database"),
    "revision": ("generation.revise", "revision"),
    "status": ("applying.status", "status"),
    "sweep": ("scratches.places", "sweep"),
    "upgrade": ("migrating.operation", "upgrade"),
    "verify": ("verifying.operation", "verify"),
}


def modules() -> list[str]:
    """The modules of all operations: what a parent imports ahead of its workers."""
    return sorted({module for module, _ in OPERATIONS.values()})


def load(module: str) -> Any:
    """The module of the runtime that has this name, under whatever name the runtime itself was carried here.

    Raises:
        ImportError: it is missing, or something that it imports.
    """
    return importlib.import_module(f"..{module}", __package__)


def preload(operation: str) -> None:
    """Imports the module of an operation, in a process whose forks will run it.

    Raises:
        Exception: whatever is missing or broken.
    """
    load(OPERATIONS[operation][0])


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
    operation = getattr(load(module), function)
    value: dict[str, Any] = operation(dataclasses.replace(request, service=_placed(request.service)), tell)
    return value


def _placed(service: dict[str, Any]) -> dict[str, Any]:
    """The service's facts with absolute paths: who asks from elsewhere knows no more than the working directory does."""
    if "path" not in service:
        return service
    path = os.path.abspath(service["path"])  # noqa: PTH100 - links stay as they are
    config = service.get("config")
    return {**service, "path": path, "config": os.path.normpath(os.path.join(path, config)) if config else config}  # noqa: PTH118
