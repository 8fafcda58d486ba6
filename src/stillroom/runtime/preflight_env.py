"""Preflight: what `env.py` came to when it was run without a database, against the models. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import env_run
from .preflight_findings import Findings

__all__ = ["judge_alone", "judge_beside_models"]


def judge_alone(found: Findings, ran: env_run.Ran) -> tuple[Any, ...] | None:
    """Where services.yaml names no models, only `env.py` tells which there are.

    Returns:
        Its metadata; None if that is not known, or `env.py` fails: a finding says so.
    """
    if ran.fault is not None and ran.certain:
        found.fault("models", ran.fault)
        return None
    if ran.metadatas is None:
        why = f" ({ran.fault.message})" if ran.fault is not None else ""
        found.skipped(
            "models",
            f"not known: services.yaml names no models, and env.py does not tell without a database{why}",
            "name them in services.yaml, models: app.models (say)",
        )
    return ran.metadatas


def judge_beside_models(found: Findings, service: str, ran: env_run.Ran, metadatas: Sequence[Any]) -> None:
    """Where the models are known: `env.py` must come as far as they did, and give Alembic what they fill."""
    if ran.fault is not None and ran.certain:
        found.fault("env.py", ran.fault)
        return
    if ran.metadatas is None:
        return
    tables = sum(len(each.tables) for each in metadatas)
    if tables and not any(each.tables for each in ran.metadatas):
        given = "is None" if not ran.metadatas else "holds no table"
        found.error(
            "env.py",
            f"{service}: target_metadata of env.py {given}, while the models hold {tables}: a baseline would be empty",
            "in env.py: target_metadata = Base.metadata, of the base that the models have",
            code="metadata-empty",
        )
