"""Preflight: what `env.py` came to when it was run without a database, against the models. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import env_run, faults, hardcoded, urls
from .preflight_findings import Findings

__all__ = ["judge_alone", "judge_beside_models", "judge_url"]

_MISTAKES = frozenset({"service-code-failed", "models-do-not-import", "variable-missing"})


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
        if isinstance(ran.fault, faults.ProjectFault) and ran.fault.code in _MISTAKES:
            found.warning(
                "env.py",
                f"{ran.fault.message} (in offline mode; whether it also fails with a database is not known)",
                ran.fault.mend,
                code=ran.fault.code,
            )
        return
    tables = sum(len(each.tables) for each in metadatas)
    if tables and not any(each.tables for each in ran.metadatas):
        given = "is None" if not ran.metadatas else "holds no table"
        held = f"{tables} table{'s' if tables != 1 else ''}"
        found.error(
            "env.py",
            f"{service}: target_metadata of env.py {given}, while the models hold {held}: a baseline would be empty",
            "in env.py: target_metadata = Base.metadata, of the base that the models have",
            code="metadata-empty",
        )


def judge_url(
    found: Findings, written: hardcoded.Written | None, where: Path, variable: str, given: str | None, right: str | None
) -> None:
    """Whether a URL that stands in the sources is the one that `env.py` will use.

    Args:
        found: the findings go here.
        written: what the sources tell.
        where: the file in which it stands.
        variable: the service's.
        given: the URL that `env.py` gave to Alembic without a database; None: not known.
        right: what the variable holds; None: nothing.
    """
    if written is None or (given and right and _address(given) == _address(right)):
        return
    to = _address(written.url)
    found.warning(
        "url",
        f"{where}:{written.line}: a URL of its own stands there{f' ({to})' if to else ''}, and env.py does not read "
        f"{variable}: a generation would be refused there (wrong-database), since that is not the scratch database",
        f'in env.py: config.set_main_option("sqlalchemy.url", os.environ["{variable}"].replace("%", "%%"))'
        if written.file == "ini"
        else f'let it be os.environ["{variable}"], or correct url_variable: in services.yaml',
        code="url-hardcoded",
    )


def _address(url: str) -> str:
    with contextlib.suppress(faults.ProjectFault):
        return str(urls.address(url))
    return ""
