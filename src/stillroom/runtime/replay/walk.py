"""Upgrades a database revision by revision through the service's `env.py`, and keeps what happened on the way.

Alembic's own `upgrade` tells afterwards only that it ended. Here each revision is seen as it begins: which one failed,
which statements it had run, whether they stay (`autocommit_block`), and what was raised although `env.py` swallowed it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..projects import blame, environment, project
from . import literals

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext

    from ..wire import telling

__all__ = ["OURS", "Companion", "Ran", "Statement", "Walk", "upgrade"]

OURS = "stillroom"
"""The execution option by which our own connections, in other threads, are told from the service's."""

OUTSIDE = "-- outside a transaction, each statement for itself:"
INSIDE = "-- in a transaction again:"


@dataclasses.dataclass(frozen=True)
class Statement:
    """What was sent to the database; `outside` any transaction, so that it stays whatever happens later."""

    text: str
    outside: bool = False


@dataclasses.dataclass
class Ran:
    """What one revision did.

    Attributes:
        revision: its id.
        statements: what it sent to the database, in order. Alembic's own bookkeeping, and questions to the server's
            catalogs, are left out.
        noted: how Alembic noted it in the version table, where statements are kept.
        returned: whether its `upgrade()` returned.
        done: whether it was noted in the version table, too.
    """

    revision: str
    statements: list[Statement] = dataclasses.field(default_factory=list)
    noted: list[str] = dataclasses.field(default_factory=list)
    returned: bool = False
    done: bool = False

    @property
    def lines(self) -> list[str]:
        """The statements, with comments where it leaves its transaction and comes back."""
        lines: list[str] = []
        outside = False
        for each in self.statements:
            if each.outside != outside:
                outside = each.outside
                lines.append(OUTSIDE if outside else INSIDE)
            lines.append(each.text)
        return lines

    @property
    def committed(self) -> list[str]:
        """Of a revision that failed: the statements that stay, since it left its transaction after them, or for them."""
        tried = self.statements if self.returned else self.statements[:-1]
        if not self.returned and self.statements and self.statements[-1].outside:
            return [each.text for each in tried]
        left = [at for at, each in enumerate(tried) if each.outside]
        return [each.text for each in tried[: left[-1] + 1]] if left else []


class Companion(Protocol):
    """Who goes along with an upgrade of a service's own database. What it raises ends the upgrade there."""

    def begins(self, context: MigrationContext, step: Any) -> None:
        """A revision is about to run, in its transaction."""

    def returned(self, revision: str) -> None:
        """Its `upgrade()` returned; it is not noted yet."""

    def done(self, ran: Ran, committed: bool) -> None:
        """It was noted; and committed, unless `env.py` holds the transaction."""


@dataclasses.dataclass
class Walk:
    """What an upgrade did.

    Attributes:
        companion: goes along. With one, each revision has a transaction of its own, whatever `env.py` says; where `env.py`
            holds the transaction itself, the walk ends after one revision, so that whoever wants more goes again.
        held: whether `env.py` holds the transaction.
        keep: whether to keep the statements of revisions that are done, with their parameters written out.
        revisions: those that began, in order.
        errors: what statements raised in the database, in order, whether or not anybody let it through.
        concurrent: the statements that do something CONCURRENTLY: if such a one fails, it leaves something behind.
    """

    companion: Companion | None = None
    held: bool = False
    keep: bool = False
    revisions: list[Ran] = dataclasses.field(default_factory=list)
    errors: list[BaseException] = dataclasses.field(default_factory=list)
    concurrent: list[str] = dataclasses.field(default_factory=list)

    @property
    def current(self) -> Ran | None:
        """The revision that began and was not noted; None between revisions."""
        return self.revisions[-1] if self.revisions and not self.revisions[-1].done else None


def upgrade(
    of: project.Project,
    to: str,
    walk: Walk,
    tell: telling.Tell | None = None,
    *,
    folder: Path | None = None,
    back: bool = False,
) -> None:
    """Upgrades the database that `env.py` connects to.

    Args:
        of: the service's project.
        to: a revision id, or `heads`.
        walk: filled as it goes, so that it is there when something is raised.
        tell: for progress: a step a revision.
        folder: version files that replace the project's own.
        back: whether `to` lies behind: a downgrade.

    Raises:
        faults.Fault: what a revision or `env.py` raised; `env-did-nothing` if `env.py` never ran migrations.
    """
    from alembic.runtime.environment import EnvironmentContext

    config = of.config(folder)
    script = of.script(config)
    called, doing = False, "downgrade" if back else "upgrade"

    def steps(applied: Any, context: MigrationContext) -> Iterator[Any]:
        nonlocal called
        called = True
        walk.held = bool(context._in_external_transaction)
        for step in script._downgrade_revs(to, applied) if back else script._upgrade_revs(to, applied):
            if tell is not None:
                tell.step(f"{doing} {step.revision.revision}")
            ran = Ran(str(step.revision.revision))
            step.migration_fn = _watched(step, ran, walk, context)
            yield step
            ran.done = True
            if walk.companion is not None:
                walk.companion.done(ran, not walk.held)
            if not walk.keep:
                ran.statements.clear()
            if walk.held and walk.companion is not None:
                return

    # Generators count as called when they are first asked, so an `env.py` that never asks is noticed.
    with _listening(walk):
        try:
            entered = EnvironmentContext(config, script, fn=steps, destination_rev=to)
            if walk.companion is not None:
                _a_transaction_each(entered)
            with entered:
                script.run_env()
        except (Exception, SystemExit):
            with blame.blamed(of.service.name, _doing(walk, to), environment.service_url(of.service)):
                raise
    if not called:
        raise of.did_nothing(script)


def _doing(walk: Walk, to: str) -> str:
    return f"revision {walk.current.revision}" if walk.current is not None else f"upgrade to {to}"


def _a_transaction_each(entered: EnvironmentContext) -> None:
    """Whatever `env.py` configures; Alembic's module `context` takes its functions from the object when that is entered."""
    configure = entered.configure

    def configured(*arguments: Any, **options: Any) -> None:
        configure(*arguments, **{**options, "transaction_per_migration": True})

    vars(entered).update(configure=configured)


def _watched(step: Any, ran: Ran, walk: Walk, context: MigrationContext) -> Callable[..., Any]:
    run = step.migration_fn

    def migration_fn(**arguments: Any) -> None:
        if walk.companion is not None:
            walk.companion.begins(context, step)
        walk.revisions.append(ran)
        run(**arguments)
        ran.returned = True
        if walk.companion is not None:
            walk.companion.returned(ran.revision)

    return migration_fn


@contextlib.contextmanager
def _listening(walk: Walk) -> Iterator[None]:
    """Notes what any engine of this process executes while a revision runs."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def executing(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        ran = walk.current
        if conn.get_execution_options().get(OURS):
            return
        if "CONCURRENTLY" in statement.upper():
            walk.concurrent.append(statement.strip())
        if ran is None or (ran.returned and not walk.keep):
            return
        texts = literals.written(statement, parameters, context, executemany) if walk.keep else [statement.strip()]
        if ran.returned:
            ran.noted += texts
        else:
            ran.statements += [Statement(each, _commits_at_once(conn)) for each in texts]

    def failed(context: Any) -> None:
        ours = context.connection is not None and context.connection.get_execution_options().get(OURS)
        if context.original_exception is not None and not ours:
            walk.errors.append(context.original_exception)

    event.listen(Engine, "before_cursor_execute", executing)
    event.listen(Engine, "handle_error", failed)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", executing)
        event.remove(Engine, "handle_error", failed)


def _commits_at_once(conn: Any) -> bool:
    """Whether a connection is in autocommit mode, by `autocommit_block` or because its engine is."""
    asked = getattr(conn, "_is_autocommit_isolation", None)  # knows of the engine's own setting, too
    if asked is not None:
        return bool(asked())
    return str(conn.get_execution_options().get("isolation_level", "")).upper() == "AUTOCOMMIT"
