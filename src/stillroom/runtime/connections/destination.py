"""Where a URL leads: the host and port of each server that it may mean, and the database there.

What the URL leaves open comes from where the drivers take it: `?host=`, a connection service file, the `PG*` variables,
the usual folders of Unix sockets.
"""

from __future__ import annotations

import configparser
import dataclasses
import getpass
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class UrlParts(Protocol):
        """What is asked of a URL: SQLAlchemy's has it, and so has `verifying.plain_url.PlainUrl`."""

        @property
        def username(self) -> str | None:
            """Of the role."""

        @property
        def password(self) -> str | None:
            """Of the role."""

        @property
        def host(self) -> str | None:
            """As it is written."""

        @property
        def port(self) -> int | None:
            """As it is written."""

        @property
        def database(self) -> str | None:
            """As it is written."""

        @property
        def query(self) -> Mapping[str, str | tuple[str, ...]]:
            """The options; one that stands several times has several values."""


__all__ = [
    "DEFAULT_PORT",
    "Address",
    "as_given",
    "database",
    "default_host",
    "endpoints",
    "in_brackets",
    "normalised_host",
    "service_settings",
    "settings_of",
    "user",
    "written",
]

DEFAULT_PORT = 5432
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "localhost.localdomain", "ip6-localhost"})
_SOCKET_FOLDERS = ("/run/postgresql", "/var/run/postgresql", "/tmp")  # noqa: S108 - where servers put their sockets


@dataclasses.dataclass(frozen=True, order=True)
class Address:
    """A database on a server.

    Attributes:
        host: lower case; `localhost` for each of its names; a folder (`/run/postgresql`) for a Unix socket;
            comma-separated where the URL names several hosts.
        port: the first port.
        database: as the server knows it, case kept.
        given: the host as it was given, which is how people are told of it; "": as `host`.
    """

    host: str
    port: int
    database: str
    given: str = dataclasses.field(default="", compare=False)

    def __str__(self) -> str:
        return f"{in_brackets(self.told)}:{self.port}/{self.database}"

    @property
    def told(self) -> str:
        """The host as people know it: `127.0.0.1` where that was given."""
        return self.given or self.host

    @property
    def key(self) -> str:
        """The same text for the same database, however its host was given."""
        return f"{in_brackets(self.host)}:{self.port}/{self.database}"


def in_brackets(host: str) -> str:
    """A host as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def normalised_host(host: str) -> str:
    """One spelling of a host: lower case, `localhost` for the loopback names, a socket's folder without its links."""
    host = host.strip()
    if host.startswith("/"):
        folder = re.sub(r"/\.s\.PGSQL\.\d+$", "", host)
        return str(Path(folder).resolve())
    host = host.strip("[]").rstrip(".").lower()
    return "localhost" if host in _LOCAL_NAMES else host


def endpoints(url: UrlParts) -> tuple[tuple[str, int], ...]:
    """Every (host, port) that a URL may lead to, normalised, in order: one, unless it names several hosts.

    Raises:
        ValueError: a port is no number.
    """
    return tuple((normalised_host(host), port) for host, port in as_given(url))


def as_given(url: UrlParts) -> tuple[tuple[str, int], ...]:
    """The same with each host as it was given: `127.0.0.1` stays that.

    Raises:
        ValueError: a port is no number.
    """
    settings = settings_of(url)
    pairs = written(url)
    if not any(host for host, _ in pairs):
        named = settings.get("host") or os.environ.get("PGHOST") or os.environ.get("PGHOSTADDR") or ""
        port = pairs[0][1] if pairs else None
        pairs = [(host, port) for host in _split(named) or [""]]
    defaults = _split(settings.get("port") or os.environ.get("PGPORT") or "") or [str(DEFAULT_PORT)]
    found = []
    for index, (host, port) in enumerate(pairs):
        number = int(port or defaults[index if len(defaults) > 1 else 0])
        found.append(((host or default_host(number)).strip().strip("[]"), number))
    return tuple(found)


def written(url: UrlParts) -> list[tuple[str, str | None]]:
    """(host, port) as the URL itself has them; an empty host where it has only a port, no pair where it has neither.

    `?hostaddr=` and `?host=` (repeated, or `a:1,b:2`) go before the authority, as in the drivers.
    """
    hosts = _split(url.query.get("hostaddr") or ()) or _split(url.query.get("host") or ())
    ports: list[str | None] = [*_split(url.query.get("port") or ())]
    if not ports and url.port is not None:
        ports = [str(url.port)]
    pairs: list[tuple[str, str | None]] = []
    for index, each in enumerate(hosts or _split(url.host or "") or ([""] if ports else [])):
        match = re.fullmatch(r"(\[[^\]]*\]|[^:/]*):(\d+)", each)
        port = ports[min(index, len(ports) - 1)] if ports else None
        pairs.append((match[1], match[2]) if match else (each, port))
    return pairs


def database(url: UrlParts) -> str:
    """The database that a URL leads to; without a name in it, that of the service file, of PGDATABASE, or the user's."""
    settings = settings_of(url)
    named = url.database or _option(url, "dbname", "database") or settings.get("dbname")
    return named or os.environ.get("PGDATABASE") or user(url) or getpass.getuser()


def user(url: UrlParts) -> str:
    """The role that a URL, its service file or PGUSER names; empty if none does."""
    named = url.username or _option(url, "user") or settings_of(url).get("user")
    return named or os.environ.get("PGUSER") or ""


def default_host(port: int) -> str:
    """Where drivers look when nobody names a host: the first socket there is, else the loopback interface."""
    for folder in _SOCKET_FOLDERS:
        if Path(folder, f".s.PGSQL.{port}").exists():
            return folder
    return "localhost"


def service_settings(name: str, file: str = "") -> dict[str, str]:
    """What the connection service file says about a service (`host`, `port`, `dbname`, ...); empty if it says nothing.

    Args:
        name: of the section.
        file: the service file; empty: the one of `PGSERVICEFILE`, or of the home folder.
    """
    if not name:
        return {}
    file = file or os.environ.get("PGSERVICEFILE") or "~/.pg_service.conf"
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(Path(file).expanduser().read_text(encoding="utf-8"))
    except (OSError, RuntimeError, UnicodeDecodeError, configparser.Error):
        return {}
    return dict(parser[name]) if parser.has_section(name) else {}


def settings_of(url: UrlParts) -> dict[str, str]:
    """What the service file says about the service that the URL, or PGSERVICE, names."""
    return service_settings(_option(url, "service") or os.environ.get("PGSERVICE", ""), _option(url, "servicefile"))


def _split(value: str | tuple[str, ...]) -> list[str]:
    values = [value] if isinstance(value, str) else list(value)
    return [part.strip() for each in values for part in each.split(",") if part.strip()]


def _option(url: UrlParts, *names: str) -> str:
    for name in names:
        value = url.query.get(name)
        if value:
            return value if isinstance(value, str) else value[-1]
    return ""
