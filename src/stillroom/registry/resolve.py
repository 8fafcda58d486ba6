"""From what the file says to facts: defaults, environments and services laid over each other, placeholders replaced.

Later layers win: stillroom's own defaults, `defaults`, the environment, the service, the environment's `services`. Only
`env` is merged key by key. Each fact remembers where it was said, so that a mistake can name the line.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stillroom.registry import manifest_shape, model, placeholders, shape

__all__ = [
    "BUILT_IN",
    "Draft",
    "absolute",
    "at",
    "config",
    "default",
    "drafts",
    "environments",
    "interpreter",
    "services",
]

DataPath = tuple[str | int, ...]

BUILT_IN: DataPath = ()
"""The origin of a fact that the file does not say."""

_FROM_ENVIRONMENT = ("namespace", "time_limit", "scratch", "python", "via", "image")

_MERGED = ("labels", "annotations", "secret", "job", "startup", "resources")
"""Mappings whose keys are laid over each other one by one, as those of `env` are."""


@dataclasses.dataclass
class Draft:
    """The facts of one service in one environment, not yet checked.

    Attributes:
        name: the service's name.
        environment: the environment's name.
        values: field of `shape.ServiceShape` to value; placeholders replaced, lists are tuples.
        origins: field to the path in the file where it was said (`BUILT_IN`: nowhere);
            `env.KEY` to the path of a variable, since `env` is merged.
        remote: True when the service's Python does not run on this machine.
    """

    name: str
    environment: str
    values: dict[str, Any]
    origins: dict[str, DataPath]
    remote: bool = False


def environments(file: shape.FileShape, root: Path) -> dict[str, model.Environment]:
    """The environments of the file by name; without any, `development` on the embedded server."""
    if not file.environments:
        return {"development": model.Environment("development", "local", database="embedded")}
    return {name: _environment(name, said, root) for name, said in file.environments.items()}


def default(said: str | None, environments: Sequence[str]) -> str | None:
    """The default environment's name: what is said, or `development`, or the only one; None when that is not clear."""
    if said is not None:
        return said
    if "development" in environments:
        return "development"
    return environments[0] if len(environments) == 1 else None


def drafts(file: shape.FileShape) -> dict[str, list[Draft]]:
    """The services in each environment: environment's name to drafts in file order."""
    said: Mapping[str, shape.EnvironmentShape | None] = file.environments or {"development": None}
    return {name: _drafts_in(file, name, environment) for name, environment in said.items()}


def services(found: list[Draft], root: Path) -> tuple[model.Service, ...]:
    """The services of one environment, from checked drafts."""
    together: dict[str, list[str]] = {}
    for draft in found:
        together.setdefault(draft.values["database"], []).append(draft.name)
    return tuple(_service(draft, together[draft.values["database"]], root) for draft in found)


def _drafts_in(file: shape.FileShape, environment: str, said: shape.EnvironmentShape | None) -> list[Draft]:
    base = _Layers()
    base.values = {name: field.get_default() for name, field in shape.ServiceShape.model_fields.items()}
    base.origins = dict.fromkeys(base.values, BUILT_IN)
    base.lay(file.defaults, ("defaults",))
    remote = said is not None and not isinstance(said, shape.LocalEnvironment)
    if remote:
        base.forget("python")
    base.lay_some(said, ("environments", environment))
    found = []
    for name, service in file.services.items():
        layers = base.copy()
        layers.lay(service, ("services", name), without="python" if remote else "")
        if said is not None and name in said.services:
            layers.lay(said.services[name], ("environments", environment, "services", name))
        values = {field: placeholders.expand_all(value, name) for field, value in layers.values.items()}
        found.append(Draft(name, environment, values, layers.origins, remote))
    return found


class _Layers:
    """Values of fields and where each was said, laid over each other."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[str, DataPath] = {}

    def copy(self) -> _Layers:
        """The same, to lay more on."""
        other = _Layers()
        other.values, other.origins = dict(self.values), dict(self.origins)
        return other

    def forget(self, field: str) -> None:
        """Back to nothing said: a local interpreter is none of a pod's."""
        self.values[field], self.origins[field] = None, BUILT_IN

    def lay(self, said: shape.ServiceShape | None, path: DataPath, *, without: str = "") -> None:
        """Lay what a service (or `defaults`) says over what was said before."""
        fields = said.model_fields_set if said is not None else set()
        if "url_variable" in fields and "url" not in fields and "argument" not in (self.values["url"] or {}):
            self.forget("url")  # it says another way
        for field in fields:
            if field == without:
                continue
            value = getattr(said, field)
            if isinstance(value, shape.UrlShape):
                value = value.model_dump(exclude_none=True)
            value = _plain(value)
            self.origins[field] = (*path, field)
            if field in _MERGED and value is not None:
                value = {**(self.values[field] or {}), **value}
            elif field == "env":
                self.origins.update({f"env.{key}": (*path, field, key) for key in value})
                value = {**self.values["env"], **value}
            self.values[field] = value

    def lay_some(self, said: shape.EnvironmentShape | None, path: DataPath) -> None:
        """Lay what an environment says for all of its services."""
        for field in said.model_fields_set if said is not None else ():
            if field in _FROM_ENVIRONMENT:
                self.values[field] = getattr(said, field)
                self.origins[field] = (*path, field)


def _plain(value: Any) -> Any:
    """The part of a service (or the parts in a list) as a mapping with what it says, and nothing else."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.model_dump(exclude_unset=True) if isinstance(value, manifest_shape.Part) else value


def _environment(name: str, said: shape.EnvironmentShape, root: Path) -> model.Environment:
    facts = said.model_dump(exclude={"services", "python", "image"})
    if facts.get("kubeconfig"):
        facts["kubeconfig"] = absolute(facts["kubeconfig"], root)
    return model.Environment(name=name, **facts)


def absolute(text: str, root: Path) -> Path:
    """A path of the file as an absolute one: relative to the file's folder, `~` is one's home, `..` is resolved.

    Symbolic links stay: the interpreter of a virtual environment is one.
    """
    return Path(os.path.normpath(os.path.join(root, os.path.expanduser(text))))  # noqa: PTH111, PTH118 - 5 times as fast


def at(data: Any, path: DataPath) -> Any:
    """What the document's data holds at `path`, or None."""
    for part in path:
        if isinstance(data, dict):
            data = data.get(str(part))
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def config(said: str | None, script_location: str | None, path: Path) -> Path | None:
    """The configuration file that is meant: the one that is named, or Alembic's own, or none where none is needed."""
    if said is None and script_location is not None:
        return None
    return absolute(said or "alembic.ini", path)


def interpreter(text: str, root: Path) -> str:
    """The interpreter that a local `python:` means: a path, or a bare command (`python3.12`) that PATH has."""
    path = absolute(text, root)
    if "/" not in text and not path.exists():
        return shutil.which(text) or str(path)
    return str(path)


def _service(draft: Draft, together: list[str], root: Path) -> model.Service:
    values = dict(draft.values)
    path = absolute(values.pop("path"), root)
    python: str | None = values.pop("python")
    return model.Service(
        name=draft.name,
        environment=draft.environment,
        path=path,
        config=config(values.pop("config"), values["script_location"], path),
        time_limit=float(values.pop("time_limit")),
        shares_with=tuple(name for name in together if name != draft.name),
        python=python if python is None or draft.remote else interpreter(python, root),
        **values,
    )
