"""What a URL means to each driver: a plain URL may carry libpq's options or those of SQLAlchemy for asyncpg."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import destination

__all__ = ["arguments"]

# Options that the asyncpg driver takes as arguments of its own, with their types; the rest of a URL's query goes to it
# as a DSN, which knows what libpq knows (sslmode, sslrootcert, target_session_attrs, options, ...).
_ASYNCPG_NUMBERS = ("timeout", "command_timeout")
_ASYNCPG_ARGUMENTS = ("passfile", "krbsrvname", "gsslib", "service", "servicefile", "target_session_attrs")
_ASYNCPG_IGNORES = (
    "async_fallback",
    "channel_binding",
    "connect_timeout",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "max_cached_statement_lifetime",
    "max_cacheable_statement_size",
    "prepared_statement_cache_size",
    "sslcompression",
    "sslsni",
    "statement_cache_size",
    "tcp_user_timeout",
)
_LIBPQ_IGNORES = (
    "async_fallback",
    "command_timeout",
    "max_cached_statement_lifetime",
    "max_cacheable_statement_size",
    "prepared_statement_cache_size",
    "statement_cache_size",
    "timeout",
)


def arguments(url: destination.UrlParts, driver: str, connect_timeout: float, application_name: str) -> dict[str, Any]:
    """What the connect function of a driver is called with.

    Args:
        url: with whichever spelling of options.
        driver: `asyncpg`, `psycopg` or `psycopg2`.
        connect_timeout: seconds; the URL's own goes before it.
        application_name: goes before the URL's own.
    """
    query = {name: value if isinstance(value, str) else ",".join(value) for name, value in url.query.items()}
    found = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    arguments = {name: value for name, value in found.items() if value not in (None, "")}
    named = {"database" if driver == "asyncpg" else "dbname": url.database}
    arguments.update({name: value for name, value in named.items() if value})
    if "host" in query:
        from . import destination

        pairs = destination.endpoints(url)
        query.pop("port", None)
        query["host"] = ",".join(host for host, _ in pairs)
        arguments["port"] = ",".join(str(port) for _, port in pairs)
        arguments["host"] = query.pop("host")
    if driver == "asyncpg":
        return _asyncpg_arguments(arguments, query, connect_timeout, application_name)
    return _libpq_arguments(arguments, query, connect_timeout, application_name)


def _asyncpg_arguments(
    arguments: dict[str, Any], query: dict[str, str], connect_timeout: float, application_name: str
) -> dict[str, Any]:
    if "," in str(arguments.get("host", "")):
        arguments["host"] = arguments["host"].split(",")
        arguments["port"] = [int(each) for each in str(arguments["port"]).split(",")]
    elif "port" in arguments:
        arguments["port"] = int(arguments["port"])
    if "ssl" in query:
        query.setdefault("sslmode", query.pop("ssl"))
    arguments["timeout"] = _number(query.pop("connect_timeout", None), connect_timeout)
    arguments["server_settings"] = {"application_name": application_name}
    query.pop("application_name", None)
    for name in _ASYNCPG_NUMBERS:
        if name in query:
            arguments[name] = _number(query.pop(name), connect_timeout)
    arguments.update({name: query.pop(name) for name in _ASYNCPG_ARGUMENTS if name in query})
    rest = {name: value for name, value in query.items() if name not in _ASYNCPG_IGNORES}
    if rest:
        arguments["dsn"] = "postgresql://?" + urllib.parse.urlencode(rest, quote_via=urllib.parse.quote)
    return arguments


def _libpq_arguments(
    arguments: dict[str, Any], query: dict[str, str], connect_timeout: float, application_name: str
) -> dict[str, Any]:
    if "ssl" in query:
        ssl = query.pop("ssl")
        query.setdefault("sslmode", "require" if ssl.lower() in ("true", "1", "on") else ssl)
    query.pop("application_name", None)
    rest = {name: value for name, value in query.items() if name not in _LIBPQ_IGNORES}
    arguments["connect_timeout"] = str(max(2, round(connect_timeout)))
    return {**arguments, **rest, "application_name": application_name}


def _number(text: str | None, default: float) -> float:
    try:
        return float(text) if text else default
    except ValueError:
        return default
