"""The operation behind `revision`: one more revision, from where the history ends to what the models say.

The history is run on a scratch database, the models are compared with the outcome, and the new file is proven from there:
upgrade, nothing left to change, downgrade back to the same, upgrade again.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import facts, faults
from ..housekeeping import temporary
from ..projects import bootstrap, project
from ..reading import revision_graph, revision_target, revisions, version_width
from ..replay import history
from ..schema import catalog
from ..scratches import places
from ..standing import observe
from . import amend, beginning, draft, files, judging, proof, standing_checks

if TYPE_CHECKING:
    from ..scratches import scratch
    from ..wire import protocol, telling

__all__ = ["renames", "revision"]

_LOSING = ("drop_table", "drop_column")  # operations that take data away; an index or a constraint holds none


def revision(request: protocol.Request, tell: telling.Tell) -> dict[str, Any]:
    """Makes and proves one revision that follows the history; changes nothing but a scratch database.

    Options: `message` (str); `head`: which head it follows, where there are several (an id or branch label).

    Returns:
        `unchanged`: whether the models say nothing new; then there is no `file`. Otherwise what `generate` returns, and
        `follows` (revision id), `drops` (operations), `renames` (sentences), `difference` (lines, old to new).

    Raises:
        faults.Fault: what went wrong, by name; nothing is to be copied then.
    """
    service = facts.ServiceFacts.from_dict(request.service)
    beginning.enter(service)
    tell.step("read history")
    code = observe.code(service)
    observe.expect_heads(service, code.graph)
    follows = _follows(service, code.graph, request.options.get("head"))
    with places.on_scratch(service, tell) as place, temporary.folder() as folder:
        work = _Revision(project.Project(service), code, place, folder, follows, tell)
        return work.make(str(request.options.get("message") or "changes"))


def _follows(service: facts.ServiceFacts, graph: revision_graph.Graph, asked: str | None) -> str:
    """The head that the new revision follows.

    Raises:
        faults.ProjectFault: `no-migrations`, `several-heads`, `not-a-head`.
    """
    if not graph.revisions:
        raise faults.ProjectFault(
            "no-migrations",
            f"{service.name}: there is no history yet that a revision could follow",
            f"make the baseline: invoke regenerate --service {service.name}",
        )
    if not asked:
        if len(graph.heads) == 1:
            return graph.heads[0]
        raise faults.ProjectFault(
            "several-heads",
            f"{service.name}: the history has {len(graph.heads)} heads: {', '.join(sorted(graph.heads))}",
            "say which one the new revision follows: --head REVISION, or a branch label",
        )
    found = revision_target.resolve(graph, asked, service.name)
    if len(found) != 1 or found[0] not in graph.heads:
        raise faults.ProjectFault(
            "not-a-head",
            f"{service.name}: {asked} is not a head of the history (these are: {', '.join(sorted(graph.heads))})",
            "say which head the new revision follows: --head REVISION, or a branch label",
        )
    return found[0]


class _Revision:
    """One revision in the making."""

    def __init__(
        self,
        of: project.Project,
        code: observe.Code,
        place: scratch.Scratch,
        folder: Path,
        follows: str,
        tell: telling.Tell,
    ) -> None:
        self._of = of
        self._code = code
        self._place = place
        self._folder = folder
        self._follows = follows
        self._tell = tell

    def make(self, message: str) -> dict[str, Any]:
        """The result of the operation."""
        start = tuple(sorted(self._code.graph.effective_heads))
        table = observe.version_table(self._of.service, self._code.where)
        self._tell.step("upgrade to head")
        bootstrap.run(self._of.service, self._place.url, self._tell)
        history.make_version_schema(self._place.url, table)
        history.upgrade(self._of, self._place.url, table, expected=start)
        before = proof.take(self._place.url, table)
        self._tell.step("autogenerate")
        _link(self._code.graph.revisions, self._folder)
        with _following(self._follows):
            made = draft.autogenerate(
                self._of, self._folder, message, carried=amend.Carried(), standing=self._place.url
            )
        for warning in made.warnings:
            self._tell.warn(*warning)
        if made.empty:
            return self._unchanged(made)
        draft.tell_of_hooks(made, self._tell)
        self._judge(made)
        proven = proof.prove(
            self._of,
            self._place.url,
            made.version_table,
            self._folder,
            made.revision,
            made.prerequisites,
            self._tell,
            start=start,
            follows=self._follows,
            back=made.back,
        )
        self._judge_checks(made)
        return self._result(made, proven, catalog.compare(before, proven.outcome))

    def _judge_checks(self, made: draft.Draft) -> None:
        """After the upgrade, the tables that were there have the checks of their models."""
        for each in standing_checks.compare(self._place.url, made.tables, made.search_path):
            left = [*each.new, *(check for check, _ in each.changed)]
            if left:
                named = ", ".join(check.shown for check in left)
                raise faults.JudgedFault(
                    "diff-not-empty",
                    f"{self._of.service.name}: after the upgrade, {each.of.table.fullname} still lacks what its model "
                    f"checks: {named}",
                    "a hook in env.py takes it out of the revision: leave the check to it (include_object), or add it there",
                )

    def _judge(self, made: draft.Draft) -> None:
        name = self._of.service.name
        where, service = self._code.where, self._of.service
        room = version_width.room(self._code.graph, where.env_source(), service.version_width, [self._follows])
        judging.short_enough(service, made.revision, room)
        if made.revision in self._code.graph.by_id:
            raise faults.JudgedFault(
                "duplicate-id",
                f"{name}: the history has a revision {made.revision} already",
                "give the hook in env.py that chooses ids another rule, or say another --message",
            )

    def _unchanged(self, made: draft.Draft) -> dict[str, Any]:
        return {
            "unchanged": True,
            "revision": self._follows,
            "file": None,
            "tables": len(made.metadata_tables),
            "operations": 0,
            "follows": self._follows,
            "drops": [],
            "renames": [],
            "difference": [],
            "scratch": {"name": self._place.name, "strategy": self._place.strategy},
        }

    def _result(self, made: draft.Draft, proven: proof.Proof, changed: catalog.Difference) -> dict[str, Any]:
        for each in made.drops:
            if each.startswith(_LOSING):
                self._tell.warn(f"the revision has {each}", "what that holds is lost when it is applied")
        renamed = renames(changed)
        for each in renamed:
            self._tell.warn(each, "if it is a rename, write op.alter_column or op.rename_table instead: data stay")
        return {
            "unchanged": False,
            "revision": made.revision,
            "file": files.entry(made.name, made.source.encode()),
            "tables": len(made.metadata_tables),
            "operations": revisions.parse(made.source, made.name).upgrade_ops,
            "mended": made.mended,
            "prerequisites": {
                "schemas": list(made.prerequisites.schemas),
                "extensions": list(made.prerequisites.extensions),
            },
            "proof": proven.seconds,
            "loss": None,
            "replaced": [],
            "history": files.digests(self._code.files()),
            "follows": self._follows,
            **self._code.where.to_dict(),
            "drops": made.drops,
            "renames": renamed,
            "difference": changed.lines(),
            "scratch": {"name": self._place.name, "strategy": self._place.strategy},
        }


def _link(history_files: Sequence[revisions.Revision], folder: Path) -> None:
    """Lays the history into a folder of ours. By links: Alembic follows them, so a file finds what lies beside it."""
    for number, each in enumerate(history_files):
        name = Path(each.path).name
        link = folder / name
        (link if not link.is_symlink() else folder / f"{number}_{name}").symlink_to(each.path)


@contextlib.contextmanager
def _following(head: str) -> Iterator[None]:
    """While active, Alembic bases a new revision on this head, also where there are several."""
    from alembic.script import ScriptDirectory

    original = ScriptDirectory.generate_revision

    def generate_revision(self: ScriptDirectory, revid: str, message: str | None, **arguments: Any) -> Any:
        return original(self, revid, message, **{**arguments, "head": head})

    ScriptDirectory.generate_revision = generate_revision  # type: ignore[method-assign,assignment]  # passes on what it does not name
    try:
        yield
    finally:
        ScriptDirectory.generate_revision = original  # type: ignore[method-assign]  # as it was


def renames(changed: catalog.Difference) -> list[str]:
    """Drops that come with an addition of the same kind and definition: to autogenerate, what a rename looks like. Pure."""
    found = []
    for gone in changed.missing:
        for new in changed.added:
            if (
                gone.kind == new.kind == "column"
                and gone.relation == new.relation
                and gone.definition == new.definition
            ):
                found.append(f"column {gone.name} is dropped and {new.name} added, both {gone.definition}")
    gone_tables = _columns(changed.missing)
    new_tables = _columns(changed.added)
    for old, columns in sorted(gone_tables.items()):
        for name, others in sorted(new_tables.items()):
            if columns == others:
                found.append(f"table {old} is dropped and {name} added, with the same columns")
    return found


def _columns(items: Sequence[catalog.Item]) -> dict[str, list[tuple[str, str]]]:
    """The columns of each table among these items; sequences' names in defaults are left out, since tables name them."""
    tables: dict[str, list[tuple[str, str]]] = {item.name: [] for item in items if item.kind == "table"}
    for item in items:
        if item.kind == "column" and item.relation in tables:
            definition = re.sub(r"nextval\('[^']*'", "nextval(", item.definition)
            tables[item.relation].append((item.name.removeprefix(item.relation), definition))
    return tables
