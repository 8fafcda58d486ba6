"""Where the guard takes hold of the two drivers that stand on libpq: before it connects, and once it says where it went."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import faults
from . import destination, servers

__all__ = ["pgconn_destination", "psycopg2_destination", "take_psycopg", "take_psycopg2"]

Check = Callable[[Sequence[tuple[str, int]], "str | None", str], None]
"""(endpoints, database or None, through): raises when it may not be."""
Replace = Callable[[Any, str, Callable[[Any], Any]], None]
"""(owner, name, make): puts `make(original)` in the place of an attribute, to be undone later."""


# psycopg 3, synchronous and asynchronous


def take_psycopg(module: Any, check: Check, replace: Replace) -> None:
    """Takes hold of psycopg 3, synchronous and asynchronous."""

    def before(original: Any) -> Any:
        def connect_gen(cls: Any, conninfo: str = "", *arguments: Any, **options: Any) -> Any:
            _check_conninfo(module.conninfo.conninfo_to_dict(conninfo), check, "psycopg")
            return original.__func__(cls, conninfo, *arguments, **options)

        return classmethod(connect_gen)

    def after(original: Any) -> Any:
        def init(self: Any, pgconn: Any, *arguments: Any, **options: Any) -> None:
            _check_real(pgconn, check)
            original(self, pgconn, *arguments, **options)

        return init

    _take_names(module, check, replace)
    replace(module.BaseConnection, "_connect_gen", before)
    replace(module.BaseConnection, "__init__", after)


def _take_names(module: Any, check: Check, replace: Replace) -> None:
    """Where psycopg resolves host names itself: a name that it cannot resolve is refused by name, too."""

    def learned(parameters: Mapping[str, Any], attempts: list[Any]) -> list[Any]:
        if not parameters.get("hostaddr"):
            for each in attempts:
                servers.learn(str(each.get("host") or ""), str(each.get("hostaddr") or ""))
        return attempts

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def conninfo_attempts(parameters: Any, *arguments: Any, **options: Any) -> Any:
            _check_conninfo(parameters, check, "psycopg")
            return learned(parameters, original(parameters, *arguments, **options))

        return conninfo_attempts

    def make_async(original: Callable[..., Any]) -> Callable[..., Any]:
        async def conninfo_attempts(parameters: Any, *arguments: Any, **options: Any) -> Any:
            _check_conninfo(parameters, check, "psycopg")
            return learned(parameters, await original(parameters, *arguments, **options))

        return conninfo_attempts

    if hasattr(module.connection, "conninfo_attempts"):
        replace(module.connection, "conninfo_attempts", make)
    if hasattr(module.connection_async, "conninfo_attempts_async"):
        replace(module.connection_async, "conninfo_attempts_async", make_async)


def _check_real(pgconn: Any, check: Check) -> None:
    """Asks libpq where it really went, whatever service files and variables said; closes it if it is wrong."""
    try:
        endpoint, database = pgconn_destination(pgconn)
        check([endpoint], database, "psycopg")
    except faults.RefusedFault:
        pgconn.finish()
        raise


def pgconn_destination(pgconn: Any) -> tuple[tuple[str, int], str]:
    """((host, port), database) of an open connection of libpq, as libpq says."""
    host = (getattr(pgconn, "hostaddr", b"") or pgconn.host or b"localhost").decode()
    return (host, int(pgconn.port or b"5432")), pgconn.db.decode()


# psycopg2


def take_psycopg2(module: Any, check: Check, replace: Replace) -> None:
    """Takes hold of psycopg 2."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def connect(dsn: str, *arguments: Any, **options: Any) -> Any:
            _check_conninfo(module.extensions.parse_dsn(dsn), check, "psycopg2")
            connection = original(dsn, *arguments, **options)
            try:
                endpoint, database = psycopg2_destination(connection)
                check([endpoint], database, "psycopg2")
            except faults.RefusedFault:
                connection.close()
                raise
            return connection

        return connect

    replace(module, "_connect", make)


def psycopg2_destination(connection: Any) -> tuple[tuple[str, int], str]:
    """((host, port), database) of an open connection of psycopg2, as libpq says."""
    info = connection.info
    host = info.dsn_parameters.get("hostaddr") or info.host or "localhost"
    return (host, int(info.port or 5432)), info.dbname


def _check_conninfo(parameters: Mapping[str, Any], check: Check, through: str) -> None:
    """Refuses before anything is sent, as far as the text says where it leads; the rest is checked when connected."""
    settings = destination.service_settings(
        str(parameters.get("service") or ""), str(parameters.get("servicefile") or "")
    )
    if parameters.get("service") and not settings:
        return  # of a file in a place that only libpq knows
    merged = {**settings, **{name: str(value) for name, value in parameters.items() if value is not None}}
    ports = (merged.get("port") or "").split(",")
    hosts = (merged.get("hostaddr") or merged.get("host") or destination.default_host(int(ports[0] or 5432))).split(",")
    pairs = [(host, ports[index] if len(ports) > 1 else ports[0]) for index, host in enumerate(hosts)]
    check([(host, int(port or 5432)) for host, port in pairs], merged.get("dbname") or merged.get("user"), through)
