"""The URL of a service: read where `env.py` reads it, pointed elsewhere while a block runs, and guarded."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from .. import facts, faults
from ..connections import guard, urls
from . import source_kinds, sources

__all__ = ["only", "pointed_at", "scratch_url", "service_url", "working_on"]


def service_url(service: facts.ServiceFacts) -> str:
    """The URL of the service's database, from where `env.py` has it.

    What only the operator side knows of it (a password that does not last) is known to `env.py` from now on.

    Raises:
        faults.ProjectFault: if it is not there, or is no URL of PostgreSQL.
    """
    return sources.url(service)


def scratch_url(service: facts.ServiceFacts) -> str | None:
    """The URL of the scratch database that the registry names by a variable; None if it names none.

    Raises:
        faults.ProjectFault: if it names one that is not set, or holds no PostgreSQL URL: what was asked for must not
            be left out in silence.
    """
    variable = service.scratch_url_variable
    if variable is None:
        return None
    text = os.environ.get(variable)
    if not text:
        raise faults.ProjectFault(
            "variable-missing",
            f"{service.name}: the environment variable {variable} is not set",
            f"set {variable} to the URL of an empty database, or take scratch_url_variable: out of services.yaml",
            data={"variable": variable},
        )
    source_kinds.checked(service.name, variable, text, f"export {variable}={urls.FORM} ('@' in a password is %40)")
    sources.keep_secret(text)
    return text


@contextlib.contextmanager
def pointed_at(service: facts.ServiceFacts, url: str) -> Iterator[None]:
    """While the block runs, the service's `env.py` learns this URL instead of its own.

    Raises:
        faults.ProjectFault: `source-too-narrow`, `option-untranslatable`.
    """
    with sources.pointed_at(service, url):
        yield


@contextlib.contextmanager
def only(service: facts.ServiceFacts, url: str) -> Iterator[None]:
    """While the block runs, the service's code can connect to this database and to no other; see `guard.only`."""
    source = sources.of(service)
    with guard.only(url, advice=source.advice, kept=source.kept):
        yield


@contextlib.contextmanager
def working_on(service: facts.ServiceFacts, url: str) -> Iterator[None]:
    """While the block runs, `env.py` learns this URL, and the service's code can connect to nothing else.

    Raises:
        faults.ProjectFault: `source-too-narrow`, `option-untranslatable`.
        guard.Violation: see `guard.only`.
    """
    # What the URL leaves to PG* variables is written out: the guard takes those variables away.
    with pointed_at(service, urls.with_database(url, urls.address(url).database)), only(service, url):
        yield
