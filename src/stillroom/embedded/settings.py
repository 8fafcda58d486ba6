"""The settings of a developer's server, and why each is as it is.

They go to the server as arguments at each start, so a newer Stillroom changes them without touching the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["arguments", "initdb_locale"]

_SETTINGS: dict[str, str] = {
    # A server that is killed loses nothing: every acknowledged commit is in the kernel's hands (synchronous_commit),
    # and a page that the kill tore in two is mended from the log (full_page_writes; a killed write() may end between
    # two pages of memory). What fsync would add is safety when the whole machine loses power; creating and dropping
    # databases costs several times more with it, and this is a developer's server.
    "fsync": "off",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "listen_addresses": "127.0.0.1",
    "cluster_name": "stillroom",
    # Fourteen services, each with a pool, a migration and somebody's psql.
    "max_connections": "200",
    # Emptying a schema of some thousand tables in one transaction takes a lock for each.
    "max_locks_per_transaction": "256",
    "shared_buffers": "64MB",
    # Catalog queries look expensive to the planner; compiling or spreading them costs more than running them.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "checkpoint_timeout": "30min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_min_messages": "warning",
    "logging_collector": "off",
    "log_destination": "stderr",
}

_SINCE: dict[int, dict[str, str]] = {
    # One process instead of four; nothing here reads enough to gain from reading ahead.
    18: {"io_method": "sync"},
}


def arguments(major: int, port: int, socket_dir: Path, extra: Mapping[str, str]) -> list[str]:
    """The `-c name=value` arguments of the server."""
    chosen = dict(_SETTINGS)
    for since, more in _SINCE.items():
        if major >= since:
            chosen.update(more)
    quoted = str(socket_dir).replace('"', '""')
    chosen.update({"port": str(port), "unix_socket_directories": f'"{quoted}"'})
    chosen.update(extra)
    return [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]


def initdb_locale(major: int) -> list[str]:
    """The arguments of `initdb` for UTF-8 text sorted by code point, the same on every machine."""
    if major >= 17:
        return ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--encoding=UTF8", "--locale=C.UTF-8"]
