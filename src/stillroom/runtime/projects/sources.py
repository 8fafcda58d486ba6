"""How `env.py` learns its URL: one variable, several, the ini file, `alembic -x`; read there, and another put in its place.

Alembic and SQLAlchemy may be missing when this is imported.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

from .. import facts, secrecy
from . import env_file, source_kinds

__all__ = ["DIRECT", "EVERYBODY", "direct_variable", "given", "keep_secret", "of", "own", "pointed_at", "url"]


EVERYBODY = "STILLROOM_SERVICE_URL"
"""The variable that has the URL meanwhile, whichever way `env.py` goes."""

DIRECT = "MIGRATION_"
"""What stands before the name of the variable with the URL that is used instead, by all that is done with the database."""

_current: dict[str, str] = {}
"""Service -> the URL that was put in the place of its own."""

_own: dict[str, str] = {}
"""Service -> the URL of its own database, with what `PG*` variables said of it."""


def of(service: facts.ServiceFacts) -> source_kinds.Source:
    """The way that the registry declares."""
    env_file.load(service)
    said = service.url or {}
    if "variables" in said:
        return source_kinds.Parts(service, said["variables"])
    if "ini" in said:
        return source_kinds.Ini(service, said["ini"])
    if "argument" in said:
        return source_kinds.Argument(service, said["argument"])
    return source_kinds.Variable(service)


def url(service: facts.ServiceFacts) -> str:
    """The URL that `env.py` would use now. What only the operator side knows of it, `env.py` is told from now on.

    Raises:
        faults.ProjectFault: if it is not there, or is none of PostgreSQL.
    """
    if service.name in _current:
        return _current[service.name]
    source = of(service)
    direct = None if service.given_url_variable else direct_variable(service)
    whole, password = direct or service.given_url_variable, service.password_variable
    text = os.environ[whole] if whole else source.read()
    from ..connections import urls

    if direct:
        source_kinds.checked(service.name, direct, text, f"export {direct}=URL of the server itself, not of its pooler")
    elif password:
        text = urls.with_password(text, os.environ[password])
    if whole or password:
        os.environ.update(source.given(text).variables)
        _current[service.name] = text
    keep_secret(text)
    _own.setdefault(service.name, urls.with_database(text, urls.address(text).database))
    return text


def own(service: facts.ServiceFacts) -> str | None:
    """The URL of the service's own database, also while `env.py` learns another; None if nobody has asked for it yet."""
    return _own.get(service.name)


def direct_variable(service: facts.ServiceFacts) -> str | None:
    """The variable with a URL that goes to the server itself, where the service's own goes to a pooler; None: not set.

    `MIGRATION_` stands before the name of the service's own variable, since many services may share an environment.
    """
    name = f"{DIRECT}{service.url_variable}"
    return name if os.environ.get(name) else None


def keep_secret(url: str) -> None:
    """From now on the password of this URL is not repeated in what is told."""
    from ..connections import urls

    parts = urls.parts(url)
    secrecy.learn(parts["password"], parts["user"], parts["name"], parts["host"])


def given(service: facts.ServiceFacts) -> source_kinds.Given:
    """What `env.py` has to be given now, beside the variables of the environment."""
    source = of(service)
    if service.name in _current:
        return source.given(_current[service.name])
    text = source.text()
    return source.given(text) if isinstance(source, source_kinds.Argument) and text else source_kinds.Given()


@contextlib.contextmanager
def pointed_at(service: facts.ServiceFacts, url: str) -> Iterator[None]:
    """While the block runs, `env.py` learns this URL.

    Raises:
        faults.ProjectFault: `source-too-narrow`.
    """
    keep_secret(url)
    # For a bootstrap step: what env.py has from an ini file or an argument, nobody beside it would know.
    variables = {**of(service).given(url).variables, EVERYBODY: url}
    before = {name: os.environ.get(name) for name in variables}
    current = _current.get(service.name)
    os.environ.update(variables)
    _current[service.name] = url
    try:
        yield
    finally:
        _restore(before)
        _current.pop(service.name)
        if current is not None:
            _current[service.name] = current


def _restore(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
