"""The commands that `invoke --list` has to show, in its order: what a person may type."""

from __future__ import annotations

__all__ = ["NAMES"]

NAMES = (
    "adopt",
    "apply",
    "check",
    "cleanup",
    "database",
    "doctor",
    "history",
    "logs",
    "preflight",
    "protect",
    "regenerate",
    "render-manifests",
    "restore",
    "revision",
    "rollback",
    "services",
    "status",
    "verify",
)
