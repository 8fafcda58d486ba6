"""Database URLs: parsed with an explicit driver, compared by destination, shown without secrets.

A service's URL is kept as its owner wrote it (scheme, options, encoding); only what is asked for changes. The destination
that a URL leaves to the `PG*` variables or to a service file is resolved in `destination`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import urllib.parse

import sqlalchemy.engine
import sqlalchemy.exc
from sqlalchemy.engine import URL

from .. import faults
from . import destination, driver_options

__all__ = [
    "DRIVERS",
    "FORM",
    "Address",
    "address",
    "endpoints",
    "in_form_of",
    "known_driver",
    "masked",
    "of_parts",
    "parse",
    "parts",
    "render",
    "scrubbed",
    "with_database",
    "with_password",
]

Address = destination.Address

DRIVERS = ("asyncpg", "psycopg", "psycopg2")
"""The drivers that the runtime can use itself, in the order in which it picks one for a plain `postgresql://`."""

FORM = "postgresql+asyncpg://USER:PASSWORD@HOST:5432/DATABASE"
"""What a URL looks like, for messages."""

_DATABASE = re.compile(r"^(?P<head>\w+(?:\+\w+)?://(?:[^?#]*@)?[^/?#]*)(?:/[^?#]*)?(?P<query>\?.*)?$")
_PLAIN = " !$'()*+,;="  # signs that no reader of URLs takes for anything else in a user's name or password
_AUTHORITY = re.compile(r"(://[^:/?#\s@]*):[^\s]*@")
_SECRET_OPTION = re.compile(r"(?i)(\b(?:pg|ssl)?(?:password|passwd)\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&;]+)")
_MANY_HOSTS = re.compile(
    r"(?P<head>^\w+(?:\+\w+)?://(?:[^/?#]*@)?)(?P<hosts>[^/?#@]*(?:,|%2[fF])[^/?#@]*)(?P<path>(?:/[^?]*)?)(?:\?(?P<query>.*))?$"
)


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
    host, given = (",".join(dict.fromkeys(each for each, _ in some)) for some in (pairs, destination.as_given(parsed)))
    return Address(host, pairs[0][1], destination.database(parsed), given)


def endpoints(url: str | URL) -> tuple[tuple[str, int], ...]:
    """Every (host, port) that a URL may lead to, normalised, in order: one, unless it names several hosts.

    Raises:
        faults.ProjectFault: `url-invalid`.
    """
    parsed = parse(url)
    try:
        return destination.endpoints(parsed)
    except ValueError as error:
        raise _invalid(parsed, "a port is no number") from error


def with_database(text: str, database: str) -> str:
    """The same URL with another database, as text, with its password.

    Scheme and options stay as written. Host, port, user and password that came from `PG*` variables or a service file
    become explicit, so that the URL means the same where these are not to be had.

    Raises:
        faults.ProjectFault: `url-invalid`.
    """
    url = _read(text)
    service = destination.settings_of(url)
    changed = url.set(database=database).difference_update_query(["dbname", "database", "service", "servicefile"])
    if not url.username and "user" not in url.query and destination.user(url):
        changed = changed.set(username=destination.user(url))
    if url.password is None and service.get("password"):
        changed = changed.set(password=service["password"])
    changed = _with_endpoints(changed, destination.written(url), endpoints(url))
    # An env.py may take a URL apart by itself, or forget that `%` is special in ini files: what need not change, stays.
    name = urllib.parse.quote(database, safe="")
    kept = _DATABASE.sub(lambda match: f"{match['head']}/{name}{match['query'] or ''}", text.strip())
    return kept if _read(kept) == changed else render(changed)


def with_password(text: str, password: str) -> str:
    """The same URL with another password, as text.

    Raises:
        faults.ProjectFault: `url-invalid`.
    """
    return render(_read(text).set(password=password).difference_update_query(["password"]))


def in_form_of(text: str, like: str) -> str:
    """The URL as one who expects `like` understands it: its scheme, and options as its driver has them.

    Where `like` is no URL of PostgreSQL there is nothing to go by, and the URL stays as it is.

    Raises:
        faults.ProjectFault: `url-invalid`; `option-untranslatable`.
    """
    try:
        scheme = _read(like).drivername
    except faults.ProjectFault:
        return text
    url = _read(text)
    if url.drivername == scheme:
        return text
    driver, wanted = (name.partition("+")[2] for name in (url.drivername, scheme))
    return render(url.set(drivername=scheme, query=driver_options.translated(url.query, driver, wanted)))


def parts(url: str | URL) -> dict[str, str]:
    """Host, port, user, password and name of a URL, as a service's variables have them; empty where it leaves one open.

    Raises:
        faults.ProjectFault: `url-invalid`.
    """
    read = _read(url)
    pairs = destination.written(read)
    password = read.password or destination.settings_of(read).get("password")
    return {
        "host": ",".join(host for host, _ in pairs),
        "port": ",".join(port for _, port in pairs if port),
        "user": destination.user(read),
        "password": "" if password is None else str(password),
        "name": destination.database(read),
    }


def of_parts(user: str, password: str, host: str, port: str, name: str) -> str:
    """The URL, without a driver, that these parts make up; empty ones are left open."""
    url = URL.create("postgresql", user or None, password or None, database=name)
    if host.startswith("/") or "," in host or not port.isdigit():
        query = {"host": tuple(host.split(",")), "port": tuple(port.split(","))}
        return render(url.update_query_dict({key: value for key, value in query.items() if any(value)}))
    return render(url.set(host=host or None, port=int(port)))


def render(url: str | URL) -> str:
    """The URL as text, with its password: for environment variables and drivers, never for people."""
    read = _read(url)
    scheme, _, place = (
        URL.create(read.drivername, None, None, read.host, read.port, read.database).render_as_string().partition("://")
    )
    who = "" if read.username is None else urllib.parse.quote(read.username, safe=_PLAIN)
    if read.password is not None:
        who += ":" + urllib.parse.quote(str(read.password), safe=_PLAIN)
    # Unlike SQLAlchemy's own, this leaves folders and ports as people write them, and a space is no `+` for libpq. And
    # SQLAlchemy 1.4 leaves `%` in a password as it is, so that `%40` would come back as `@`.
    options = [
        f"{urllib.parse.quote(key, safe='')}={urllib.parse.quote(value, safe='/:,')}"
        for key, values in read.query.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    at = "@" if who or read.username is not None else ""
    return f"{scheme}://{who}{at}{place}" + ("?" + "&".join(options) if options else "")


def masked(text: str | URL) -> str:
    """The text with each password in it as `***`: a URL, a keyword DSN, any text that holds one, well-formed or not."""
    try:
        shown = _read(text).render_as_string(hide_password=True)
    except faults.ProjectFault:
        shown = _AUTHORITY.sub(r"\1:***@", str(text))
    return _SECRET_OPTION.sub(r"\1***", shown)


def scrubbed(text: str, url: str | URL) -> str:
    """Any text (of a driver, of a server) without the password of this URL."""
    for secret in (_read(url).password, os.environ.get("PGPASSWORD")):
        # Very short ones would tear ordinary words apart; servers and drivers do not repeat passwords anyway.
        if secret and len(str(secret)) > 3:
            text = text.replace(str(secret), "***").replace(urllib.parse.quote(str(secret), safe=""), "***")
    return _SECRET_OPTION.sub(r"\1***", _AUTHORITY.sub(r"\1:***@", text))


def _read(text: str | URL) -> URL:
    """The URL as written, its scheme included; several hosts, or a socket, in the authority move to `?host=`."""
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
    if re.fullmatch(r"[^,]*%2[fF][^,]*:\d+", match["hosts"]):
        socket, _, port = match["hosts"].rpartition(":")
        hosts = f"host={socket}&port={port}"
    return f"{match['head']}{match['path']}?{hosts}" + (f"&{match['query']}" if match["query"] else "")


def _invalid(text: object, why: str) -> faults.ProjectFault:
    if isinstance(text, URL):
        text = text.render_as_string(hide_password=True)
    shown = _shown(str(text))
    return faults.ProjectFault(
        "url-invalid",
        f"Not a PostgreSQL URL: {shown}: {why}",
        f"Give the URL as {FORM} ('@' in a password is %40)",
        data={"shown": shown, "why": why},
    )


def _shown(text: str) -> str:
    """The text without passwords; where nobody can tell which part of it may be one, its length."""
    if not text:
        return "an empty value"
    if "://" not in text and not _is_dsn(text):
        return f"a text of {len(text)} characters"
    return _SECRET_OPTION.sub(r"\1***", _AUTHORITY.sub(r"\1:***@", text))


def _is_dsn(text: str) -> bool:
    return re.match(r"\w+\s*=", text) is not None


def _why_not(text: object) -> str:
    if not text:
        return "it is empty"
    shown = str(text)
    if shown[0] in "'\"":
        return "it begins with a quotation mark"
    if "${" in shown:
        return "a ${variable} in it was not replaced"
    if shown.startswith("jdbc:"):
        return "it is a JDBC URL; leave out `jdbc:`"
    if "://" not in shown:
        return "it is a keyword DSN" if _is_dsn(shown) else "it has no ://"
    return "it cannot be parsed"


def _installed_driver() -> str:
    for name in DRIVERS:
        dialect = f"sqlalchemy.dialects.postgresql.{name}"  # SQLAlchemy 1.4 has none for psycopg
        if importlib.util.find_spec(name) is not None and importlib.util.find_spec(dialect) is not None:
            return name
    return DRIVERS[0]


def _with_endpoints(url: URL, written: list[tuple[str, str | None]], resolved: tuple[tuple[str, int], ...]) -> URL:
    """The URL with what it leaves open about host and port; what it says itself stays as it says it."""
    named = any(host for host, _ in written)
    if len(resolved) > 1 and not named:
        return url.update_query_dict({"host": [f"{host}:{port}" for host, port in resolved]})
    host, port = resolved[0]
    if not named:
        url = url.update_query_dict({"host": host}) if host.startswith("/") else url.set(host=host)
    if len(resolved) == 1 and port != destination.DEFAULT_PORT and not any(number for _, number in written):
        url = url.set(port=port) if url.host else url.update_query_dict({"port": str(port)})
    return url
