"""Moves a database along a history: upgrade, downgrade, and the difference to the models, by the service's `env.py`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import faults
from ..connections import connection, sqltext
from ..projects import project
from ..schema import enums
from ..standing import versions
from . import known_drops, walk

if TYPE_CHECKING:
    from alembic.runtime import migration

__all__ = ["compare_and_downgrade", "differences", "make_version_schema", "upgrade"]


def make_version_schema(url: str, table: project.VersionTable) -> None:
    """Makes the schema of the version table, which has to exist before the first revision can be noted."""
    if table.schema is None:
        return
    statement = sqltext.create_schema(table.schema)
    connection.run(url, lambda conn: conn.exec_driver_sql(statement) and None)


def upgrade(
    of: project.Project,
    url: str,
    table: project.VersionTable,
    *,
    folder: Path | None = None,
    to: str = "heads",
    expected: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """Upgrades the database that `env.py` connects to, then asks the database itself where it is.

    Args:
        of: the service's project.
        url: the same database, for our own connection.
        table: where the revisions are noted.
        folder: version files that replace the project's own.
        to: a revision, or `heads`.
        expected: the revisions that the database has to be at afterwards.

    Returns:
        The revisions that the database is at.

    Raises:
        faults.Fault: what a revision raised; or `nothing-applied` where the run ended well and the database says no.
    """
    walk.upgrade(of, to, walk.Walk(), folder=folder)
    return _check(of, url, table, expected, f"upgrade to {to}")


def _check(
    of: project.Project, url: str, table: project.VersionTable, expected: Sequence[str] | None, doing: str
) -> tuple[str, ...]:
    now = connection.run(url, lambda conn: versions.applied(conn, table)) or ()
    if expected is not None and set(now) != set(expected):
        raise faults.ProjectFault(
            "nothing-applied",
            f"{of.service.name}: {doing} ended without an error, but the database is at "
            f"{', '.join(now) or 'no revision'} instead of {', '.join(expected) or 'base'}",
            "env.py must let exceptions through and commit: look for a swallowed exception, a query before "
            "context.configure(), or a version_table that differs from the one in the registry",
        )
    return now


def compare_and_downgrade(
    of: project.Project,
    url: str,
    table: project.VersionTable,
    *,
    folder: Path | None = None,
    to: str = "base",
    expected: Sequence[str] = (),
    known: Collection[str] = frozenset(),
    compared: Callable[[migration.MigrationContext], None] = lambda _: None,
) -> list[str]:
    """What autogenerate would still change; where that is nothing, downgrades, in the same run of `env.py`.

    Both begin with what costs most of either: `env.py` and a connection of its own.

    Args:
        of: the service's project.
        url: the database that `env.py` connects to, for our own connection.
        table: where the revisions are noted.
        folder: version files that replace the project's own.
        to: where the downgrade leads.
        expected: the revisions that the database has to be at after it.
        known: names (`kind:name`) of what no model shows and the history makes nevertheless.
        compared: called with the context when there is no difference, before the downgrade begins.

    Returns:
        The differences, rendered line by line. If there are any, nothing was downgraded.

    Raises:
        faults.Fault: what `env.py` or a revision raised; or `nothing-applied`.
    """
    config = of.config(folder)
    found: list[str] = []

    def compare_first(revision: Any, context: migration.MigrationContext) -> Sequence[Any]:
        found.extend(_difference(context, known))
        if found:
            return []
        compared(context)
        script: Any = context.script
        steps: Sequence[Any] = script._downgrade_revs(to, revision)
        return steps

    of.in_env(config, compare_first, f"comparing its models with the database, and downgrade to {to}", url)
    if not found:
        _check(of, url, table, expected, f"downgrade to {to}")
    return found


def differences(
    of: project.Project,
    url: str,
    *,
    folder: Path | None = None,
    known: Collection[str] = frozenset(),
    compared: Callable[[migration.MigrationContext], None] = lambda _: None,
) -> list[str]:
    """What autogenerate would still change in the database that `env.py` connects to, line by line; nothing is changed.

    Args:
        of, url, folder, known: as in `compare_and_downgrade`.
        compared: called with the context when there is no difference.

    Raises:
        faults.Fault: what `env.py` raised; `env-did-nothing`.
    """
    found: list[str] = []

    def compare(_: Any, context: migration.MigrationContext) -> Sequence[Any]:
        found.extend(_difference(context, known))
        if not found:
            compared(context)
        return []

    of.in_env(of.config(folder), compare, "comparing its models with the database", url)
    return found


def _difference(context: migration.MigrationContext, known: Collection[str]) -> list[str]:
    from alembic import autogenerate
    from alembic.runtime.migration import MigrationContext

    metadatas = project.metadatas(context)
    script = autogenerate.produce_migrations(context, context.opts["target_metadata"])
    known_drops.leave_out(script.upgrade_ops, known)
    found: list[str] = []
    if script.upgrade_ops is not None and not script.upgrade_ops.is_empty():
        plain = MigrationContext.configure(dialect=context.dialect)
        text = autogenerate.render_python_code(script.upgrade_ops, migration_context=plain)
        found += [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    changed = enums.changes(context, metadatas)
    return [*found, *changed.before, *changed.after]
