"""One revision file, read from source and never executed.

Who it is (id, parents, labels) costs little and is read at once; what it does is read when it is first asked for.
"""

from __future__ import annotations

import ast
import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

from .. import faults
from . import revision_body, revision_head, revision_problem
from .revision_problem import Problem

__all__ = [
    "File",
    "Revision",
    "data_statements",
    "keep_outline",
    "parse",
    "read_head",
    "read_outline",
    "read_whole",
    "revision_of",
    "uncollected",
]


@dataclass(frozen=True)
class Revision:
    """One revision file.

    Args:
        id: its revision id.
        down: ids of its parents; none for a base, several for a merge.
        depends_on: ids or branch labels that must be applied before.
        branch_labels: names that it gives to its branch.
        path: the file.
        name: the file's name as messages show it (within its folder).
        message: the first paragraph of its docstring.
        source: the file's bytes.
        computed: (name, line) of `branch_labels` or `depends_on` that only running the file would tell: empty here.
    """

    id: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...]
    branch_labels: tuple[str, ...]
    path: str
    name: str
    message: str
    source: bytes = field(repr=False, compare=False)
    computed: tuple[tuple[str, int], ...] = ()

    @cached_property
    def body(self) -> revision_body.Body:
        """What the file does.

        Raises:
            faults.ProjectFault: `does-not-parse`.
        """
        found = _examine(self.source, self.name)
        if isinstance(found, Problem):
            raise faults.ProjectFault(found.code, found.message, found.mend)
        return found

    @cached_property
    def outline(self) -> revision_body.Outline:
        """What the file does, as far as its operations tell.

        Raises:
            faults.ProjectFault: `does-not-parse`.
        """
        return self.body

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of the operations in `upgrade` ("create_table", "execute"), in order."""
        return tuple(each.name for each in self.outline.upgrade)

    @property
    def upgrade_ops(self) -> int:
        """How many operations `upgrade` has."""
        return len(self.outline.upgrade)

    @property
    def downgrade_ops(self) -> int:
        """How many operations `downgrade` has."""
        return len(self.outline.downgrade)

    @property
    def has_downgrade(self) -> bool:
        """False if `downgrade` is missing, does nothing, or raises."""
        return self.outline.downgrade_state == "present"

    def body_problem(self) -> Problem | None:
        """What is wrong with what the file does (it does not parse; it has no `upgrade`), or None."""
        if not self.__dict__.keys() & {"outline", "body"}:
            found = _examine(self.source, self.name)
            if isinstance(found, Problem):
                return replace(found, files=(self.path,))
            _keep(self, found)
        if self.outline.has_upgrade:
            return None
        return Problem(
            "no-upgrade",
            f"{self.name} has no function `upgrade`.",
            "Add `def upgrade() -> None:` (with `pass` if it is a merge).",
            (self.path,),
            about="down_revision",
        )


@dataclass(frozen=True)
class File:
    """A file that Alembic would load: its real path, the name to show, its bytes."""

    path: str
    shown: str
    source: bytes


def parse(source: str | bytes, name: str, *, path: str = "") -> Revision:
    """One revision file, read whole.

    Args:
        source: its text.
        name: its file name (Alembic takes the id of a file without `revision` from a name such as `1a2b.py`).

    Raises:
        faults.ProjectFault: `does-not-parse`, `not-a-revision`, `revision-not-literal`, `revision-not-text`.
    """
    data = source.encode() if isinstance(source, str) else source
    try:
        tree = revision_head.parse_module(data, name)
    except SyntaxError as exc:
        problem = revision_problem.does_not_parse(name, exc)
        raise faults.ProjectFault(problem.code, problem.message, problem.mend) from exc
    found = read_head(data, name, path or name, tree)
    if isinstance(found, Problem):
        raise faults.ProjectFault(found.code, found.message, found.mend)
    _keep(found, revision_body.read_body(tree))
    return found


def data_statements(source: str | bytes) -> list[str]:
    """The steps of `upgrade` that change rows, one line of text each, with their line numbers.

    Raises:
        faults.ProjectFault: `does-not-parse`.
    """
    data = source.encode() if isinstance(source, str) else source
    found = _examine(data, "the migration")
    if isinstance(found, Problem):
        raise faults.ProjectFault(found.code, found.message, found.mend)
    return [str(step) for step in found.data]


def read_whole(file: File) -> Revision | Problem:
    """One file, head and body from one parse; if only its body is broken, the revision is known all the same."""
    return _read(file, lambda found, tree: _keep(found, revision_body.read_body(tree)))


def read_outline(file: File) -> Revision | Problem:
    """One file, head and outline from one parse; what rows it changes is read when it is asked for."""
    return _read(file, lambda found, tree: keep_outline(found, revision_body.read_outline(tree)))


def _read(file: File, keep: Callable[[Revision, ast.Module], None]) -> Revision | Problem:
    """One file from one parse; `keep` adds what its tree says beyond its head."""
    with uncollected():
        try:
            tree = revision_head.parse_module(file.source, file.shown)
        except SyntaxError:
            return read_head(file.source, file.shown, file.path, None)
        found = read_head(file.source, file.shown, file.path, tree)
        if isinstance(found, Revision):
            keep(found, tree)
    return found


def keep_outline(revision: Revision, outline: revision_body.Outline) -> None:
    """Give a revision its outline, which was read before from the same source."""
    revision.__dict__["outline"] = outline  # where `cached_property` would put it


def read_head(source: bytes, shown: str, path: str, tree: ast.Module | None) -> Revision | Problem:
    """Who a file is, from its parsed tree or, without one, from as little of its source as will do."""
    try:
        head = revision_head.read_head(source, os.path.basename(path), tree)  # noqa: PTH119 - thousands of files: a Path for each costs more than reading it
    except SyntaxError as exc:
        return revision_problem.does_not_parse(shown, exc, path)
    except revision_head.NotARevision as exc:
        return revision_problem.not_a_revision(shown, path, exc.missing, source)
    except revision_head.NotLiteral as exc:
        return Problem(
            "revision-not-literal",
            f"{shown}, line {exc.line}: `{exc.name}` is computed, so that only running the file would tell it.",
            f'Write it as plain text: `{exc.name} = "..."`.',
            (path,),
            line=exc.line,
        )
    except revision_head.NotText as exc:
        return Problem(
            "revision-not-text",
            f"{shown}: `{exc.name}` is neither text nor (for parents) None or a tuple of texts; Alembic fails on it.",
            f'Quote it: `{exc.name} = "..."`.',
            (path,),
            about=exc.name,
        )
    return revision_of(head, File(path, shown, source))


def revision_of(head: revision_head.Head, file: File) -> Revision:
    """The revision that a file is, whose declarations are read."""
    return Revision(
        head.id,
        head.down,
        head.depends_on,
        head.branch_labels,
        file.path,
        file.shown,
        head.message,
        file.source,
        head.computed,
    )


def _examine(source: bytes, name: str) -> revision_body.Body | Problem:
    """What one file does, or why that cannot be read."""
    try:
        with uncollected():
            return revision_body.read_body(revision_head.parse_module(source, name))
    except SyntaxError as exc:
        return revision_problem.does_not_parse(name, exc)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector: a tree has no cycles, and looking for them costs a quarter of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _keep(revision: Revision, body: revision_body.Body) -> None:
    revision.__dict__["body"] = body  # where `cached_property` would put it
