"""Fleets for tests of commands: services in a folder, a registry, a `tasks.py` of one line, and databases.

shop = fleets.Fleet(folder).add("auth", database, models=...).written()
shop.run("regenerate", "--yes")
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support import postgres, program, projects

__all__ = ["ENVIRONMENTS", "Fleet"]

ENVIRONMENTS: dict[str, Any] = {
    "local": {"target": "local", "database": "environment"},
    "live": {"target": "local", "database": "environment", "protected": True},
    "cluster": {"target": "kubernetes", "namespace": "shop"},
    "hosts": {"target": "ssh", "host": "box"},
    "development": {"target": "local", "database": "embedded"},
}
_PASSING = ("__pycache__", ".stillroom", ".git")


class Fleet:
    """Services in a folder, each with its database, and `invoke` there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services: dict[str, projects.Made] = {}
        self.databases: dict[str, postgres.Database] = {}
        self.roles: dict[str, postgres.Role] = {}
        self.program = program.Program(folder)
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, database: postgres.Database, role: postgres.Role, **said: Any) -> Fleet:
        """Adds a service (see `projects.make_service`) and its database, which it uses as this role."""
        made = projects.make_service(self.folder / name, **said)
        self.services[name] = made
        self.databases[name] = database
        self.roles[name] = role
        self.program.variables[made.url_variable] = database.url(role=role)
        return self

    def written(self, **said: Any) -> Fleet:
        """Writes the registry (see `projects.make_registry`) and `tasks.py`."""
        projects.make_registry(
            self.folder,
            *self.services.values(),
            **{"environments": ENVIRONMENTS, "default_environment": "local", **said},
        )
        (self.folder / "tasks.py").write_text("from stillroom.tasks import namespace\n")
        return self

    def run(self, *arguments: str, variables: Mapping[str, str] | None = None) -> program.Ran:
        """See `program.Program.run`."""
        return self.program.run(*arguments, variables=variables)

    @contextlib.contextmanager
    def untouched(self) -> Iterator[None]:
        """Fails if the block changes a file of the services (content or time), or anything in their databases."""
        before = self.files(), self.catalogs()
        yield
        assert (self.files(), self.catalogs()) == before

    def files(self, *, hidden: bool = False) -> dict[str, tuple[str, int]]:
        """Every file but bytecode and Stillroom's own (unless `hidden`): SHA-256 and time of change."""
        left_out = _PASSING[:1] if hidden else _PASSING
        return {
            str(file.relative_to(self.folder)): (
                hashlib.sha256(file.read_bytes()).hexdigest(),
                file.stat().st_mtime_ns,
            )
            for file in sorted(self.folder.rglob("*"))
            if file.is_file() and not any(part in left_out for part in file.parts)
        }

    def catalogs(self) -> dict[str, list[tuple[Any, ...]]]:
        """The objects of each database with their OIDs and file nodes: a dropped and remade one is another."""
        return {name: database.fetch(_CATALOG) for name, database in self.databases.items()}

    def leftovers(self) -> list[str]:
        """Scratch databases of these services' roles that are still there."""
        found: set[str] = set()
        for database in self.databases.values():
            names = [role.name for role in self.roles.values()]
            found.update(name for (name,) in database.server.fetch(_SCRATCH, [names]))
        return sorted(found)

    def history(self, service: str) -> dict[str, str]:
        """The revision files of a service."""
        return self.services[service].history


_CATALOG = """
SELECT c.oid::bigint, c.relfilenode::bigint, c.relname::text, c.reltuples FROM pg_class c
WHERE c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  AND c.relnamespace::regnamespace::text !~ '^pg_t'
UNION ALL SELECT oid::bigint, 0, nspname::text, 0 FROM pg_namespace WHERE nspname !~ '^pg_t'
ORDER BY 1, 3
"""
_SCRATCH = """
SELECT datname::text FROM pg_database
WHERE datname LIKE 'stillroom\\_scratch\\_%%' AND pg_get_userbyid(datdba) = ANY(%s)
"""
