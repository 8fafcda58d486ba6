"""Autogenerates one revision file on an empty or upgraded scratch database, deterministically.

Alembic's own `revision --autogenerate` does the work, with the service's `env.py` and template. What makes its output
differ from run to run (a random id, the date) is replaced: the id is derived from the content.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import faults
from ..projects import blame, project
from ..reading import revisions
from ..replay import known_drops
from ..wire import telling
from . import amend, rewrite, rows_there, standing_checks, written_checks

if TYPE_CHECKING:
    from alembic.operations.ops import MigrationScript
    from alembic.runtime.migration import MigrationContext

__all__ = ["Draft", "autogenerate", "tell_of_hooks"]

# Stands in for the revision id until the content is known; as long as an id, so that formatting stays as it is.
PLACEHOLDER = "0st1llr00m00"
_EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
_CREATE_DATE = re.compile(r"^Create Date:.*\n", re.MULTILINE)
_DATE_TOKENS = ("%(year)", "%(month)", "%(day)", "%(hour)", "%(minute)", "%(second)", "%(epoch)")


class Draft:
    """What autogenerate made, and what it saw while it did.

    Attributes:
        revision: the content-derived id.
        name: file name.
        source: file content.
        metadata_tables: full names of the tables that the service's metadata holds.
        prerequisites: schemas and extensions that the file makes if they are not there.
        mended: sentences on what was mended in Alembic's output.
        version_table: where `env.py` keeps its revisions.
        operations: how many operations its upgrade has.
        drops: what its upgrade drops, in words.
        empty: whether there was nothing to generate.
        back: whether it has a `downgrade`: the project's template may write none.
        unformatted: why hooks of the ini file (`[post_write_hooks]`) could not run, a sentence each.
        tables: those of the models that were there already, with their checks.
        search_path: of `env.py`.
        warnings: pairs of a sentence and what to do.
    """

    def __init__(self) -> None:
        self.revision = ""
        self.name = ""
        self.source = ""
        self.metadata_tables: list[str] = []
        self.prerequisites = amend.Prerequisites()
        self.mended: list[str] = []
        self.operations = 0
        self.drops: list[str] = []
        self.version_table = project.VersionTable()
        self.empty = False
        self.back = True
        self.unformatted: list[str] = []
        self.tables: list[standing_checks.Table] = []
        self.search_path = ""
        self.warnings: list[tuple[str, str]] = []


def autogenerate(
    of: project.Project,
    versions: Path,
    message: str,
    *,
    carried: amend.Carried,
    strangers: Collection[str] = (),
    standing: str | None = None,
) -> Draft:
    """Runs autogenerate against the database that `env.py` connects to, writing into `versions`.

    Args:
        of: the service's project.
        versions: a folder of ours; its files are the history that the new revision follows.
        message: of the revision.
        carried: statements to put into the file as they are.
        strangers: what is in the database and belongs to others (`kind:name`).
        standing: the URL of that database, where tables of the models are there already, whose checks are compared.

    Raises:
        faults.Fault: if the service's code fails, its metadata is empty, or Alembic refuses.
    """
    from alembic import command

    draft = Draft()

    reached = False

    def directives(context: MigrationContext, revision: Any, scripts: list[MigrationScript]) -> None:
        nonlocal reached
        reached = True
        _look(of, context, draft)
        own = {_key(name) for name in draft.metadata_tables}
        for operations in (scripts[0].upgrade_ops, scripts[0].downgrade_ops):
            known_drops.leave_out(operations, [each for each in strangers if known_drops.key(each) not in own])
        amended = amend.amend(context, scripts[0], of.service, carried)
        draft.prerequisites, draft.mended = amended.prerequisites, list(amended.mended)
        if standing is not None:
            _hold_checks(context, scripts[0], standing, draft)
        draft.empty = scripts[0].upgrade_ops.is_empty() if scripts[0].upgrade_ops is not None else True

    config = of.config(versions)
    vars(config.cmd_opts)["autogenerate"] = True  # hooks of env.py ask for it: `if config.cmd_opts.autogenerate`
    before = set(versions.rglob("*.py"))
    with _frozen_date(), _hooks_may_fail(draft), blame.blamed(of.service.name, "autogenerate"):
        command.revision(
            config,
            message=message,
            autogenerate=True,
            rev_id=PLACEHOLDER,
            branch_label=list(carried.labels) or None,  # one, as Alembic declares it, or several
            process_revision_directives=directives,
        )
    if not reached:
        raise of.did_nothing(of.script(config))
    made = set(versions.rglob("*.py")) - before
    if not made:
        draft.empty = True
        return draft
    _finish(made.pop(), versions, of, draft, message)
    return draft


def tell_of_hooks(made: Draft, tell: telling.Tell) -> None:
    """Warns where the file is not as the project's own hooks would leave it."""
    for each in made.unformatted:
        tell.warn(each, "the revision does not need it; run what it names on the new file where that is installed")


def _hold_checks(context: MigrationContext, script: MigrationScript, url: str, draft: Draft) -> None:
    """Compares the checks of tables that are there, and writes what differs."""
    if script.upgrade_ops is None or script.downgrade_ops is None or context.connection is None:
        return
    draft.search_path = str(context.connection.exec_driver_sql("SHOW search_path").scalar())
    draft.tables = standing_checks.wanted(context, script.upgrade_ops.ops)
    differences = standing_checks.compare(url, draft.tables, draft.search_path)
    done = written_checks.write(context, differences, script.upgrade_ops.ops, script.downgrade_ops.ops)
    draft.mended += done.mended
    draft.warnings = [*done.warnings, *rows_there.warnings(script.upgrade_ops.ops)]


def _look(of: project.Project, context: MigrationContext, draft: Draft) -> None:
    draft.version_table = project.version_table(context)
    draft.metadata_tables = sorted({name for each in project.metadatas(context) for name in each.tables})
    if not draft.metadata_tables:
        raise faults.JudgedFault(
            "metadata-empty",
            f"{of.service.name}: the metadata that env.py gives to Alembic holds no table",
            "import the modules with the models in env.py before target_metadata is read",
        )


def _key(name: str) -> known_drops.Key:
    """A table of the metadata, as `known_drops` knows it."""
    schema, _, table = name.rpartition(".")
    return ("table", schema or "public", table)


@contextlib.contextmanager
def _frozen_date() -> Iterator[None]:
    """Alembic stamps the current date into files; ours say the same each time."""
    from alembic.script import ScriptDirectory

    original = ScriptDirectory._generate_create_date
    ScriptDirectory._generate_create_date = lambda self: _EPOCH  # type: ignore[method-assign]  # for this block only
    try:
        yield
    finally:
        ScriptDirectory._generate_create_date = original  # type: ignore[method-assign]  # as it was


@contextlib.contextmanager
def _hooks_may_fail(draft: Draft) -> Iterator[None]:
    """Hooks that format new files are tools of whoever develops: where they are not installed, the file is as good."""
    from alembic.script import write_hooks
    from alembic.util import CommandError

    original = write_hooks._run_hooks

    def run(*told: Any) -> None:
        try:
            original(*told)
        except (CommandError, OSError) as error:
            draft.unformatted.append(f"a hook in [post_write_hooks] can't be run here: {str(error).splitlines()[0]}")

    write_hooks._run_hooks = run  # type: ignore[assignment]  # takes whatever a version of Alembic gives it
    try:
        yield
    finally:
        write_hooks._run_hooks = original


def _finish(path: Path, versions: Path, of: project.Project, draft: Draft, message: str) -> None:
    """Mends the file's text, gives it its id and its name."""
    source = _CREATE_DATE.sub("", path.read_text(encoding="utf-8"))
    source, added = rewrite.add_missing_imports(source)
    draft.mended.extend(f"added the missing import of {name}" for name in added)
    parsed = revisions.parse(source, path.name)
    draft.operations = parsed.upgrade_ops
    draft.back = parsed.outline.downgrade_state != "missing"
    draft.drops = [str(each) for each in parsed.body.upgrade if each.name.startswith("drop_")]
    given = parsed.id
    if given == PLACEHOLDER:
        draft.revision = hashlib.sha256(source.encode()).hexdigest()[:12]
        draft.source = source.replace(PLACEHOLDER, draft.revision)
        draft.name = _name(of, draft.revision, message)
    else:
        # A hook of env.py numbers the revisions its own way.
        draft.revision, draft.source, draft.name = given, source, _renamed(of, given, message, path, versions)
    path.unlink()
    (versions / draft.name).parent.mkdir(parents=True, exist_ok=True)
    (versions / draft.name).write_text(draft.source, encoding="utf-8")


def _name(of: project.Project, revision: str, message: str) -> str:
    """The file's place in its version location, by the project's `file_template` and today's date.

    By Alembic's default where the template makes folders in which Alembic would not look.
    """
    script = of.script(of.config())
    when = script._generate_create_date()
    slug = "_".join(re.findall(r"\w+", message)).lower()
    length = script.truncate_slug_length
    if len(slug) > length:
        slug = slug[:length].rsplit("_", 1)[0] + "_"
    template = script.file_template
    if "/" in template and not of.where.recursive:
        template = "%(rev)s_%(slug)s"
    parts = ("year", "month", "day", "hour", "minute", "second")
    date = {"epoch": int(when.timestamp()), **{each: getattr(when, each) for each in parts}}
    return str(template % {"rev": revision, "slug": slug, **date}) + ".py"


def _renamed(of: project.Project, revision: str, message: str, path: Path, versions: Path) -> str:
    """The place of a file that a hook has given its id: named by that, unless the template has a date in it."""
    dated = any(token in of.where.file_template for token in _DATE_TOKENS)
    return _name(of, revision, message) if dated else path.relative_to(versions).as_posix()
