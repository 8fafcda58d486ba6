"""Preflight: the service's models are imported, and their metadata found. Nothing may be connected to meanwhile."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from .. import facts, faults
from ..projects import blame, env_run, environment, hands_off, preparation

__all__ = ["metadata_of_models"]


def metadata_of_models(service: facts.ServiceFacts, url: str | None) -> tuple[Any, ...]:
    """Imports the service's models and gives the `MetaData` objects that they fill.

    Args:
        service: says which modules, or which metadata.
        url: the service's database, the only one that code at import may connect to; None: none at all.

    Raises:
        faults.Fault: what `setup:` or the import raised, with file and line; `metadata-missing` if there is no metadata
            to be found; `wrong-database` if it connected to something; `import-migrates` if it makes tables.
    """
    with environment.working_on(service, url or env_run.NOWHERE), hands_off.kept(lambda told: _refusal(service, told)):
        preparation.set_up(service)
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


def _refusal(service: facts.ServiceFacts, statement: str) -> faults.Fault:
    return faults.JudgedFault(
        "import-migrates",
        f"{service.name}: importing its models changes the database by itself ({hands_off.shown(statement)}), which was "
        "not let through: this command only looks",
        "make the tables where the application starts, not where the module is imported; next to migrations, "
        "create_all() has no place",
    )


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
