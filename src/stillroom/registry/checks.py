"""The registry's content, checked and resolved into a fleet; every mistake is told at once."""

from __future__ import annotations

from pathlib import Path

from stillroom.registry import model, positions, resolve, validate
from stillroom.registry.mistakes import Mistake, WrongRegistry, dotted

__all__ = ["fleet"]


def fleet(content: bytes, file: Path, *, called: str) -> model.Fleet:
    """The fleet that `content` describes. Raises WrongRegistry."""
    try:
        document = positions.read(content.decode("utf-8-sig"))
    except positions.SyntaxMistake as error:
        raise WrongRegistry(called, [Mistake(*error.place, "", f"not YAML: {error.problem}")]) from error
    found = [
        Mistake(*each.place, dotted(each.path), f"stands twice; first in line {each.first[0]}")
        for each in document.duplicates
    ]
    checked = validate.check_shape(document)
    found += checked.mistakes
    if found or checked.file is None:
        raise WrongRegistry(called, found)
    root = file.parent
    drafts = resolve.drafts(checked.file)
    environments = resolve.environments(checked.file, root)
    return model.Fleet(
        root=root,
        path=file,
        environments=environments,
        default_environment=checked.file.default_environment or next(iter(environments)),
        resolved={name: resolve.services(each, root) for name, each in drafts.items()},
    )
