"""From the file's bytes to a fleet: read, shape, resolve, check; every mistake is told at once."""

from __future__ import annotations

import re
from pathlib import Path

from stillroom.registry import checks, model, positions, resolve, validate
from stillroom.registry.mistakes import Mistake, WrongRegistry, dotted

__all__ = ["fleet"]

_UNQUOTED = re.compile(r"[:\[,-]\s*\{\s*(name|NAME)\s*\}")


def fleet(content: bytes, file: Path, *, called: str) -> model.Fleet:
    """The fleet that `content` describes.

    Args:
        content: the bytes of the file, UTF-8.
        file: its absolute path; relative paths inside start at its folder.
        called: how messages call the file.

    Raises:
        WrongRegistry: a RegistryError with every mistake.
    """
    document = _read(content, called)
    root = file.parent
    checked = validate.check_shape(document)
    mistakes = [*checked.mistakes, *_duplicates(document)]
    if checked.file is None:
        raise WrongRegistry(called, mistakes)
    look = checks.Checks(document, checked.unsaid, root)
    look.texts()
    look.names(checked.file.default_environment)
    drafts = resolve.drafts(checked.file)
    for found in drafts.values():
        look.facts(found)
        look.together(found)
    mistakes += look.mistakes
    if mistakes:
        raise WrongRegistry(called, mistakes)
    environments = resolve.environments(checked.file, root)
    return model.Fleet(
        root=root,
        path=file,
        environments=environments,
        default_environment=resolve.default(checked.file.default_environment, list(environments)) or "",
        resolved={name: resolve.services(found, root) for name, found in drafts.items()},
    )


def _read(content: bytes, called: str) -> positions.Document:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise WrongRegistry(called, [Mistake(line, column, "", "not UTF-8; save the file as UTF-8")]) from error
    try:
        return positions.read(text)
    except positions.SyntaxMistake as error:
        problem = f"not YAML: {error.problem}{_hint(text, error.place)}"
        raise WrongRegistry(called, [Mistake(*error.place, "", problem)]) from error


def _hint(text: str, place: positions.Place) -> str:
    """What is probably the matter in the line where the syntax is wrong, or nothing."""
    line = text.splitlines()[place[0] - 1 : place[0]]
    if line and _UNQUOTED.search(line[0]):
        return '; a text that begins with a brace has to be in quotes: "{name}-service"'
    return ""


def _duplicates(document: positions.Document) -> list[Mistake]:
    return [
        Mistake(*each.place, dotted(each.path), f"stands twice, first in line {each.first[0]}; keep one")
        for each in document.duplicates
    ]
