"""The revision files of a service, read from source and never executed.

`read` finds the files that Alembic itself would load and gives their `Graph`; `parse` reads one file. Who a file is
(id, parents, labels) costs little and is read at once; what it does is read when it is first asked for, or by several
processes when `read` is told to (`workers`), since parsing whole files is what takes the time.
"""

from __future__ import annotations

import ast
import gc
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from . import faults, revision_body, revision_head, revision_problems
from .revision_graph import Graph
from .revision_problems import Problem

__all__ = ["Graph", "Problem", "Revision", "data_statements", "is_revision_name", "parse", "read"]

_LOADED = re.compile(r"(?!\.\#|__init__)(.*\.py)$")  # alembic/script/base.py, 1.12 to 1.20


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

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of the operations in `upgrade` ("create_table", "execute"), in order."""
        return tuple(each.name for each in self.body.upgrade)

    @property
    def upgrade_ops(self) -> int:
        """How many operations `upgrade` has."""
        return len(self.body.upgrade)

    @property
    def downgrade_ops(self) -> int:
        """How many operations `downgrade` has."""
        return len(self.body.downgrade)

    @property
    def has_downgrade(self) -> bool:
        """False if `downgrade` is missing, does nothing, or raises."""
        return self.body.downgrade_state == "present"

    def body_problem(self) -> Problem | None:
        """What is wrong with what the file does (it does not parse; it has no `upgrade`), or None."""
        try:
            body = self.body
        except faults.ProjectFault as fault:
            return Problem(fault.code, fault.message, fault.mend, (self.path,))
        if body.has_upgrade:
            return None
        return Problem(
            "no-upgrade",
            f"{self.name} has no function `upgrade`.",
            "Add `def upgrade() -> None:` (with `pass` if it is a merge).",
            (self.path,),
        )


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
        problem = revision_problems.does_not_parse(name, exc)
        raise faults.ProjectFault(problem.code, problem.message, problem.mend) from exc
    found = _revision(data, name, path or name, tree)
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


def is_revision_name(name: str) -> bool:
    """Whether Alembic would load a file of this name from a versions folder."""
    return _LOADED.match(name) is not None


def read(folders: Sequence[Path], *, recursive: bool = False, workers: int = 0) -> Graph:
    """The history in these versions folders, as Alembic would load it.

    Args:
        folders: the version locations; one that does not exist is passed over, as Alembic does, and reported.
        recursive: Alembic's `recursive_version_locations`.
        workers: 0: what a file does is read when it is first asked for; 1 or more: at once, by that many processes.
    """
    problems: list[Problem] = []
    files: list[File] = []
    for folder in folders:
        if folder.is_dir():
            files += _files(folder, recursive, {each.path for each in files}, problems)
        else:
            problems.append(revision_problems.no_folder(folder))
    if workers:
        from . import revision_workers

        found = revision_workers.read_all(files, workers)
    else:
        found = [_revision(each.source, each.shown, each.path, None) for each in files]
    problems += [each for each in found if isinstance(each, Problem)]
    return Graph([each for each in found if isinstance(each, Revision)], problems)


@dataclass(frozen=True)
class File:
    """A file that Alembic would load: its real path, the name to show, its bytes."""

    path: str
    shown: str
    source: bytes


def read_whole(file: File) -> Revision | Problem:
    """One file, head and body from one parse; if only its body is broken, the revision is known all the same."""
    with _uncollected():
        try:
            tree = revision_head.parse_module(file.source, file.shown)
        except SyntaxError:
            return _revision(file.source, file.shown, file.path, None)
        found = _revision(file.source, file.shown, file.path, tree)
        if isinstance(found, Revision):
            _keep(found, revision_body.read_body(tree))
    return found


def _examine(source: bytes, name: str) -> revision_body.Body | Problem:
    """What one file does, or why that cannot be read."""
    try:
        with _uncollected():
            return revision_body.read_body(revision_head.parse_module(source, name))
    except SyntaxError as exc:
        return revision_problems.does_not_parse(name, exc)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector: a tree has no cycles, and looking for them costs a quarter of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _files(folder: Path, recursive: bool, seen: set[str], problems: list[Problem]) -> Iterator[File]:
    """The files that Alembic would load from one folder, in its order; what cannot be read goes to `problems`."""
    for path, shown in _listed(folder, recursive):
        # A link's target has the say, as in Alembic; what is listed twice it warns about and ignores.
        if path in seen or not is_revision_name(os.path.basename(path)):  # noqa: PTH119 - see _listed
            continue
        seen.add(path)
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - see _listed
                yield File(path, shown, file.read())
        except OSError as exc:
            problems.append(
                Problem(
                    "unreadable",
                    f"{shown} cannot be read: {exc.strerror}.",
                    "Make it readable, or remove it (a link may point nowhere).",
                    (path,),
                )
            )


def _listed(folder: Path, recursive: bool) -> Iterator[tuple[str, str]]:
    """(real path, name to show) of every file in the order in which Alembic takes them.

    Thousands of files: `Path` objects and a `stat` for each would cost more than reading them.
    """
    root = os.path.realpath(folder)
    for base, folders, names in os.walk(root):
        if base.endswith("__pycache__"):
            continue
        links = {entry.name for entry in os.scandir(base) if entry.is_symlink()}
        for name in sorted(names):
            path = os.path.join(base, name)  # noqa: PTH118
            yield os.path.realpath(path) if name in links else path, os.path.relpath(path, root) if recursive else name
        if not recursive:
            break
        folders.sort()


def _revision(source: bytes, shown: str, path: str, tree: ast.Module | None) -> Revision | Problem:
    try:
        head = revision_head.read_head(source, os.path.basename(path), tree)  # noqa: PTH119 - see _listed
    except SyntaxError as exc:
        return revision_problems.does_not_parse(shown, exc, path)
    except revision_head.NotARevision as exc:
        return revision_problems.not_a_revision(shown, path, exc.missing, source)
    except revision_head.NotLiteral as exc:
        return Problem(
            "revision-not-literal",
            f"{shown}, line {exc.line}: `{exc.name}` is computed, so that only running the file would tell it.",
            f'Write it as plain text: `{exc.name} = "..."`.',
            (path,),
        )
    except revision_head.NotText as exc:
        return Problem(
            "revision-not-text",
            f"{shown}: `{exc.name}` is neither text nor (for parents) None or a tuple of texts; Alembic fails on it.",
            f'Quote it: `{exc.name} = "..."`.',
            (path,),
        )
    return Revision(
        head.id, head.down, head.depends_on, head.branch_labels, path, shown, head.message, source, head.computed
    )


def _keep(revision: Revision, body: revision_body.Body) -> None:
    revision.__dict__["body"] = body  # where `cached_property` would put it
