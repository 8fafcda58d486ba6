"""Database URLs: parsed with an explicit driver, compared by destination, shown without secrets.

A service's URL is kept as its owner wrote it (scheme, options, encoding); only what is asked for changes.
The destination that a URL leaves to the `PG*` variables or to a service file is resolved here, in one place.
"""

from __future__ import annotations

import configparser
import dataclasses
import getpass
import importlib.util
import os
import re
from pathlib import Path

import sqlalchemy.engine
import sqlalchemy.exc
from sqlalchemy.engine import URL

from . import faults

__all__ = [
    "DRIVERS",
    "Address",
    "address",
    "default_host",
    "endpoints",
    "known_driver",
    "masked",
    "normalised_host",
    "parse",
    "render",
    "scrubbed",
    "service_settings",
    "with_database",
]

DRIVERS = ("asyncpg", "psycopg", "psycopg2")
"""The drivers that the runtime can use itself, in the order in which it picks one for a plain `postgresql://`."""

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "localhost.localdomain", "ip6-localhost"})
_SOCKET_FOLDERS = ("/run/postgresql", "/var/run/postgresql", "/tmp")  # noqa: S108 - where servers put their sockets
_DEFAULT_PORT = 5432
_AUTHORITY = re.compile(r"(://[^:/?#\s@]*):[^\s]*@")
_SECRET_OPTION = re.compile(r"(?i)(\b(?:password|sslpassword)\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&;]+)")
_MANY_HOSTS = re.compile(
    r"(?P<head>^\w+(?:\+\w+)?://(?:[^/?#]*@)?)(?P<hosts>[^/?#@]*,[^/?#@]*)(?P<path>[^?]*)(?:\?(?P<query>.*))?$"
)
_URL_FORM = "postgresql+asyncpg://USER:PASSWORD@HOST:5432/DATABASE"


@dataclasses.dataclass(frozen=True, order=True)
class Address:
    """A database on a server.

    Attributes:
        host: lower case; `localhost` for each of its names; a folder (`/run/postgresql`) for a Unix socket;
            comma-separated where the URL names several hosts.
        port: the first port.
        database: as the server knows it, case kept.
    """

    host: str
    port: int
    database: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}/{self.database}"


def parse(text: str | URL) -> URL:
    """A SQLAlchemy URL whose driver is explicit; options, encoding and socket paths are kept.

    `postgres://` counts as `postgresql://`; a URL without driver gets the first of asyncpg, psycopg, psycopg2 that is
    installed, never SQLAlchemy's default, which differs between its versions.

    Raises:
        faults.ProjectFault: `url-invalid`, when it is no URL of PostgreSQL.
    """
    url = _read(text)
    driver = url.drivername.partition("+")[2]
    return url.set(drivername=f"postgresql+{driver or _installed_driver()}")


def known_driver(url: str | URL) -> str:
    """The one of `DRIVERS` with which the runtime itself connects to this URL.

    `psycopg_async` is `psycopg`; a driver that the runtime does not know (pg8000) gives way to one that is installed.
    """
    driver = parse(url).drivername.partition("+")[2]
    if driver == "psycopg_async":
        return "psycopg"
    return driver if driver in DRIVERS else _installed_driver()


def address(url: str | URL) -> Address:
    """The destination of a URL, with everything that it leaves open resolved as the drivers would.

    Raises:
        faults.ProjectFault: `url-invalid`.
    """
    parsed = parse(url)
    pairs = endpoints(parsed)
    return Address(",".join(dict.fromkeys(host for host, _ in pairs)), pairs[0][1], _database(parsed))


def endpoints(url: str | URL) -> tuple[tuple[str, int], ...]:
    """Every (host, port) that a URL may lead to, normalised, in order: one, unless it names several hosts.

    Raises:
        faults.ProjectFault: `url-invalid`.
    """
    parsed = parse(url)
    hosts, ports = _written_hosts(parsed)
    settings = _service_settings(parsed)
    hosts = hosts or _split(settings.get("host") or os.environ.get("PGHOST") or os.environ.get("PGHOSTADDR") or "")
    ports = ports or _split(settings.get("port") or os.environ.get("PGPORT") or "")
    numbers = [_port(parsed, each) for each in ports] or [_DEFAULT_PORT]
    if not hosts:
        hosts = [default_host(numbers[0])]
    if len(numbers) < len(hosts):
        numbers += [numbers[-1]] * (len(hosts) - len(numbers))
    return tuple((normalised_host(host), port) for host, port in zip(hosts, numbers, strict=False))


def normalised_host(host: str) -> str:
    """One spelling of a host: lower case, `localhost` for the loopback names, a socket's folder without its links."""
    host = host.strip()
    if host.startswith("/"):
        folder = re.sub(r"/\.s\.PGSQL\.\d+$", "", host)
        return str(Path(folder).resolve())
    host = host.strip("[]").rstrip(".").lower()
    return "localhost" if host in _LOCAL_NAMES else host


def with_database(text: str, database: str) -> str:
    """The same URL with another database, as text, with its password.

    Scheme and options stay as written. Host, port and user that came from `PG*` variables or a service file become
    explicit, so that the URL means the same where these variables are not set.

    Raises:
        faults.ProjectFault: `url-invalid`.
    """
    parsed = parse(text)
    changed = _read(text).set(database=database).difference_update_query(["dbname", "database", "service"])
    hosts, ports = _written_hosts(parsed)
    settings = _service_settings(parsed)
    user = settings.get("user") or os.environ.get("PGUSER")
    if user and not parsed.username and "user" not in parsed.query:
        changed = changed.set(username=user)
    if settings.get("password") and parsed.password is None:
        changed = changed.set(password=settings["password"])
    return render(_explicit_host(changed, endpoints(parsed), bool(hosts), bool(ports)))


def render(url: str | URL) -> str:
    """The URL as text, with its password: for environment variables and drivers, never for people."""
    return _read(url).render_as_string(hide_password=False)


def masked(text: str | URL) -> str:
    """The text with each password in it as `***`: a URL, a keyword DSN, any text that holds one, well-formed or not."""
    if isinstance(text, URL):
        text = render(text)
    try:
        shown = _read(text).render_as_string(hide_password=True)
    except faults.ProjectFault:
        shown = _AUTHORITY.sub(r"\1:***@", str(text))
    return _SECRET_OPTION.sub(r"\1***", shown)


def scrubbed(text: str, url: str | URL) -> str:
    """Any text (of a driver, of a server) without the password of this URL."""
    secrets = [_read(url).password, os.environ.get("PGPASSWORD")]
    for secret in secrets:
        # Very short ones would tear ordinary words apart; servers and drivers do not repeat passwords anyway.
        if secret and len(str(secret)) > 3:
            text = text.replace(str(secret), "***")
    return _SECRET_OPTION.sub(r"\1***", _AUTHORITY.sub(r"\1:***@", text))


def _read(text: str | URL) -> URL:
    """The URL as written, its scheme included; several hosts in the authority move to where SQLAlchemy takes them."""
    if isinstance(text, str):
        text = _MANY_HOSTS.sub(_hosts_to_query, text.strip())
    try:
        url = sqlalchemy.engine.make_url(text)
    except (sqlalchemy.exc.ArgumentError, ValueError, TypeError, AttributeError) as error:
        raise _invalid(text, _why_not(text)) from error
    dialect = url.drivername.partition("+")[0]
    if dialect not in ("postgresql", "postgres"):
        raise _invalid(text, f"it is of {dialect!r}, and only PostgreSQL is looked after")
    if "@" in (url.host or ""):
        raise _invalid(text, "it holds more than one '@'")
    return url


def _hosts_to_query(match: re.Match[str]) -> str:
    hosts = "&".join(f"host={each}" for each in match["hosts"].split(","))
    return f"{match['head']}{match['path']}?{hosts}" + (f"&{match['query']}" if match["query"] else "")


def _invalid(text: object, why: str) -> faults.ProjectFault:
    if isinstance(text, URL):
        text = text.render_as_string(hide_password=True)
    shown = _SECRET_OPTION.sub(r"\1***", _AUTHORITY.sub(r"\1:***@", str(text))) if text else "an empty value"
    return faults.ProjectFault(
        "url-invalid",
        f"Not a PostgreSQL URL: {shown}: {why}",
        f"Give the URL as {_URL_FORM} ('@' in a password is %40)",
    )


def _why_not(text: object) -> str:
    if not text:
        return "it is empty"
    shown = str(text)
    if shown.startswith("jdbc:"):
        return "it is a JDBC URL; leave out `jdbc:`"
    if "://" not in shown and "=" in shown:
        return "it is a keyword DSN"
    return "it cannot be parsed"


def _installed_driver() -> str:
    for name in DRIVERS:
        if importlib.util.find_spec(name) is not None:
            return name
    return DRIVERS[0]


def _split(value: str | tuple[str, ...]) -> list[str]:
    values = [value] if isinstance(value, str) else list(value)
    return [part.strip() for each in values for part in each.split(",") if part.strip()]


def _query(url: URL, *names: str) -> str:
    for name in names:
        value = url.query.get(name)
        if value:
            return value if isinstance(value, str) else value[-1]
    return ""


def _written_hosts(url: URL) -> tuple[list[str], list[str]]:
    """Hosts and ports that the URL itself names; `?host=` (repeated, or `a:1,b:2`) goes before the authority."""
    hosts: list[str] = []
    ports: list[str] = []
    for each in _split(url.query.get("host") or ()):
        match = re.fullmatch(r"(\[[^\]]*\]|[^:/]*):(\d+)", each)
        hosts.append(match[1] if match else each)
        if match:
            ports.append(match[2])
    ports += _split(url.query.get("port") or ())
    if not hosts and url.host:
        hosts = _split(url.host)
    if not ports and url.port is not None:
        ports = [str(url.port)]
    return hosts, ports


def _port(url: URL, text: str) -> int:
    if not text.isdigit():
        raise _invalid(url, f"{text!r} is no port")
    return int(text)


def default_host(port: int) -> str:
    """Where drivers look when nobody names a host: the first socket there is, else the loopback interface."""
    for folder in _SOCKET_FOLDERS:
        if Path(folder, f".s.PGSQL.{port}").exists():
            return folder
    return "localhost"


def _database(url: URL) -> str:
    named = url.database or _query(url, "dbname", "database")
    settings = _service_settings(url)
    named = named or settings.get("dbname") or os.environ.get("PGDATABASE") or url.username or _query(url, "user")
    return named or settings.get("user") or os.environ.get("PGUSER") or getpass.getuser()


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
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}
    return dict(parser[name]) if parser.has_section(name) else {}


def _service_settings(url: URL) -> dict[str, str]:
    name = _query(url, "service") or os.environ.get("PGSERVICE", "")
    return service_settings(name, _query(url, "servicefile"))


def _explicit_host(url: URL, pairs: tuple[tuple[str, int], ...], has_host: bool, has_port: bool) -> URL:
    if not has_host:
        host = pairs[0][0]
        url = url.update_query_dict({"host": host}) if host.startswith("/") else url.set(host=host)
    if not has_port and os.environ.get("PGPORT"):
        port = pairs[0][1]
        url = url.set(port=port) if url.host else url.update_query_dict({"port": str(port)})
    return url
