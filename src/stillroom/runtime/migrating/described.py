"""The service that a command line is about: where its project is, and which variable has its URL.

A migration Job has one service in its image: `./alembic.ini`, and nothing has to be said.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from .. import facts, faults

__all__ = ["DIRECT", "add_arguments", "service"]

DIRECT = "MIGRATION_DATABASE_URL"
"""The variable with the URL of the server itself, where services use a pooler."""

SERVICE = "STILLROOM_SERVICE"
ROLE = "STILLROOM_SERVICE_ROLE"
GRANTS = "STILLROOM_GRANTS"
_CONFIGS = ("alembic.ini", "pyproject.toml")
_FOLDERS = (".", "{name}", "services/{name}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what names a service and its database."""
    parser.add_argument("--service", metavar="NAME", help=f"the service (default: {SERVICE}, or its folder's name)")
    parser.add_argument(
        "--config", metavar="FILE", help="its alembic.ini or pyproject.toml (default: found by its name)"
    )
    parser.add_argument("--url-variable", metavar="NAME", help="the variable that env.py reads its URL from")
    parser.add_argument("--schemas", metavar="A,B", help="schemas that it owns (default: all of its database)")
    parser.add_argument("--version-table", metavar="NAME", help="its version table (default: as env.py says)")
    parser.add_argument("--version-table-schema", metavar="NAME", help="the schema of that")
    parser.add_argument("--heads", type=int, default=None, metavar="N", help="how many heads its history has by design")


def service(given: argparse.Namespace, environ: Mapping[str, str] | None = None) -> facts.ServiceFacts:
    """The service that the arguments, or the environment, name.

    Raises:
        faults.WrongRequest: `service-not-found`, `url-variable-unclear`, `heads-missing`.
    """
    said = os.environ if environ is None else environ
    named = given.service or said.get(SERVICE) or ""
    config = _config(given.config, named)
    folder = config.parent
    name = Path(named).name or folder.name or "service"
    return facts.ServiceFacts(
        name,
        str(folder),
        str(config),
        url_variable=_url_variable(given.url_variable, name, said),
        given_url_variable=DIRECT if said.get(DIRECT) else None,
        schemas=_listed(given.schemas),
        version_table=given.version_table,
        version_table_schema=given.version_table_schema,
        heads=given.heads or 1,
        service_role=getattr(given, "service_role", None) or said.get(ROLE) or None,
        grants=_listed(getattr(given, "grants", None) or said.get(GRANTS)),
    )


def _config(given: str | None, named: str) -> Path:
    tried = [Path(given)] if given else _places(named)
    for each in tried:
        if each.is_file():
            return each.absolute()
    raise faults.WrongRequest(
        "service-not-found",
        f"there is no Alembic configuration in {Path.cwd()}: looked for {', '.join(map(str, tried))}",
        f"start it in the service's folder, or name the file (--config) or the service (--service, {SERVICE})",
    )


def _places(named: str) -> list[Path]:
    folders = [Path(each.format(name=named)) for each in _FOLDERS if named or "{" not in each]
    if named:
        folders = [*folders[1:], folders[0]]
    return [
        folder / file for folder in folders for file in _CONFIGS if file == _CONFIGS[0] or _is_alembic(folder / file)
    ]


def _is_alembic(file: Path) -> bool:
    return file.is_file() and b"[tool.alembic]" in file.read_bytes()


def _url_variable(given: str | None, name: str, said: Mapping[str, str]) -> str:
    """What is given; else the service's own variable, else DATABASE_URL, whichever is set."""
    own = f"{name.upper().replace('-', '_')}_DATABASE_URL"
    for each in (given, own, "DATABASE_URL"):
        if each and (each == given or said.get(each)):
            return each
    there = sorted(each for each in said if each.endswith("DATABASE_URL") and each != DIRECT)
    if said.get(DIRECT) and len(there) < 2:
        return there[0] if there else "DATABASE_URL"
    listed = f"; set are: {', '.join(there)}" if there else ""
    raise faults.WrongRequest(
        "url-variable-unclear",
        f"{name}: neither {own} nor DATABASE_URL is set{listed}",
        "name the variable that env.py reads: --url-variable NAME",
    )


def _listed(text: str | None) -> tuple[str, ...] | None:
    parts = tuple(each.strip() for each in (text or "").split(",") if each.strip())
    return parts or None
