"""The libraries that migrations need: whether they import, and are new enough. They may be missing: nothing imports them."""

from __future__ import annotations

import importlib
import re
import sys

from . import faults

__all__ = ["imported", "judged", "pip", "unusable"]

_TITLES = {"alembic": "Alembic", "sqlalchemy": "SQLAlchemy"}
_OLDEST = {"alembic": (1, 12), "sqlalchemy": (1, 4)}


def unusable() -> faults.ProjectFault | None:
    """Why nothing can be done with these libraries; None where they are not the reason.

    An Alembic that is older than those that this is tested with is none: most things work with it.
    """
    for name in ("sqlalchemy", "alembic"):
        version, fault = judged(name)
        if fault is not None and (version is None or name == "sqlalchemy"):
            return fault
    return None


def judged(name: str) -> tuple[str | None, faults.ProjectFault | None]:
    """Imports `alembic` or `sqlalchemy`.

    Returns:
        Its version, None if it does not import; and what is wrong with it: `…-missing`, `…-broken` (it is there and
        does not import), `…-old`; None if it is as it should be.
    """
    title = _TITLES[name]
    least = ".".join(map(str, _OLDEST[name]))
    try:
        version = _version(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return None, faults.ProjectFault(f"{name}-missing", f"{title} does not import: {_told(error)}", pip(name))
        return None, _broken(name, error)
    except Exception as error:  # noqa: BLE001 - a broken installation raises anything (OSError of a library, say)
        return None, _broken(name, error)
    if _number(version) >= _OLDEST[name]:
        return version, None
    return version, faults.ProjectFault(
        f"{name}-old",
        f"{title} {version} is older than {least}, the oldest that this works with",
        pip(f"{name}>={least}"),
    )


def imported(name: str) -> tuple[str | None, str]:
    """The version of a package that imports, or None and what went wrong."""
    try:
        return _version(name), ""
    except Exception as error:  # noqa: BLE001 - a broken installation raises anything
        return None, _told(error)


def pip(requirement: str, *options: str) -> str:
    """The command that installs something for this interpreter."""
    plain = re.fullmatch(r"[\w.-]+", requirement) is not None
    return " ".join([sys.executable, "-m pip install", *options, requirement if plain else repr(requirement)])


def _broken(name: str, error: Exception) -> faults.ProjectFault:
    """As SQLAlchemy before 2.0.31 is on Python 3.13: to install it once more would change nothing."""
    return faults.ProjectFault(
        f"{name}-broken",
        f"{_TITLES[name]} is installed for Python {sys.version_info[0]}.{sys.version_info[1]} "
        f"and does not import: {_told(error)}",
        "install a version that this Python can import: " + pip(name, "--upgrade"),
    )


def _version(name: str) -> str:
    module = importlib.import_module(name)
    return str(getattr(module, "__version__", "of unknown version")).split(" ")[0]


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _number(version: str) -> tuple[int, ...]:
    """The leading numbers of a version; very high where there are none, so that nothing is called old by mistake."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return (int(numbers[1]), int(numbers[2])) if numbers else (sys.maxsize,)
