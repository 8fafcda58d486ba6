"""A database's URL out of several variables, a part each: how many deployments have it (`DB_HOST`, `DB_NAME`, …).

Which variable has which part is said: `--url-variables host=DB_HOST,name=DB_NAME,user=DB_USER,password=DB_PASSWORD`, or
`STILLROOM_URL_VARIABLES`; in services.yaml it is `url: {variables: …}`. Nothing here needs SQLAlchemy.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping

from .. import faults

__all__ = ["PARTS", "VARIABLES", "named", "url"]

PARTS = ("host", "port", "user", "password", "name")
VARIABLES = "STILLROOM_URL_VARIABLES"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_MAY_BE_EMPTY = ("port", "password")


def named(given: str | None, environ: Mapping[str, str]) -> dict[str, str] | None:
    """Part to variable, as an option or else the environment says; None: neither does.

    Raises:
        faults.WrongRequest: `choice-unknown`: it says something else, or not where the host and the database are.
    """
    text = given or environ.get(VARIABLES)
    if not text:
        return None
    pairs = [each.strip().partition("=") for each in text.split(",") if each.strip()]
    found = {part.strip(): variable.strip() for part, _, variable in pairs}
    if len(found) != len(pairs) or not found.keys() <= set(PARTS) or not all(map(_VARIABLE.fullmatch, found.values())):
        raise _unclear(f"{text!r} does not name a variable for each part")
    missing = [each for each in ("host", "name") if each not in found]
    if missing:
        raise _unclear(f"{text!r} does not say which variable has the {' and the '.join(missing)}")
    return found


def _unclear(what: str) -> faults.WrongRequest:
    return faults.WrongRequest(
        "choice-unknown",
        f"--url-variables (or {VARIABLES}): {what}",
        f"write it as host=DB_HOST,name=DB_NAME,user=DB_USER,password=DB_PASSWORD; the parts are {', '.join(PARTS)}",
    )


def url(variables: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """The URL, without a driver, that the variables make up.

    Args:
        variables: part to variable, see `named`.
        environ: the environment.

    Raises:
        faults.WrongRequest: `url-variable-unset`, with the names of those that are not set.
    """
    missing = [
        name
        for part, name in variables.items()
        if (name not in environ if part == "password" else part not in _MAY_BE_EMPTY and not environ.get(name))
    ]
    if missing:
        several = len(missing) > 1
        raise faults.WrongRequest(
            "url-variable-unset",
            f"the variable{'s' * several} {', '.join(missing)}, of which the database's URL is made, "
            f"{'are' if several else 'is'} not set",
            f"set {'them' if several else 'it'}, or leave out of --url-variables (or {VARIABLES}) what there is not",
            data={"candidates": missing},
        )
    return _made({part: environ.get(name, "") for part, name in variables.items()})


def _made(parts: Mapping[str, str]) -> str:
    user, password, name = (urllib.parse.quote(parts.get(each, ""), safe="") for each in ("user", "password", "name"))
    who = (f"{user}:{password}@" if password else f"{user}@") if user else ""
    host, port = parts["host"], parts.get("port", "")
    if host.startswith("/") or "," in host:
        query = urllib.parse.urlencode({"host": host, **({"port": port} if port else {})})
        return f"postgresql://{who}/{name}?{query}"
    place = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
    return f"postgresql://{who}{place}{f':{port}' if port else ''}/{name}"
