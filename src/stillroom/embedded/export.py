"""The URLs of a fleet's databases as a person's shell takes them. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

__all__ = ["export_lines", "urls"]


class _Service(Protocol):
    """What is needed of a service of the registry."""

    @property
    def url_variable(self) -> str: ...

    @property
    def database(self) -> str: ...

    @property
    def driver(self) -> str: ...


def urls(services: Iterable[_Service], url: Callable[[str, str], str], driver: str = "") -> dict[str, str]:
    """Each service's URL variable with the URL of its database, which `url` gives (`Embedded.url`).

    Args:
        services: which ones.
        url: `(database, driver) -> URL`.
        driver: what stands before `://`; empty: what each service connects with.
    """
    return {
        service.url_variable: url(service.database, driver or f"postgresql+{service.driver}") for service in services
    }


def export_lines(variables: Mapping[str, str]) -> list[str]:
    """Lines that a POSIX shell can evaluate."""
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
