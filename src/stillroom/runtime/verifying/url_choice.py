"""Which variable of the environment has the URL of this service: what is named, else its own, else DATABASE_URL.

Never any other one: a lone `ORDERS_DATABASE_URL` in the environment of `shop` is the database of somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from .. import faults

__all__ = ["DEFAULT", "VARIABLE", "choose"]

DEFAULT = "DATABASE_URL"
VARIABLE = "STILLROOM_URL_VARIABLE"
"""What names the variable in a service's manifest."""

_DIRECT = "MIGRATION_DATABASE_URL"
_READ = re.compile(
    rb"""(?:environ(?:\.get)?|getenv)\s*[\[(]\s*["']([A-Z][A-Z0-9_]*(?:URL|URI|DSN)[A-Z0-9_]*)["']""", re.ASCII
)


def choose(named: str | None, service: str, env: Path | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """The variable and the URL in it.

    Args:
        named: by an option; None: `STILLROOM_URL_VARIABLE` may name it.
        service: its name: `AUTH_DATABASE_URL` is the own variable of `auth`; "": not known.
        env: its env.py, whose source may name the variable that it reads; it is not run.
        environ: the environment.

    Raises:
        faults.WrongRequest: `url-variable-unset`, `url-variable-unclear`; both with the candidates.
    """
    named = named or environ.get(VARIABLE)
    if named:
        if not environ.get(named):
            raise _unset(f"the variable {named}, which is to have the database's URL, is not set", "it", environ)
        return named, environ[named]
    own = [each for each in _own(service, env) if environ.get(each)]
    found = list(dict.fromkeys(own))
    if len({environ[each] for each in found}) > 1:
        raise faults.WrongRequest(
            "url-variable-unclear",
            f"several variables may have the database's URL: {', '.join(found)}",
            "name the one that is meant: --url-variable NAME, or STILLROOM_URL_VARIABLE",
            data={"candidates": found},
        )
    if found:
        return found[0], environ[found[0]]
    if environ.get(DEFAULT):
        return DEFAULT, environ[DEFAULT]
    looked = ", ".join(dict.fromkeys([*_own(service, env), DEFAULT]))
    whose = f"{service}: " if service else ""
    raise _unset(f"{whose}no variable has the database's URL: none of {looked} is set", "one of them", environ)


def _own(service: str, env: Path | None) -> list[str]:
    """The variables that are this service's: by its name, and those that env.py reads."""
    upper = re.sub(r"\W", "_", service, flags=re.ASCII).upper()
    by_name = [f"{upper}_DATABASE_URL"] if upper else []
    try:
        source = env.read_bytes() if env is not None else b""
    except OSError:  # told by who needs the file
        source = b""
    read = [each.decode() for each in _READ.findall(source)]
    return [*by_name, *(each for each in read if each not in (DEFAULT, _DIRECT))]


def _urls(environ: Mapping[str, str]) -> list[str]:
    return sorted(each for each in environ if each.endswith("_DATABASE_URL") and each != _DIRECT and environ[each])


def _unset(message: str, what: str, environ: Mapping[str, str]) -> faults.WrongRequest:
    there = _urls(environ)
    seen = f"; others that are set, and that are not taken unless they are named: {', '.join(there)}" if there else ""
    return faults.WrongRequest(
        "url-variable-unset",
        message + seen,
        f"set {what}, or name another one: --url-variable NAME, or {VARIABLE}",
        data={"candidates": there},
    )
