"""The options of a URL in the words of another driver: libpq's (psycopg, psycopg2) and those of SQLAlchemy for asyncpg."""

from __future__ import annotations

from collections.abc import Mapping

from .. import faults

__all__ = ["translated"]

Value = str | tuple[str, ...]

_LIBPQ = ("psycopg", "psycopg2", "psycopg_async")
# Without these a connection leads to the same place and does the same.
_ONLY_LIBPQ = (
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "sslcompression",
    "sslsni",
    "tcp_user_timeout",
)
_ONLY_ASYNCPG = (
    "async_fallback",
    "command_timeout",
    "timeout",
    "max_cached_statement_lifetime",
    "max_cacheable_statement_size",
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "statement_cache_size",
)
_SHARED = (
    "database",
    "gsslib",
    "host",
    "krbsrvname",
    "passfile",
    "password",
    "port",
    "service",
    "servicefile",
    "target_session_attrs",
    "user",
)


def translated(query: Mapping[str, Value], driver: str, wanted: str) -> dict[str, Value]:
    """The options as another driver has them; as they are, where a scheme names no driver and so none can be told.

    Args:
        query: of a URL.
        driver: that they are written for; empty: the URL names none.
        wanted: likewise.

    Raises:
        faults.ProjectFault: `option-untranslatable`, for one without which the connection would be another.
    """
    written_for_asyncpg = driver == "asyncpg" or (not driver and "ssl" in query)
    if wanted == "asyncpg" and not written_for_asyncpg:
        return dict(_for_asyncpg(name, query[name]) for name in query if name not in _ONLY_LIBPQ)
    if wanted in _LIBPQ and written_for_asyncpg:
        return dict(_for_libpq(name, query[name]) for name in query if name not in _ONLY_ASYNCPG)
    return dict(query)


def _for_asyncpg(name: str, value: Value) -> tuple[str, Value]:
    if name == "sslmode":
        return "ssl", value
    if name not in _SHARED:
        raise faults.ProjectFault(
            "option-untranslatable",
            f"a URL with the option {name} can't be given to an env.py that uses asyncpg, which knows no such option",
            "give the URL of the scratch database in the form of the service's own, with options that asyncpg knows; or "
            "set it on the database: ALTER DATABASE ... SET ...",
            data={"option": name},
        )
    return name, value


def _for_libpq(name: str, value: Value) -> tuple[str, Value]:
    if name != "ssl":
        return name, value
    return "sslmode", "require" if str(value).lower() in ("true", "1", "on") else value
