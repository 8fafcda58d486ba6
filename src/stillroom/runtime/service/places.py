"""Where the Alembic project of a service is, when nobody says: in the image of one service, or in that of many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["config", "tried"]

_FOLDERS = ("{name}", "services/{name}", ".")
_FILES = ("alembic.ini", "pyproject.toml")


def config(service_name: str, environ: Mapping[str, str]) -> str | None:
    """The configuration of the service that `STILLROOM_SERVICE` names, else of `service_name`; None: there is none.

    Args:
        service_name: the service.
        environ: the environment.
    """
    name = environ.get("STILLROOM_SERVICE") or service_name
    for folder in _FOLDERS:
        for file in (Path(folder.format(name=name)) / each for each in _FILES):
            if file.is_file() and (file.name == _FILES[0] or b"[tool.alembic]" in file.read_bytes()):
                return str(file)
    return None


def tried(service_name: str) -> list[str]:
    """Where it would have been, for messages."""
    return [str(Path(folder.format(name=service_name)) / _FILES[0]) for folder in _FOLDERS]
