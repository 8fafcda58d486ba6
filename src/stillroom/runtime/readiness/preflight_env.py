"""Preflight: what `env.py` came to when it was run without a database, against the models. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import facts, faults
from ..connections import urls
from ..projects import env_run, hardcoded, project, source_kinds
from .preflight_findings import Findings

__all__ = ["judge_alone", "judge_beside_models", "judge_contradiction", "judge_metadata", "judge_offline", "judge_url"]

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


def judge_offline(found: Findings, ran: env_run.Ran) -> None:
    """Where no database is at hand: a mistake that may be one of the offline mode alone."""
    if ran.metadatas is None and isinstance(ran.fault, faults.ProjectFault) and ran.fault.code in _MISTAKES:
        found.warning(
            "env.py",
            f"{ran.fault.message} (in offline mode; whether it also fails with a database is not known)",
            ran.fault.mend,
            code=ran.fault.code,
        )


def judge_metadata(found: Findings, service: facts.ServiceFacts, metadatas: Sequence[Any], where: str) -> list[str]:
    """Whether the models hold tables.

    Args:
        found: the findings go here.
        service: whose they are.
        metadatas: what the models, or `env.py`, give.
        where: which of them, for people.

    Returns:
        Full names of the tables, sorted.
    """
    names = sorted({name for metadata in metadatas for name in metadata.tables})
    if names:
        found.ok("models", f"{len(names)} table{'s' if len(names) != 1 else ''} in {where}", tables=len(names))
        return names
    if not metadatas and not service.models and not service.metadata:
        found.error(
            "models",
            f"{service.name}: target_metadata of env.py is None: what is written by hand can be applied, while revision "
            "and regenerate have no models to work from",
            "if there are models: target_metadata = Base.metadata in env.py, after importing every module with models",
            code="metadata-none",
        )
        return names
    found.error(
        "models",
        f"{service.name}: the metadata of {where} holds no table: a baseline of it would be empty",
        "import every module with models where models: points to (app/models/__init__.py, say), "
        "or correct models: in services.yaml"
        if service.models or service.metadata
        else "in env.py: target_metadata = Base.metadata, after importing every module with models "
        "(import app.models, say)",
        code="metadata-empty",
    )
    return names


def judge_contradiction(found: Findings, service: facts.ServiceFacts, table: project.VersionTable) -> None:
    """What services.yaml declares of the version table, and what env.py does, must be the same."""
    said = [
        f"{key}: {declared!r} in services.yaml is {real!r} in env.py"
        for key, declared, real in (
            ("version_table", service.version_table, table.name),
            ("version_table_schema", service.version_table_schema, table.schema),
        )
        if declared is not None and declared != real
    ]
    if said:
        found.error(
            "version table",
            f"{service.name}: {', '.join(said)}",
            "env.py is what Alembic goes by: give services.yaml the same value, or take it out there",
            code="version-table-differs",
        )


def judge_url(
    found: Findings,
    written: hardcoded.Written | None,
    where: Path,
    source: source_kinds.Source,
    given: str | None,
    right: str | None,
) -> None:
    """Whether a URL that stands in the sources is the one that `env.py` will use.

    Args:
        found: the findings go here.
        written: what the sources tell.
        where: the file in which it stands.
        source: where the service's URL is.
        given: the URL that `env.py` gave to Alembic without a database; None: not known.
        right: the service's URL; None: it is not known.
    """
    if written is None or (given and right and _key(given) == _key(right)):
        return
    to = _address(written.url)
    found.warning(
        "url",
        f"{where}:{written.line}: a URL of its own stands there{f' ({to})' if to else ''}, and env.py does not read "
        f"{source.named}: a generation would be refused there (wrong-database), since that is not the scratch database",
        f"{source.advice}; or say in services.yaml that this is its place, url: {{ini: sqlalchemy.url}}"
        if written.file == "ini"
        else f"{source.advice}; or correct in services.yaml where it reads it (url_variable:, url:)",
        code="url-hardcoded",
    )


def _address(url: str) -> str:
    with contextlib.suppress(faults.ProjectFault):
        return str(urls.address(url))
    return ""


def _key(url: str) -> str:
    with contextlib.suppress(faults.ProjectFault):
        return urls.address(url).key
    return ""
