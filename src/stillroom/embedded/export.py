"""The URLs of a fleet's databases as a person's shell takes them. Pure."""

from __future__ import annotations

import shlex
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

__all__ = ["export_lines", "urls", "variables"]


class _Service(Protocol):
    """What is needed of a service of the registry."""

    @property
    def url_variable(self) -> str: ...

    @property
    def database(self) -> str: ...

    @property
    def driver(self) -> str: ...

    @property
    def url(self) -> Mapping[str, Any] | None: ...


def urls(services: Iterable[_Service], url: Callable[[str, str], str], driver: str = "") -> dict[str, str]:
    """Each service's variables with the URL of its database (or its parts), which `url` gives (`Embedded.url`).

    Args:
        services: which ones.
        url: `(database, driver) -> URL`.
        driver: what stands before `://`; empty: what each service connects with.
    """
    found: dict[str, str] = {}
    for service in services:
        found |= variables(service, url(service.database, driver or f"postgresql+{service.driver}"))
    return found


def variables(service: _Service, url: str) -> dict[str, str]:
    """The variables from which a service's `env.py` learns this URL; none, where it reads an ini file."""
    said = service.url or {}
    if "ini" in said:
        return {}
    if "variables" not in said:
        return {service.url_variable: url}
    parsed = urllib.parse.urlsplit(url)
    parts = {
        "host": parsed.hostname or "",
        "port": str(parsed.port or ""),
        "user": urllib.parse.unquote(parsed.username or ""),
        "password": urllib.parse.unquote(parsed.password or ""),
        "name": urllib.parse.unquote(parsed.path.removeprefix("/")),
    }
    return {name: parts[part] for part, name in said["variables"].items()}


def export_lines(variables: Mapping[str, str]) -> list[str]:
    """Lines that a POSIX shell can evaluate."""
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
