"""Preflight: the interpreter, and the libraries that migrations need. Standard library only: it is what may be missing."""

from __future__ import annotations

import platform
import re
import sys
from typing import Any

from .. import libraries
from .preflight_findings import Findings

__all__ = ["check", "driver_of", "judge_taken"]

_DRIVERS = ("asyncpg", "psycopg", "psycopg2")
_PACKAGES = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary"}
_OTHER_DRIVER = "name a driver that is installed in the URL: postgresql+asyncpg:// (or psycopg, psycopg2)"
_TITLES = {"alembic": "Alembic", "sqlalchemy": "SQLAlchemy"}
_SCHEME = re.compile(r"\s*\w+\+(\w+)://")
_ENGINE = re.compile(r"\b(engine_from_config|create_engine)\s*\(")
_ASYNCIO = re.compile(r"sqlalchemy\.ext\.asyncio|async_engine")


def check(found: Findings, facts: dict[str, Any], url: str | None, env_source: str) -> bool:
    """Imports what the service's migrations need.

    Args:
        found: the findings go here.
        facts: `versions` (name to version) and `driver` go here.
        url: the service's URL, as far as it is known: it names the driver.
        env_source: the text of env.py, which tells whether SQLAlchemy's asyncio is used.

    Returns:
        Whether both Alembic and SQLAlchemy can be used, without which no further check can be made.
    """
    versions: dict[str, str] = facts.setdefault("versions", {})
    versions["python"] = platform.python_version()
    found.ok("python", f"Python {versions['python']} ({sys.executable})", executable=sys.executable)
    usable = _libraries(found, versions)
    facts["driver"] = _driver(found, versions, url)
    _greenlet(found, versions, facts["driver"], env_source)
    return usable


def driver_of(url: str) -> str | None:
    """The driver that a URL names (`postgresql+asyncpg://`), by the name of its package; None where it names none."""
    named = _SCHEME.match(url)
    return named[1].removesuffix("_async") if named else None


def _libraries(found: Findings, versions: dict[str, str]) -> bool:
    """Alembic and SQLAlchemy, which it imports: what is wrong with SQLAlchemy is said once."""
    usable = True
    judged = {name: libraries.judged(name) for name in ("sqlalchemy", "alembic")}
    for name, title in _TITLES.items():
        version, fault = judged[name]
        if version is not None:
            versions[name] = version
        if fault is None:
            found.ok(name, f"{title} {version}")
        elif fault.code == "alembic-old":
            found.warning(name, fault.message, fault.mend, code=fault.code)
        elif fault.code == "alembic-broken" and judged["sqlalchemy"][0] is None:
            found.skipped(name, "not imported: it needs SQLAlchemy, which does not import")
        else:
            found.fault(name, fault)
            usable = False
    return usable


def _driver(found: Findings, versions: dict[str, str], url: str | None) -> str | None:
    named = driver_of(url) if url else None
    if named is not None:
        version, problem = libraries.imported(named)
        if version is None:
            found.error(
                "driver",
                f"{named}, the driver that the URL names, does not import: {problem}",
                libraries.pip(_PACKAGES.get(named, named)) if named in _DRIVERS else _OTHER_DRIVER,
                code="driver-missing",
            )
            return None
        versions[named] = version
        found.ok("driver", f"{named} {version}")
        return named
    return _any_driver(found, versions)


def judge_taken(found: Findings, given: str, own: str, env_source: str) -> None:
    """Whether the driver can be had that SQLAlchemy takes for the URL that `env.py` gives to Alembic.

    A URL may name none, and which one is taken then depends on SQLAlchemy: psycopg2 up to 2.0, psycopg from 2.1 on.

    Args:
        found: the findings go here.
        given: that URL.
        own: the service's URL. Where that names the same driver, it has been judged.
        env_source: text of `env.py`. Where it makes no engine by itself, or an asynchronous one, a driver may be put in
            on the way.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    named = driver_of(given)
    put_in = "async" in env_source or not _ENGINE.search(env_source)
    if not given.startswith("postgres") or (put_in if named is None else named == driver_of(own)):
        return
    try:
        taken = make_url(given).get_dialect().driver
    except (SQLAlchemyError, ValueError):
        return  # told by whoever connects, with the URL's mistake
    _, problem = libraries.imported(taken)
    if problem:
        why = "the URL that env.py gives to Alembic names it" if named else "the URL names no driver"
        found.error(
            "driver",
            f"SQLAlchemy takes {taken} ({why}), and that does not import: {problem}",
            f"{libraries.pip(_PACKAGES.get(taken, taken))}; or name one that is installed in the URL",
            code="driver-missing",
        )


def _any_driver(found: Findings, versions: dict[str, str]) -> str | None:
    """The URL names none (or there is no URL): the first that there is, in the order in which it would be picked."""
    for name in _DRIVERS:
        version, _ = libraries.imported(name)
        if version is not None:
            versions[name] = version
            found.ok("driver", f"{name} {version} (the URL names no driver)")
            return name
    found.error(
        "driver",
        f"no driver for PostgreSQL imports (looked for {', '.join(_DRIVERS)})",
        libraries.pip("asyncpg"),
        code="driver-missing",
    )
    return None


def _greenlet(found: Findings, versions: dict[str, str], driver: str | None, env_source: str) -> None:
    if driver != "asyncpg" and not _ASYNCIO.search(env_source):
        return
    version, problem = libraries.imported("greenlet")
    if version is None:
        found.error(
            "greenlet",
            f"greenlet missing: SQLAlchemy's asyncio needs it, and SQLAlchemy 2.1 no longer brings it ({problem})",
            libraries.pip("sqlalchemy[asyncio]"),
            code="greenlet-missing",
        )
        return
    versions["greenlet"] = version
    found.ok("greenlet", f"greenlet {version}")
