"""Outlines of revision files, kept between runs: what a file does is known by its content, so it is parsed once.

The store is a cache and nothing else: a store that is lost, damaged or written by another version is read past.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stillroom.runtime.reading import (
    revision_body,
    revision_data,
    revision_file,
    revision_function,
    revision_head,
    revision_workers,
    source_text,
    sql_text,
)
from stillroom.runtime.reading.revision_problem import Problem

__all__ = ["STORE", "read"]

STORE = "outlines.json"
_KEPT = 20_000  # files: the oldest go first
_READERS = (revision_body, revision_data, revision_file, revision_function, revision_head, source_text, sql_text)
_PLAIN = ("plain_grammar.py", "plain_reading.py")


def read(files: Sequence[revision_file.File], state: Path, workers: int) -> list[revision_file.Revision | Problem]:
    """Every file with head and outline, in the order given.

    Args:
        files: what Alembic would load.
        state: folder of what stillroom keeps between runs; nothing is kept where it can't be written.
        workers: processes that read what is not known yet, if it is much.
    """
    with revision_file.uncollected():  # tens of thousands of small things, none of them in a circle
        return _read(files, state, workers)


def _read(files: Sequence[revision_file.File], state: Path, workers: int) -> list[revision_file.Revision | Problem]:
    known = _load(state)
    keys = [_key(each) for each in files]
    found: list[revision_file.Revision | Problem | None] = [
        _remembered(file, known.get(key)) for file, key in zip(files, keys, strict=True)
    ]
    missing = [at for at, each in enumerate(found) if each is None]
    told = {}
    for at, each in zip(missing, _answers([files[at] for at in missing], workers), strict=True):
        if isinstance(each, list):
            told[keys[at]] = each
            found[at] = _remembered(files[at], each)
        else:
            found[at] = each
    if told:
        _save(state, known, keys, told)
    return [each for each in found if each is not None]


def _answers(
    files: Sequence[revision_file.File], workers: int
) -> Sequence[list[Any] | revision_file.Revision | Problem]:
    """What is kept of each file (it goes from one process to another without the source), or the file if not whole."""
    if not files:
        return []
    from stillroom.history import plain_reading  # its expressions take time to build: once, before there are children

    def answer(file: revision_file.File) -> list[Any] | revision_file.Revision | Problem:
        found = plain_reading.read(file) or revision_file.read_outline(file)
        return _told(found) or found

    return revision_workers.read_all(files, workers, answer)


def _key(file: revision_file.File) -> str:
    # The name counts: Alembic takes the id of a file without `revision` from it.
    name = os.path.basename(file.path)  # noqa: PTH119 - thousands of files
    return hashlib.sha256(name.encode("utf-8", "surrogateescape") + b"\0" + file.source).hexdigest()


@functools.cache
def _reader() -> str:
    """What tells this version's way of reading from any other."""
    digest = hashlib.sha256(sys.version.encode())
    own = Path(__file__)
    for each in (own, *(own.with_name(name) for name in _PLAIN), *(Path(str(each.__file__)) for each in _READERS)):
        digest.update(each.read_bytes())
    return digest.hexdigest()


def _load(state: Path) -> dict[str, Any]:
    try:
        stored = json.loads((state / STORE).read_bytes())
        if stored["reader"] == _reader() and isinstance(stored["files"], dict):
            return dict(stored["files"])
    except (OSError, ValueError, LookupError, TypeError):
        pass
    return {}


def _save(state: Path, known: Mapping[str, Any], used: Iterable[str], told: Mapping[str, Any]) -> None:
    current = {key: told[key] if key in told else known[key] for key in used if key in told or key in known}
    every = {**{key: value for key, value in known.items() if key not in current}, **current}
    files = dict(list(every.items())[-_KEPT:])
    temporary = state / f"{STORE}.{os.getpid()}"
    with contextlib.suppress(OSError):
        state.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(json.dumps({"reader": _reader(), "files": files}), encoding="utf-8")
            temporary.replace(state / STORE)
        finally:
            temporary.unlink(missing_ok=True)


def _told(found: revision_file.Revision | Problem) -> list[Any] | None:
    """What is kept of a file; None for one that is not whole: it is read again each time."""
    if not isinstance(found, revision_file.Revision) or "outline" not in found.__dict__:
        return None
    outline = found.outline
    return [
        [found.id, found.down, found.depends_on, found.branch_labels, found.message, found.computed],
        [tuple(each) for each in outline.upgrade],
        [tuple(each) for each in outline.downgrade],
        [outline.upgrade_state, outline.downgrade_state, outline.opaque],
        [tuple(each) for each in outline.imports],
    ]


def _remembered(file: revision_file.File, told: Any) -> revision_file.Revision | None:
    if told is None:
        return None
    try:
        head, up, down, (upgrade_state, downgrade_state, opaque), imports = told
        id_, parents, depends_on, labels, message, computed = head
        found = revision_file.Revision(
            id_,
            tuple(parents),
            tuple(depends_on),
            tuple(labels),
            file.path,
            file.shown,
            message,
            file.source,
            tuple((name, line) for name, line in computed),
        )
        outline = revision_body.Outline(
            upgrade=tuple(map(revision_function.Operation._make, up)),
            downgrade=tuple(map(revision_function.Operation._make, down)),
            upgrade_state=upgrade_state,
            downgrade_state=downgrade_state,
            imports=tuple(map(revision_body.Import._make, imports)),
            opaque=opaque,
        )
    except (TypeError, ValueError):
        return None
    revision_file.keep_outline(found, outline)
    return found
