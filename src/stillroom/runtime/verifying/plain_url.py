"""A database URL for a driver alone: taken apart without SQLAlchemy, which a service that only verifies need not import."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import urllib.parse
from collections.abc import Mapping

from .. import faults, secrecy

__all__ = ["DRIVERS", "PlainUrl", "parse"]

DRIVERS = ("asyncpg", "psycopg", "psycopg2")

_URL = re.compile(
    r"(?P<dialect>postgres(?:ql)?)(?:\+(?P<driver>\w+))?://"
    r"(?:(?P<user>[^:/?#@]*)(?::(?P<password>[^/?#]*))?@)?(?P<hosts>[^/?#@]*)(?:/(?P<database>[^?#]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(\d*))?")
_FORM = "postgresql+asyncpg://USER:PASSWORD@HOST:5432/DATABASE"


@dataclasses.dataclass(frozen=True)
class PlainUrl:
    """The parts of a URL, named as SQLAlchemy's `URL` names them.

    Attributes:
        driver: `asyncpg`, `psycopg` or `psycopg2`.
    """

    driver: str
    username: str | None
    password: str | None = dataclasses.field(repr=False)
    host: str | None
    port: int | None
    database: str | None
    query: Mapping[str, str | tuple[str, ...]]

    def __str__(self) -> str:
        from ..connections import destination

        return f"{self.place}/{destination.database(self)}"

    @property
    def place(self) -> str:
        """`host:port` of the server, as messages show it."""
        from ..connections import destination

        host, port = destination.as_given(self)[0]
        return f"{destination.in_brackets(host)}:{port}"

    @property
    def role(self) -> str:
        """Who connects."""
        from ..connections import destination

        return destination.user(self) or "(default role)"


def parse(text: str) -> PlainUrl:
    """The parts of a URL.

    Raises:
        faults.ProjectFault: `url-invalid`; the message holds no password.
    """
    match = _URL.fullmatch(text.strip())
    if match is None:
        raise _invalid(text)
    query: dict[str, str | tuple[str, ...]] = {}
    for name, values in urllib.parse.parse_qs(match["query"] or "", keep_blank_values=True).items():
        query[name] = values[0] if len(values) == 1 else tuple(values)
    host, port = _host(match["hosts"], query, text)
    plain = PlainUrl(
        _driver(match["driver"]),
        _unquoted(match["user"]) or None,
        _unquoted(match["password"]),
        host,
        port,
        _unquoted(match["database"]) or None,
        query,
    )
    secrecy.learn(plain.password or "", plain.username or "", plain.database or "", plain.host or "")
    return plain


def _host(hosts: str, query: dict[str, str | tuple[str, ...]], text: str) -> tuple[str | None, int | None]:
    """Host and port; several hosts, and folders of sockets, go where `?host=` goes."""
    if "," in hosts or "%2f" in hosts.lower():
        query.setdefault("host", tuple(map(_unquoted_text, hosts.split(","))))
        return None, None
    match = _HOST.fullmatch(hosts)
    if match is None:
        raise _invalid(text)
    return _unquoted(match[1].strip("[]")) or None, int(match[2]) if match[2] else None


def _driver(named: str | None) -> str:
    known = {"psycopg_async": "psycopg"}.get(named or "", named)
    if known in DRIVERS:
        return str(known)
    for each in DRIVERS:
        if importlib.util.find_spec(each) is not None:
            return each
    raise faults.DatabaseFault(
        "driver-missing", "none of the drivers asyncpg, psycopg and psycopg2 is installed", "pip install asyncpg"
    )


def _unquoted(text: str | None) -> str | None:
    return None if text is None else urllib.parse.unquote(text)


def _unquoted_text(text: str) -> str:
    return urllib.parse.unquote(text)


def _invalid(text: str) -> faults.ProjectFault:
    shown = (
        "an empty value"
        if not text.strip()
        else secrecy.scrubbed(text)
        if "://" in text
        else f"a text of {len(text)} characters"
    )
    return faults.ProjectFault(
        "url-invalid",
        f"Not a PostgreSQL URL: {shown}",
        f"Give the URL as {_FORM} ('@' and '/' in a password are %40 and %2F)",
    )
