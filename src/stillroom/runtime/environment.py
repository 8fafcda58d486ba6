"""The URL variable of a service: read, and pointed elsewhere while a block runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from . import facts, faults, urls

__all__ = ["pointed_at", "scratch_url", "service_url"]


def service_url(service: facts.ServiceFacts) -> str:
    """The URL of the service's database, from its variable.

    Raises:
        faults.ProjectFault: if the variable is not set, or holds no PostgreSQL URL.
    """
    text = os.environ.get(service.url_variable)
    if not text:
        raise faults.ProjectFault(
            "variable-missing",
            f"{service.name}: the environment variable {service.url_variable} is not set",
            f"export {service.url_variable}=postgresql+asyncpg://user@host:5432/database, "
            "or correct url_variable: in services.yaml",
            data={"variable": service.url_variable},
        )
    return _checked(service, service.url_variable, text)


def scratch_url(service: facts.ServiceFacts) -> str | None:
    """The URL of the scratch database that the registry names by a variable; None if it names none.

    Raises:
        faults.ProjectFault: if it names one that is not set, or holds no PostgreSQL URL: what was asked for must not
            be left out in silence.
    """
    if service.scratch_url_variable is None:
        return None
    text = os.environ.get(service.scratch_url_variable)
    if not text:
        raise faults.ProjectFault(
            "variable-missing",
            f"{service.name}: the environment variable {service.scratch_url_variable} is not set",
            f"set {service.scratch_url_variable} to the URL of an empty database, "
            "or take scratch_url_variable: out of services.yaml",
            data={"variable": service.scratch_url_variable},
        )
    return _checked(service, service.scratch_url_variable, text)


def _checked(service: facts.ServiceFacts, variable: str, text: str) -> str:
    """The text, if it names a database; else a fault that says which variable is to be corrected."""
    try:
        urls.address(text)
    except faults.ProjectFault as fault:
        raise faults.ProjectFault(
            fault.code,
            f"{service.name}: {variable} holds no PostgreSQL URL: {fault.data['shown']}: {fault.data['why']}",
            f"export {variable}={urls.FORM} ('@' in a password is %40)",
            data={"variable": variable},
        ) from fault
    return text


@contextlib.contextmanager
def pointed_at(service: facts.ServiceFacts, url: str) -> Iterator[None]:
    """While the block runs, the service's variable holds this URL."""
    before = os.environ.get(service.url_variable)
    os.environ[service.url_variable] = url
    try:
        yield
    finally:
        if before is None:
            del os.environ[service.url_variable]
        else:
            os.environ[service.url_variable] = before
