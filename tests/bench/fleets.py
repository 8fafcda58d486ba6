"""Fleets to measure on: copies of the example services, as many as asked for, in a folder of their own."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Fleet", "Service", "build"]

_REPOSITORY = Path(__file__).parents[2]
_TASKS = '"""The commands of Stillroom."""\nfrom stillroom.tasks import namespace as namespace\n'


@dataclasses.dataclass(frozen=True)
class Service:
    """One copied service.

    Attributes:
        name: in the registry of the copy.
        folder: its code, with `alembic.ini`.
        variable: which environment variable its `env.py` reads.
        database: name of its database.
        schemas: those that it owns, where they are declared; else it owns the whole database.
        extensions: what its database needs before the first table.
    """

    name: str
    folder: Path
    variable: str
    database: str
    schemas: tuple[str, ...]
    extensions: tuple[str, ...]

    @property
    def versions(self) -> Path:
        """Where its revision files go."""
        return self.folder / "migrations" / "versions"

    def empty_versions(self) -> None:
        """Removes its revision files, and their bytecode."""
        for each in self.versions.glob("*.py"):
            each.unlink()
        shutil.rmtree(self.versions / "__pycache__", ignore_errors=True)


@dataclasses.dataclass(frozen=True)
class Fleet:
    """A repository with a registry and its services."""

    root: Path
    services: tuple[Service, ...]

    @property
    def state(self) -> Path:
        """Stillroom's own folder: the embedded server is there."""
        return self.root / ".stillroom"

    def empty_versions(self) -> None:
        """Removes all revision files."""
        for each in self.services:
            each.empty_versions()


def build(root: Path, count: int) -> Fleet:
    """Writes a fleet of `count` services below `root`: the example fleet, cut off, or repeated under other names."""
    registry: dict[str, Any] = yaml.safe_load((_REPOSITORY / "services.yaml").read_text(encoding="utf-8"))
    examples: dict[str, dict[str, Any] | None] = registry["services"]
    originals = list(examples)
    copies = [(originals[index % len(originals)], index // len(originals) + 1) for index in range(count)]
    names = [_numbered(original, number, "-") for original, number in copies]
    services: dict[str, dict[str, Any]] = {}
    built = []
    for (original, number), name in zip(copies, names, strict=True):
        entry = dict(examples[original] or {})
        after = [_numbered(each, number, "-") for each in entry.pop("after", ())]
        entry |= {"after": kept} if (kept := [each for each in after if each in names]) else {}
        if "database" in entry:
            entry["database"] = _numbered(entry["database"], number, "_")
        services[name] = entry
        folder = root / "services" / name
        _copy(_REPOSITORY / "examples" / "bakery" / original, folder, _variable(original), _variable(name))
        database = entry.get("database", name)
        built.append(Service(name, folder, _variable(name), database, *map(tuple, _owned(entry))))
    _write(root, registry, services)
    return Fleet(root, tuple(built))


def _numbered(name: str, number: int, joint: str) -> str:
    return name if number == 1 else f"{name}{joint}{number}"


def _variable(name: str) -> str:
    return f"{name.upper().replace('-', '_')}_DATABASE_URL"


def _owned(entry: dict[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
    return entry.get("schemas", ()), entry.get("extensions", ())


def _copy(source: Path, target: Path, old_variable: str, new_variable: str) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    for each in (target / "migrations" / "versions").glob("*.py"):
        each.unlink()
    database = target / "app" / "database.py"
    text = database.read_text(encoding="utf-8")
    if f'"{old_variable}"' not in text:
        raise ValueError(f"{source}/app/database.py does not name {old_variable}")
    database.write_text(text.replace(f'"{old_variable}"', f'"{new_variable}"'), encoding="utf-8")


def _write(root: Path, registry: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    """The registry, the tasks, and a Git repository around them, as real fleets have."""
    defaults = {**registry["defaults"], "path": "services/{name}"}
    written = {
        "default_environment": "development",
        "defaults": defaults,
        "environments": {"development": registry["environments"]["development"]},
        "services": services,
    }
    (root / "services.yaml").write_text(yaml.safe_dump(written, sort_keys=False), encoding="utf-8")
    (root / "tasks.py").write_text(_TASKS, encoding="utf-8")
    (root / ".gitignore").write_text("__pycache__/\n.stillroom/\nversions/*.py\n", encoding="utf-8")
    if shutil.which("git"):
        me = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false"]
        for arguments in (["init", "-q"], ["add", "-A"], [*me, "commit", "-q", "-m", "The fleet"]):
            subprocess.run(["git", *arguments], cwd=root, check=True)
