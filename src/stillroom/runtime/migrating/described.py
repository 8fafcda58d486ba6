"""The service that a command line is about: where its project is, and which variable has its URL.

A migration Job has one service in its image: `./alembic.ini`, and nothing has to be said.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from .. import facts, faults
from ..verifying import url_choice, url_parts

__all__ = ["DIRECT", "add_arguments", "name_of", "service"]

DIRECT = "MIGRATION_DATABASE_URL"
"""The variable with the URL of the server itself, where services use a pooler."""

SERVICE = "STILLROOM_SERVICE"
ROLE = "STILLROOM_SERVICE_ROLE"
GRANTS = "STILLROOM_GRANTS"
_CONFIGS = ("alembic.ini", "pyproject.toml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what names a service and its database."""
    parser.add_argument("--service", metavar="NAME", help=f"the service (default: {SERVICE}, or its folder's name)")
    parser.add_argument(
        "--config", metavar="FILE", help="its alembic.ini or pyproject.toml (default: found by its name)"
    )
    parser.add_argument("--section", default="alembic", metavar="NAME", help="the section of the ini file")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--url-variable", metavar="NAME", help="the variable that env.py reads its URL from")
    which.add_argument(
        "--url-variables", metavar="PART=NAME,…", help="those that it reads parts of it from: host=DB_HOST,…"
    )
    parser.add_argument("--schemas", metavar="A,B", help="schemas that it owns (default: all of its database)")
    parser.add_argument("--version-table", metavar="NAME", help="its version table (default: as env.py says)")
    parser.add_argument("--version-table-schema", metavar="NAME", help="the schema of that")
    parser.add_argument("--heads", type=int, default=None, metavar="N", help="how many heads its history has by design")


def service(given: argparse.Namespace, environ: Mapping[str, str] | None = None) -> facts.ServiceFacts:
    """The service that the arguments, or the environment, name.

    Raises:
        faults.WrongRequest: `service-not-found`, `url-variable-unclear`, `url-variable-unset`.
    """
    said = os.environ if environ is None else environ
    named = given.service or said.get(SERVICE) or ""
    config = _config(given.config, named)
    folder = config.parent
    name = Path(named).name or folder.name or "service"
    found = facts.ServiceFacts(
        name,
        str(folder),
        str(config),
        given_url_variable=DIRECT if said.get(DIRECT) else None,
        schemas=_listed(given.schemas or said.get("STILLROOM_SCHEMAS")),
        version_table=given.version_table or said.get("STILLROOM_VERSION_TABLE") or None,
        version_table_schema=given.version_table_schema or said.get("STILLROOM_VERSION_TABLE_SCHEMA") or None,
        ini_section=given.section,
        heads=given.heads or 1,
        models=tuple(filter(None, [getattr(given, "models", None)])),
        service_role=getattr(given, "service_role", None) or said.get(ROLE) or None,
        grants=_listed(getattr(given, "grants", None) or said.get(GRANTS)),
    )
    parts = None if given.url_variable or said.get(url_choice.VARIABLE) else url_parts.named(given.url_variables, said)
    if parts is not None:
        if not said.get(DIRECT):
            url_parts.url(parts, said)  # what is not set is told at once
        return dataclasses.replace(found, url={"variables": parts}, url_variable=url_choice.DEFAULT)
    return dataclasses.replace(found, url_variable=_url_variable(given.url_variable, found, said))


def name_of(given: argparse.Namespace, environ: Mapping[str, str] | None = None) -> str:
    """The name of the service that is meant, whether it can be found or not."""
    named = given.service or (os.environ if environ is None else environ).get(SERVICE) or ""
    folder = Path(given.config).absolute().parent if given.config else Path.cwd()
    return Path(named).name or folder.name or "service"


def _config(given: str | None, named: str) -> Path:
    """As `verify` finds it."""
    folders = [Path(named), Path("services", named), Path()] if named else [Path()]
    tried = [Path(given)] if given else [folder / file for folder in folders for file in _CONFIGS]
    for each in tried:
        if each.is_file() and (given or each.name == _CONFIGS[0] or b"[tool.alembic]" in each.read_bytes()):
            return each.absolute()
    raise faults.WrongRequest(
        "service-not-found",
        f"there is no Alembic configuration in {Path.cwd()}: looked for {', '.join(map(str, tried))}",
        "put alembic.ini into the image; or name the file (--config) or the service (--service, STILLROOM_SERVICE)",
    )


def _url_variable(given: str | None, service: facts.ServiceFacts, said: Mapping[str, str]) -> str:
    """The variable that env.py reads, chosen as `verify` chooses it; where MIGRATION_DATABASE_URL is set it may be empty."""
    from ..projects import locations

    named = given or said.get(url_choice.VARIABLE)
    if named and said.get(DIRECT):
        return named
    env = locations.of(service).script_location / "env.py"
    try:
        return url_choice.choose(given, service.name, env, said)[0]
    except faults.WrongRequest as fault:
        if fault.code != "url-variable-unset" or not said.get(DIRECT):
            raise
        return url_choice.DEFAULT


def _listed(text: str | None) -> tuple[str, ...] | None:
    parts = tuple(each.strip() for each in (text or "").split(",") if each.strip())
    return parts or None
