"""A service's Alembic project: its configuration, its environment script, its version table."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import facts, faults
from ..connections import pools
from . import alembic_config, blame, locations, preparation
from .preparation import enter

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

__all__ = ["Project", "VersionTable", "as_metadatas", "enter", "metadatas", "version_table"]


@dataclasses.dataclass(frozen=True)
class VersionTable:
    """Where a service's Alembic notes what was applied. `schema` None: the connection's default schema."""

    name: str = "alembic_version"
    schema: str | None = None

    @property
    def quoted(self) -> str:
        """The table as it stands in a statement."""
        parts = [self.name] if self.schema is None else [self.schema, self.name]
        return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


class Project:
    """The Alembic project of one service, in this process."""

    def __init__(self, service: facts.ServiceFacts) -> None:
        self.service = service
        self.where = locations.of(service)

    def config(self, versions: Path | None = None) -> Config:
        """A fresh Alembic configuration, for one run of `env.py`; what `setup:` names has been called before.

        Args:
            versions: a folder that replaces the project's own version locations.
        """
        pools.watch()
        pools.let_go()
        preparation.set_up(self.service)
        return alembic_config.make(self.service, self.where, versions)

    def script(self, config: Config) -> ScriptDirectory:
        """The script directory of a configuration; its revision files are loaded late."""
        from alembic.script import ScriptDirectory

        with blame.blamed(self.service.name, "reading its Alembic configuration"):
            return ScriptDirectory.from_config(config)

    def in_env(
        self,
        config: Config,
        work: Callable[[Any, MigrationContext], Sequence[Any]],
        doing: str,
        url: str | None = None,
    ) -> None:
        """Runs the service's `env.py`, with `work` in the place of migrations.

        Args:
            config: from `config()`.
            work: `(current revisions, migration context) -> steps to run`, as Alembic's own commands have it.
            doing: for messages.
            url: the database that it is done with, for messages.

        Raises:
            faults.Fault: what the service's code raised; or `env-did-nothing` if `env.py` never ran migrations.
        """
        from alembic.runtime.environment import EnvironmentContext

        called = False

        def wrapped(revision: Any, context: MigrationContext) -> Sequence[Any]:
            nonlocal called
            called = True
            return work(revision, context)

        script = self.script(config)
        with blame.blamed(self.service.name, doing, url), EnvironmentContext(config, script, fn=wrapped):
            script.run_env()
        if not called:
            raise self.did_nothing(script)

    def did_nothing(self, script: ScriptDirectory) -> faults.ProjectFault:
        """What to say where `env.py` ended well and never ran migrations."""
        return faults.ProjectFault(
            "env-did-nothing",
            f"{self.service.name}: its env.py ended well without running any migration ({script.env_py_location})",
            "env.py must reach context.run_migrations() before it returns: no asyncio task that nobody awaits, "
            "no loop over nothing, no swallowed exception",
        )

    def import_models(self) -> None:
        """Imports the modules that the registry names as the service's models."""
        for name in self.service.models:
            with blame.blamed(self.service.name, f"importing its models ({name})"):
                importlib.import_module(name)


def metadatas(context: MigrationContext) -> list[Any]:
    """The metadata collections that `env.py` gave to Alembic: one, several, or none."""
    return list(as_metadatas(context.opts.get("target_metadata")))


def as_metadatas(target: Any) -> tuple[Any, ...]:
    """What stands for `target_metadata`, as one form: one, several, or none."""
    if target is None:
        return ()
    return tuple(target) if isinstance(target, list | tuple | set) else (target,)


def version_table(context: MigrationContext) -> VersionTable:
    """The version table that `env.py` configured."""
    return VersionTable(context.version_table, context.version_table_schema)
