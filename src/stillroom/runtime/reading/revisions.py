"""The revision files of a service, read from source and never executed.

`read` finds the files that Alembic itself would load and gives their `Graph`; `parse` reads one file. What files do is
read when it is first asked for, or by several processes when `read` is told to (`workers`), since parsing whole files is
what takes the time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from . import revision_file, revision_problem, revision_workers
from .revision_file import File, Revision, data_statements, parse
from .revision_graph import Graph
from .revision_problem import Problem

__all__ = [
    "File",
    "Graph",
    "Problem",
    "Revision",
    "data_statements",
    "graph_of",
    "is_revision_name",
    "listed",
    "parse",
    "read",
]

_LOADED = re.compile(r"(?!\.\#|__init__)(.*\.py)$")  # alembic/script/base.py, 1.12 to 1.20


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
    files, problems = listed(folders, recursive=recursive)
    if workers:
        found = revision_workers.read_all(files, workers, revision_file.read_whole)
    else:
        found = [revision_file.read_head(each.source, each.shown, each.path, None) for each in files]
    return graph_of(found, problems)


def listed(
    folders: Sequence[Path], *, recursive: bool = False, without: Collection[str] = ()
) -> tuple[list[File], list[Problem]]:
    """The files that Alembic would load from these folders (as in `read`), and what is wrong with folders and files.

    Args:
        folders, recursive: as in `read`.
        without: paths of files to leave out.
    """
    problems: list[Problem] = []
    files: list[File] = []
    for folder in folders:
        if folder.is_dir():
            files += _files(folder, recursive, {*without, *(each.path for each in files)}, problems)
        else:
            problems.append(revision_problem.no_folder(folder))
    return files, problems


def graph_of(found: Iterable[Revision | Problem], problems: Iterable[Problem] = ()) -> Graph:
    """The history that these files make, those included that could not be read as revisions."""
    each = list(found)
    faults = [*problems, *(one for one in each if isinstance(one, Problem))]
    return Graph([one for one in each if isinstance(one, Revision)], faults)


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
    begin = len(root.rstrip(os.sep)) + 1
    for base, folders, names in os.walk(root):
        if base.endswith("__pycache__"):
            continue
        links = {entry.name for entry in os.scandir(base) if entry.is_symlink()}
        for name in sorted(names):
            path = f"{base}{os.sep}{name}"
            yield os.path.realpath(path) if name in links else path, path[begin:] if recursive else name
        if not recursive:
            break
        folders.sort()
