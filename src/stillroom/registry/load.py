"""The way in: `load` finds and reads services.yaml, `select` and `environment` pick from it.

pydantic and PyYAML are imported by `load()` only, so that commands which need no registry do not pay for them.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from stillroom import errors
from stillroom.registry import model

__all__ = ["FILE_NAME", "VARIABLE", "environment", "find", "load", "select"]

FILE_NAME = "services.yaml"

VARIABLE = "STILLROOM_REGISTRY"
"""Environment variable that names the registry (or its folder) when it is not in the current folder or above."""


def load(path: Path | None = None) -> model.Fleet:
    """Read, check and resolve the registry at `path` (a file or its folder); by default the one that `find` finds.

    Raises UsageError when there is no file, and RegistryError with every mistake at once when it is wrong.
    """
    from stillroom.registry import assembly

    file = find() if path is None else _file(path, "the path given")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise errors.UsageError(f"{file} cannot be read: {error.strerror}", "Check the file's permissions.") from error
    return assembly.fleet(content, file, called=_called(file))


def find() -> Path:
    """The registry's file: what STILLROOM_REGISTRY names, or services.yaml in the current folder or one above.

    Raises UsageError when there is none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return _file(Path(named), VARIABLE)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise errors.UsageError(
        f"there is no {FILE_NAME} in {here} or above it",
        f"Go to the repository that has one, or name it: export {VARIABLE}=/path/to/{FILE_NAME}",
    )


def select(
    fleet: model.Fleet, patterns: Sequence[str] = (), environment: model.Environment | str | None = None
) -> tuple[model.Service, ...]:
    """The services that `patterns` mean, in file order, as they are in `environment` (default: the default one).

    A pattern is a name, a list with commas, or a glob (`al*`); no pattern at all means every service. Raises UsageError
    when one means no service.
    """
    words = [word.strip() for pattern in patterns for word in pattern.split(",")]
    words = [word for word in words if word]
    services = fleet.services_in(environment)
    if not words:
        if patterns:
            raise errors.UsageError("no service is named", f"There are: {', '.join(fleet.names)}")
        return services
    chosen: set[str] = set()
    for word in words:
        chosen.update(_meant(word, fleet.names))
    return tuple(service for service in services if service.name in chosen)


def environment(fleet: model.Fleet, name: str | None = None) -> model.Environment:
    """The environment called `name`, by default the fleet's default. Raises UsageError when there is none such."""
    wanted = name or fleet.default_environment
    if wanted in fleet.environments:
        return fleet.environments[wanted]
    raise errors.UsageError(
        f"there is no environment '{wanted}' in {fleet.path.name}",
        f"{_hint(wanted, fleet.environments)}There are: {', '.join(fleet.environments)}",
    )


def _meant(word: str, names: Sequence[str]) -> list[str]:
    found = [name for name in names if fnmatch.fnmatchcase(name, word)]
    if found:
        return found
    what = "matches" if any(mark in word for mark in "*?[") else "is called"
    raise errors.UsageError(f"no service {what} '{word}'", f"{_hint(word, names)}There are: {', '.join(names)}")


def _hint(word: str, choices: Iterable[str]) -> str:
    from stillroom.registry import mistakes

    meant = mistakes.guess(word, choices)
    return f"Did you mean '{meant}'? " if meant else ""


def _file(path: Path, said_by: str) -> Path:
    file = path.expanduser().absolute()
    file = file / FILE_NAME if file.is_dir() else file
    if file.is_file():
        return file
    raise errors.UsageError(f"{file} does not exist ({said_by})", f"Correct {said_by}, or create the file.")


def _called(file: Path) -> str:
    """How messages call the file: relative when it is here or below."""
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)
