"""Preflight: the service's models are imported, and their metadata found. Nothing may be connected to meanwhile."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import blame, environment, facts, faults, guard, project

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

__all__ = ["NOWHERE", "Offline", "metadata_of_models", "offline"]

NOWHERE = "postgresql+asyncpg://nobody@stillroom.invalid:1/nothing"
"""A database that is not there: what code gets that has no database to connect to, and must not connect to any."""


@dataclasses.dataclass(frozen=True)
class Offline:
    """What `env.py` configured in offline mode."""

    metadatas: tuple[Any, ...]
    version_table: project.VersionTable


def metadata_of_models(service: facts.ServiceFacts, url: str | None) -> tuple[Any, ...]:
    """Imports the service's models and gives the `MetaData` objects that they fill.

    Args:
        service: says which modules, or which metadata.
        url: the service's database, the only one that code at import may connect to; None: none at all.

    Raises:
        faults.Fault: what the import raised, with file and line; `metadata-missing` if there is no metadata to be
            found; `wrong-database` if it connected to something.
    """
    with guard.only(url or NOWHERE, variable=service.url_variable):
        modules = [_import(service, name) for name in service.models]
        if service.metadata is not None:
            return (_declared(service, service.metadata),)
    found = {id(each): each for module in modules for each in _metadatas_around(module)}
    if not found:
        raise faults.ProjectFault(
            "metadata-missing",
            f"{service.name}: {', '.join(service.models)} can be imported, but holds neither models nor MetaData",
            "name it in services.yaml, metadata: module:attribute (app.database:Base.metadata, say), "
            "or correct models:",
        )
    return tuple(found.values())


def offline(of: project.Project, url: str | None) -> Offline:
    """Runs `env.py` in Alembic's offline mode, in which it has no database, for what it configures.

    Raises:
        faults.Fault: what `env.py` raised; `wrong-database` if it connects even so.
    """
    from alembic.runtime.environment import EnvironmentContext

    seen: list[MigrationContext] = []

    def look(revision: Any, context: MigrationContext) -> Sequence[Any]:
        seen.append(context)
        return []

    config = of.config()
    script = of.script(config)
    quiet = {"as_sql": True, "starting_rev": None, "destination_rev": None, "output_buffer": io.StringIO()}
    with (
        environment.pointed_at(of.service, url or NOWHERE),
        guard.only(NOWHERE, variable=of.service.url_variable),
        blame.blamed(of.service.name, "running env.py in offline mode"),
        EnvironmentContext(config, script, fn=look, **quiet),
    ):
        script.run_env()
    if not seen:
        raise faults.ProjectFault(
            "env-did-nothing",
            f"{of.service.name}: env.py ended in offline mode without running any migration",
            "env.py must reach context.run_migrations() in offline mode, too",
        )
    return Offline(tuple(project.metadatas(seen[-1])), project.version_table(seen[-1]))


def _import(service: facts.ServiceFacts, name: str) -> ModuleType:
    with blame.blamed(service.name, f"importing its models ({name})"):
        return importlib.import_module(name)


def _declared(service: facts.ServiceFacts, reference: str) -> Any:
    """The metadata that `metadata: module:attribute` names; a class that has one (`Base`) is as good."""
    name, _, attributes = reference.partition(":")
    value: Any = _import(service, name)
    for attribute in filter(None, attributes.split(".")):
        if not hasattr(value, attribute):
            raise faults.ProjectFault(
                "metadata-missing",
                f"{service.name}: services.yaml says metadata: {reference}, but there is no {attribute} in "
                f"{getattr(value, '__name__', name)}",
                "correct metadata: in services.yaml (module:attribute, app.database:Base.metadata, say)",
            )
        value = getattr(value, attribute)
    found = next(_metadata_of(value), None)
    if found is None:
        raise faults.ProjectFault(
            "metadata-missing",
            f"{service.name}: services.yaml says metadata: {reference}, which is a {type(value).__name__} and no MetaData",
            "correct metadata: in services.yaml (module:attribute, app.database:Base.metadata, say)",
        )
    return found


def _metadatas_around(module: ModuleType) -> Iterator[Any]:
    """Metadata that the module, or a module below it, holds by itself or through its models."""
    prefix = f"{module.__name__}."
    for name, each in list(sys.modules.items()):
        if each is module or name.startswith(prefix):
            for value in list(getattr(each, "__dict__", {}).values()):
                yield from _metadata_of(value)


def _metadata_of(value: Any) -> Iterator[Any]:
    """The metadata that a value is, or belongs to: `MetaData`, a declarative base or model, a table."""
    from sqlalchemy import MetaData, Table

    if isinstance(value, MetaData):
        yield value
    elif isinstance(value, type | Table):
        # A class may answer any attribute, or fail to (lazy loaders do).
        with contextlib.suppress(Exception):
            metadata = getattr(value, "metadata", None)
            if isinstance(metadata, MetaData):
                yield metadata
