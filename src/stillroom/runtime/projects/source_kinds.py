"""The ways in which `env.py` may learn its URL, each with how it is read there, and how another is put in its place.

Alembic and SQLAlchemy may be missing when this is imported.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from .. import facts, faults
from . import config_file, env_file

__all__ = ["Argument", "Given", "Ini", "Parts", "Source", "Variable", "checked"]

_FORM = "postgresql+asyncpg://USER:PASSWORD@HOST:5432/DATABASE"
_PLACEHOLDER = re.compile(r"driver://|\w+(\+\w+)?://user:pass@localhost(:\d+)?/dbname\b")
_HOST_AND_PORT = re.compile(r"(?P<host>[^/:,]+):(?P<port>\d+)")


@dataclasses.dataclass(frozen=True)
class Given:
    """What `env.py` is given.

    Attributes:
        variables: of the environment: name to value.
        options: of the ini's section: key to value, not escaped.
        arguments: of `alembic -x`.
    """

    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    arguments: tuple[str, ...] = ()


class Source(Protocol):
    """A way in which `env.py` learns its URL.

    Attributes:
        named: what it is, for messages: `DATABASE_URL`, `sqlalchemy.url in alembic.ini`.
        kept: variables of the environment that belong to it, or to what it leaves to libpq.
        words: texts of which code that goes this way holds one.
        advice: how `env.py` gets the right URL, for messages.
    """

    named: str
    kept: tuple[str, ...]
    words: tuple[str, ...]
    advice: str

    def text(self) -> str | None:
        """The URL as it stands, unchecked; None if there is none, or it does not stand anywhere as one text."""

    def read(self) -> str:
        """The URL.

        Raises:
            faults.ProjectFault: if it is not there, or is none of PostgreSQL.
        """

    def given(self, url: str) -> Given:
        """What tells `env.py` this URL, in the form of the service's own.

        Raises:
            faults.ProjectFault: `source-too-narrow`, where this way does not lead there.
        """


def checked(service: str, named: str, text: str, mend: str) -> str:
    """The text, if it names a database; else a fault that says where it is to be corrected."""
    from ..connections import urls

    try:
        urls.address(text)
    except faults.ProjectFault as fault:
        raise faults.ProjectFault(
            fault.code,
            f"{service}: {named} holds no PostgreSQL URL: {fault.data['shown']}: {fault.data['why']}",
            mend,
            data={"variable": named},
        ) from fault
    return text


def _formed(url: str, like: str | None) -> str:
    from ..connections import urls

    return urls.in_form_of(url, like) if like else url


class Variable:
    """One variable, with or without a driver in it."""

    def __init__(self, service: facts.ServiceFacts) -> None:
        self._service = service
        self.named = service.url_variable
        self.kept: tuple[str, ...] = (service.url_variable,)
        self.words: tuple[str, ...] = self.kept
        source = f"os.environ[{service.url_variable!r}]"
        self.advice = (
            f"Read the URL there from {source}; in env.py: config.set_main_option('sqlalchemy.url', "
            f"{source}.replace('%', '%%'))"
        )

    def text(self) -> str | None:
        """See `Source`."""
        return os.environ.get(self.named) or None

    def read(self) -> str:
        """See `Source`."""
        text = self.text()
        if text is None:
            raise faults.ProjectFault(
                "variable-missing",
                f"{self._service.name}: the environment variable {self.named} is not set"
                f"{env_file.advice(self._service, [self.named])}",
                f"export {self.named}=postgresql+asyncpg://user@host:5432/database, or correct url_variable: in "
                "services.yaml (url: there has other ways)",
                data={"variable": self.named},
            )
        mend = f"export {self.named}={_FORM} ('@' in a password is %40)"
        return checked(self._service.name, self.named, text, mend)

    def given(self, url: str) -> Given:
        """See `Source`."""
        return Given({self.named: _formed(url, self.text())})


class Argument(Variable):
    """`alembic -x key=URL`, where the URL comes from a variable."""

    def __init__(self, service: facts.ServiceFacts, key: str) -> None:
        super().__init__(service)
        self._key = key
        self.words = ("get_x_argument", "cmd_opts", key)
        self.advice = f"Read the URL there from context.get_x_argument(as_dictionary=True)[{key!r}]"

    def given(self, url: str) -> Given:
        """See `Source`."""
        text = _formed(url, self.text())
        return Given({self.named: text}, arguments=(f"{self._key}={text}",))


class Ini:
    """A key of the ini's section."""

    def __init__(self, service: facts.ServiceFacts, key: str) -> None:
        self._service = service
        self._key = key
        self.named = f"{key} in {Path(service.config or 'alembic.ini').name}"
        self.kept: tuple[str, ...] = ()
        self.words: tuple[str, ...] = (key, "engine_from_config")
        self.advice = f"Read the URL there from context.config.get_main_option({key!r})"

    def text(self) -> str | None:
        """See `Source`."""
        try:
            return self._options().text(self._key) or None
        except faults.ProjectFault:
            return None

    def read(self) -> str:
        """See `Source`."""
        name, options = self._service.name, self._options()
        section = f"[{self._service.ini_section}]"
        try:
            text = options.text(self._key)
        except faults.ProjectFault as fault:
            raise faults.ProjectFault(
                fault.code,
                f"{name}: {options.ini}: `{self._key}` in {section} holds a %(...)s that the section does not fill",
                "if env.py fills it from variables, declare those in services.yaml instead: "
                "url: {variables: {host: DB_HOST, ..., name: DB_NAME}}; a plain percent sign is written %%",
            ) from fault
        if not text:
            raise faults.ProjectFault(
                "ini-url-missing",
                f"{name}: {options.ini or self._service.path}: there is no `{self._key}` in {section}, from which "
                "env.py is said to read its URL",
                "correct url: in services.yaml; if env.py reads a variable, it is url_variable: NAME",
            )
        if _PLACEHOLDER.match(text.strip()):
            from ..connections import urls

            raise faults.ProjectFault(
                "url-placeholder",
                f"{name}: {options.ini}: `{self._key}` in {section} is a placeholder that nobody replaced: "
                f"{urls.masked(text)}",
                "write the database's URL there; if env.py replaces it, say in services.yaml from what: "
                "url_variable: NAME, or url: {variables: ...}, or url: {argument: ...}",
            )
        mend = f"correct it in {options.ini}: {self._key} = {_FORM} ('@' in a password is %%40 there)"
        return checked(name, self.named, text, mend)

    def given(self, url: str) -> Given:
        """See `Source`."""
        return Given(options={self._key: _formed(url, self.text())})

    def _options(self) -> config_file.Options:
        service = self._service
        return config_file.read(service.config, Path(service.path).absolute(), service.ini_section)


class Parts:
    """Several variables: a part each."""

    def __init__(self, service: facts.ServiceFacts, names: Mapping[str, str]) -> None:
        self._service = service
        self._names = names
        self.words: tuple[str, ...] = tuple(names.values())
        self.kept: tuple[str, ...] = self.words if "host" in names else (*self.words, "PGHOST", "PGHOSTADDR", "PGPORT")
        self.named = ", ".join(self.words)
        self.advice = f"Put the URL together there from os.environ: {self.named}"

    def text(self) -> str | None:
        """See `Source`."""
        return None

    def read(self) -> str:
        """See `Source`."""
        from ..connections import urls

        missing = [name for part, name in self._names.items() if not self._is_set(part)]
        if missing:
            several = len(missing) > 1
            raise faults.ProjectFault(
                "variable-missing",
                f"{self._service.name}: the environment variable{'s' * several} {', '.join(missing)} "
                f"{'are' if several else 'is'} not set{env_file.advice(self._service, missing)}",
                f"export {' '.join(f'{each}=...' for each in missing)}, or leave out of url: in services.yaml what "
                "env.py does not read",
                data={"variable": missing[0], "variables": missing},
            )
        host, port = self._place()
        if port and not re.fullmatch(r"\d+(,\d+)*", port):
            named = self._names.get("port") or self._names["host"]
            raise faults.ProjectFault(
                "url-invalid",
                f"{self._service.name}: {named} holds no port: a number is expected",
                f"export {named}=5432",
                data={"variable": named},
            )
        return urls.of_parts(self._value("user"), self._value("password"), host, port, self._value("name"))

    def given(self, url: str) -> Given:
        """See `Source`."""
        from ..connections import urls

        wanted = urls.parts(url)
        try:
            own_url = self.read()
        except faults.ProjectFault:  # nothing is known that would be different
            return Given({name: wanted[part] for part, name in self._names.items()})
        own = urls.parts(own_url)
        if urls.endpoints(url) == urls.endpoints(own_url):
            wanted.update(host=own["host"], port=own["port"])
        changed = {part: value for part, value in wanted.items() if value != own[part]}
        if "password" not in self._names and changed.keys() <= {"name", "password"}:
            changed.pop("password", None)  # for the same role on the same server it has one by itself
        if "host" in changed or "port" in changed:
            changed = {part: value for part, value in changed.items() if part not in ("host", "port")}
            changed |= self._place_of(wanted, own)
        narrow = [part for part in changed if part not in self._names]
        if narrow:
            raise self._too_narrow(narrow, str(urls.address(url)))
        return Given({self._names[part]: value for part, value in changed.items()})

    def _place_of(self, wanted: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
        """Host and port as the variables have them: a part each, or `host:port` in one."""
        host, port = wanted["host"] or "localhost", wanted["port"] or "5432"
        if "port" not in self._names and _HOST_AND_PORT.fullmatch(self._value("host")):
            return {"host": f"{host}:{port}"}
        if "port" not in self._names and port == (own["port"] or "5432"):
            return {"host": host}
        return {"host": host, "port": port}

    def _too_narrow(self, parts: list[str], address: str) -> faults.ProjectFault:
        return faults.ProjectFault(
            "source-too-narrow",
            f"{self._service.name}: env.py can't be led to {address}: it has another {', '.join(parts)}, and "
            f"services.yaml names no variable from which env.py reads {'these' if len(parts) > 1 else 'that'}",
            f"declare it: url: {{variables: {{{parts[0]}: NAME, ...}}}}, and let env.py read it; or make the scratch "
            "database where the service's own is",
            data={"parts": parts},
        )

    def _value(self, part: str) -> str:
        return os.environ.get(self._names.get(part, ""), "")

    def _is_set(self, part: str) -> bool:
        if part == "password":
            return self._service.password_variable is not None or self._names[part] in os.environ
        return part == "port" or bool(self._value(part))

    def _place(self) -> tuple[str, str]:
        host, port = self._value("host"), self._value("port")
        together = None if "port" in self._names else _HOST_AND_PORT.fullmatch(host)
        return (together["host"], together["port"]) if together else (host, port)
