"""Alembic's `Config` for a service, in which the same things hold that we have read ourselves: one truth for both."""

from __future__ import annotations

import argparse
import inspect
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import facts, faults
from . import locations, source_kinds, sources

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["make", "refuse_old"]

_KEPT: dict[str, Config] = {}


def make(service: facts.ServiceFacts, where: locations.Locations, versions: Path | None = None) -> Config:
    """A fresh configuration, in the one object that this process has for the service.

    A module that `env.py` imports runs once, and may keep `context.config` for good; by the alembic command, which is a
    process each time, that is always the configuration in use.

    Args:
        service: whose.
        where: its locations. What they resolved (a `package:folder`, a relative path) is told to Alembic resolved.
        versions: a folder that replaces the project's own version locations.

    Raises:
        faults.ProjectFault: `alembic-old`, if it is in a pyproject.toml that this Alembic does not read.
    """
    from alembic.config import Config

    refuse_old(service, where)
    files: dict[str, Any] = {}
    if where.toml is not None and _reads_toml():
        files["toml_file"] = str(where.toml)
    config = Config(
        str(where.ini) if where.ini is not None else None,
        ini_section=service.ini_section,
        stdout=io.StringIO(),
        **files,
    )
    _set(config, "script_location", str(where.script_location))
    if versions is not None:
        _set_folders(config, "version_locations", [versions])
    elif where.version_locations != (where.script_location / "versions",):
        _set_folders(config, "version_locations", where.version_locations)
    if service.recursive_version_locations is not None:
        _set(config, "recursive_version_locations", "true" if where.recursive else "false")
    if service.prepend_sys_path is not None:
        _set_folders(config, "prepend_sys_path", where.prepend_sys_path)
    _give_url(config, sources.given(service))
    kept = _KEPT.setdefault(service.name, config)
    if kept is not config:
        vars(kept).clear()
        vars(kept).update(vars(config))
    return kept


def refuse_old(service: facts.ServiceFacts, where: locations.Locations) -> None:
    """Sees whether this Alembic can read the service's configuration at all.

    Raises:
        faults.ProjectFault: `alembic-old`, if it is in a pyproject.toml alone, and this Alembic does not read that.
    """
    if where.toml is not None and where.ini is None and not _reads_toml():
        raise _old(service, where.toml)


def _reads_toml() -> bool:
    from alembic.config import Config

    return "toml_file" in inspect.signature(Config).parameters


def _give_url(config: Config, given: source_kinds.Given) -> None:
    """What `env.py` learns its URL from, beside variables; and arguments as the alembic command has them."""
    for name, value in given.options.items():
        _set(config, name, value)
    config.cmd_opts = argparse.Namespace(x=list(given.arguments) or None, config=config.config_file_name)


def _set_folders(config: Config, name: str, folders: Sequence[str | Path]) -> None:
    """Several folders as one option. What stands for the separator in the file holds no more."""
    for separator in ("path_separator", "version_path_separator"):
        _set(config, separator, "os")
    _set(config, name, os.pathsep.join(map(str, folders)))


def _set(config: Config, name: str, value: str) -> None:
    config.set_main_option(name, value.replace("%", "%%"))


def _old(service: facts.ServiceFacts, toml: Path) -> faults.ProjectFault:
    import alembic

    return faults.ProjectFault(
        "alembic-old",
        f"{service.name}: {toml} configures Alembic in [tool.alembic], which Alembic {alembic.__version__} does not read",
        "install Alembic 1.16 or newer for the service's interpreter (pip install 'alembic>=1.16'), or give it an "
        "alembic.ini",
    )
