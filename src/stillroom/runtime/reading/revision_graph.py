"""How the revisions of one history hang together, and what is wrong with that. Pure: no files, no database.

It answers as Alembic does where Alembic answers, and says by name what Alembic reports as a bare `KeyError`, only warns
about (one id in two files), or does not see (a circle that hangs between a base and a head).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property

from . import revision_problem, revision_problems
from .revision_file import Revision
from .revision_problem import Problem

__all__ = ["Graph"]

_ID_LIMIT = 32  # alembic_version.version_num is VARCHAR(32)

# A file that could not be read may hold any revision: what depends on knowing them all is not judged then.
_HIDES_REVISIONS = frozenset(
    {"does-not-parse", "unreadable", "revision-not-literal", "revision-not-text", "not-a-revision"}
)
_UNSETTLES_HEADS = _HIDES_REVISIONS | {"missing-parent", "cycle"}


class Graph:
    """The revisions of one history.

    Args:
        revisions: in the order in which Alembic would load them.
        faults: what was found wrong while reading the files.
    """

    def __init__(self, revisions: Iterable[Revision], faults: Iterable[Problem] = ()) -> None:
        self.revisions: tuple[Revision, ...] = tuple(revisions)
        self.faults: tuple[Problem, ...] = tuple(faults)

    @cached_property
    def by_id(self) -> Mapping[str, Revision]:
        """Id to revision; of files that share an id, the last (as Alembic has it)."""
        return {each.id: each for each in self.revisions}

    @cached_property
    def by_label(self) -> Mapping[str, Revision]:
        """Branch label to the revision that declares it."""
        return {label: each for each in self.revisions for label in each.branch_labels}

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """Ids that no `down_revision` names: what `alembic heads` prints."""
        parents = {parent for each in self.revisions for parent in each.down}
        return tuple(id_ for id_ in self.by_id if id_ not in parents)

    @cached_property
    def effective_heads(self) -> tuple[str, ...]:
        """Heads that no `depends_on` names either: the rows of the version table after `upgrade heads`."""
        needed = {parent for each in self.revisions for parent in self.parents(each)}
        return tuple(id_ for id_ in self.heads if id_ not in needed)

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """Ids of revisions without a parent."""
        return tuple(id_ for id_, each in self.by_id.items() if not each.down)

    def parents(self, revision: Revision) -> tuple[str, ...]:
        """The ids that must be applied before: `down_revision`, then `depends_on` with labels resolved."""
        needed = (self.by_label[each].id if each in self.by_label else each for each in revision.depends_on)
        return tuple(dict.fromkeys((*revision.down, *needed)))

    def ancestors(self, ids: Collection[str]) -> frozenset[str]:
        """`ids` and everything that must be applied before them, as far as the files are here."""
        found: set[str] = set()
        waiting = [each for each in ids if each in self.by_id]
        while waiting:
            each = waiting.pop()
            if each not in found:
                found.add(each)
                waiting += [parent for parent in self.parents(self.by_id[each]) if parent in self.by_id]
        return frozenset(found)

    def line(self, revision: str) -> frozenset[str]:
        """`revision` and what it follows by `down_revision` alone: the branch that a label names, down to its base."""
        found: set[str] = set()
        waiting = [revision]
        while waiting:
            each = waiting.pop()
            if each in self.by_id and each not in found:
                found.add(each)
                waiting += self.by_id[each].down
        return frozenset(found)

    def ordered(self) -> tuple[Revision, ...]:
        """Parents before children, otherwise in file order; revisions in a circle are left out."""
        children, waits = self._edges()
        ready = [id_ for id_, count in waits.items() if not count]
        done: list[Revision] = []
        for id_ in ready:  # grows while it is walked
            done.append(self.by_id[id_])
            for child in children.get(id_, ()):
                waits[child] -= 1
                if not waits[child]:
                    ready.append(child)
        return tuple(done)

    def _edges(self) -> tuple[dict[str, list[str]], dict[str, int]]:
        children: dict[str, list[str]] = {}
        waits = dict.fromkeys(self.by_id, 0)
        for id_, revision in self.by_id.items():
            for parent in self.parents(revision):
                if parent in self.by_id:
                    children.setdefault(parent, []).append(id_)
                    waits[id_] += 1
        return children, waits

    def problems(
        self, heads: int | Collection[str] = 1, *, id_limit: int | Callable[[Revision], int] = _ID_LIMIT
    ) -> list[Problem]:
        """Everything wrong with the history; empty if it is sound.

        Args:
            heads: how many heads there should be, or which (ids or branch labels).
            id_limit: the width of the version table's column, in characters; or what tells it for each revision.
        """
        limit = id_limit if callable(id_limit) else (lambda _: id_limit)
        found = [*self.faults]
        found += [problem for each in self.revisions for problem in revision_problems.own_problems(each, limit(each))]
        found += self._duplicates()
        found += self._labels()
        unknown = self._unknown_parents()
        found += unknown
        if not any(each.code == "unknown-dependency" for each in unknown):  # nobody asks for labels that are computed
            found = [each for each in found if each.code != "computed" or each.about != "branch_labels"]
        found += self._circles()
        unsure = any(each.code in _UNSETTLES_HEADS for each in found)
        found += [problem for each in self.revisions if (problem := each.body_problem()) is not None]
        if not self.revisions and not any(each.severity == "error" for each in self.faults):
            found.append(revision_problem.no_revisions())
        elif not unsure:
            found += self._unexpected_heads(heads)
        return found

    def _duplicates(self) -> list[Problem]:
        files: dict[str, list[Revision]] = {}
        for each in self.revisions:
            files.setdefault(each.id, []).append(each)
        return [
            Problem(
                "duplicate-id",
                f"Revision id {id_!r} stands in {len(same)} files: {revision_problem.listed(each.name for each in same)}.",
                f"Delete the copy, or give it an id of its own (`revision = ...` in {same[-1].name}); "
                "Alembic only warns, and applies one of them.",
                tuple(each.path for each in same),
                about="revision",
            )
            for id_, same in files.items()
            if len(same) > 1
        ]

    def _labels(self) -> list[Problem]:
        owners: dict[str, Revision] = {}
        found = []
        for each in self.revisions:
            for place, label in enumerate(each.branch_labels):
                other = owners.setdefault(label, self.by_id.get(label, each))
                if other is not each or label == each.id or label in each.branch_labels[:place]:
                    found.append(revision_problems.label_clash(label, each, other))
        return found

    def _unknown_parents(self) -> list[Problem]:
        if any(each.code in _HIDES_REVISIONS for each in self.faults):
            return []  # what is missing may well be in the file that could not be read, and that is said already
        found = []
        for each in self.revisions:
            found += [self._missing_parent(each, name) for name in each.down if name not in self.by_id]
            found += [
                self._missing_dependency(each, name)
                for name in each.depends_on
                if name not in self.by_id and name not in self.by_label
            ]
        return found

    def _missing_parent(self, child: Revision, name: str) -> Problem:
        return Problem(
            "missing-parent",
            f"{child.name} follows revision {name!r} (down_revision), which no file here has.",
            self._hint(name, child, "down_revision"),
            (child.path,),
            about="down_revision",
        )

    def _missing_dependency(self, child: Revision, name: str) -> Problem:
        return Problem(
            "unknown-dependency",
            f"{child.name} depends on {name!r} (depends_on), which is no revision or branch label here.",
            self._hint(name, child, "depends_on"),
            (child.path,),
            about="depends_on",
        )

    def _hint(self, name: str, child: Revision, field: str) -> str:
        plain = name.split("@")[0]
        if not name:
            return f"Write `{field} = None` in {child.name} if it has none; newer Alembic refuses an empty text."
        if plain in self.by_label:
            return f"{plain!r} is a branch label: name the revision, `{field} = {self.by_label[plain].id!r}`."
        longer = [id_ for id_ in self.by_id if id_.startswith(name)]
        if len(longer) == 1:
            return f"Write the whole id, `{field} = {longer[0]!r}`: files must, only the command line may shorten it."
        return (
            f"Bring the missing file back (`git log --all -S {name!r}` finds it), or correct `{field}` in {child.name}."
        )

    def _circles(self) -> list[Problem]:
        left = self.by_id.keys() - {each.id for each in self.ordered()}
        found = []
        while left:
            circle = self._circle(left)
            if not circle:
                break
            names = [self.by_id[each].name for each in circle]
            chain = " -> ".join([*circle, circle[0]])
            found.append(
                Problem(
                    "cycle",
                    f"Revisions follow each other in a circle: {chain} (in {revision_problem.listed(names)}).",
                    "Correct the `down_revision` (or `depends_on`) of one of them, so that one comes first.",
                    tuple(self.by_id[each].path for each in circle),
                    about="down_revision",
                )
            )
            left = left - set(circle)
        return found

    def _circle(self, among: Collection[str]) -> list[str]:
        """One circle among these ids, parent first; walked upwards, since whatever follows a circle leads to it."""
        for start in sorted(among):
            path: dict[str, None] = {}
            each: str | None = start
            while each is not None and each not in path:
                path[each] = None
                each = next((up for up in self.parents(self.by_id[each]) if up in among), None)
            if each is not None:
                walked = list(path)
                return walked[walked.index(each) :][::-1]
        return []

    def _unexpected_heads(self, heads: int | Collection[str]) -> list[Problem]:
        if not isinstance(heads, int):
            return self._other_heads(frozenset(heads))
        if len(self.heads) == heads:
            return []
        mend = f"Expected by the registry: {heads}. Correct `heads` there, or find out which branch is missing."
        labelled = len(self.heads) > heads and self._all_labelled()
        if labelled:
            mend = f"They are meant to be separate, so say it: `heads: {len(self.heads)}` in the registry."
        elif len(self.heads) > heads:
            mend = (
                f"Join them: `alembic merge -m 'merge heads' {' '.join(self.heads)}`; or, if they are meant to be "
                f"separate, declare it: `heads: {len(self.heads)}` in the registry, `--heads {len(self.heads)}` for a Job."
            )
        return [
            Problem(
                "unexpected-heads",
                f"There are {len(self.heads)} heads where {heads} {'is' if heads == 1 else 'are'} expected: "
                f"{self._named(self.heads)}{', each a branch with a label of its own' if labelled else self._fork()}.",
                mend,
                tuple(self.by_id[each].path for each in self.heads),
                severity="warning" if labelled else "error",
                about="revision",
            )
        ]

    def _other_heads(self, wanted: frozenset[str]) -> list[Problem]:
        reached = {label: self._head_of(label) for label in wanted}
        expected = {each for ids in reached.values() for each in ids}
        if expected == set(self.heads) and all(reached.values()):
            return []
        expects = revision_problem.listed(sorted(wanted))
        return [
            Problem(
                "unexpected-heads",
                f"The heads are {self._named(self.heads) or 'none'}; the registry expects {expects}.",
                "Merge or rebase what is not expected, or correct `heads` in the registry.",
                tuple(self.by_id[each].path for each in self.heads),
                about="revision",
            )
        ]

    def _head_of(self, name: str) -> list[str]:
        """The heads that `name`, an id or a branch label, stands for."""
        if name in self.by_id:
            return [name] if name in self.heads else []
        if name not in self.by_label:
            return []
        start = self.by_label[name].id
        return [head for head in self.heads if start in self.line(head)]

    def _all_labelled(self) -> bool:
        """Whether each head is on a branch that has a label, and that no other head is on."""
        lines = {head: self.line(head) for head in self.heads}
        labelled = {
            each.id
            for each in self.revisions
            if each.branch_labels or any(name == "branch_labels" for name, _ in each.computed)
        }
        others = {head: set().union(*(lines[other] for other in self.heads if other != head)) for head in self.heads}
        return all(labelled & (lines[head] - others[head]) for head in self.heads)

    def _fork(self) -> str:
        """Where two heads part, if they do: the commonest mistake is two files on one parent."""
        downs = {self.by_id[each].down for each in self.heads}
        if len(self.heads) > 1 and len(downs) == 1 and (both := next(iter(downs))):
            return f", each following {revision_problem.listed(both)}"
        return ""

    def _named(self, ids: Sequence[str]) -> str:
        return revision_problem.listed(f"{each} ({self.by_id[each].name})" for each in ids)
