"""Whether two ways of naming a server lead to the same one, as far as it can be shown; what cannot be shown, does not.

Hosts are the same when their names are, or when every address of one is an address of the other. A Unix socket and a
TCP port are the same when the process that owns the socket also listens on the port.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from . import destination

__all__ = ["learn", "same"]

_LISTENING = "0A"
_REACHED_BY_LOOPBACK = frozenset({"00000000", "0100007F", "0" * 32, "00000000000000000000000001000000"})

_learned: dict[str, set[str]] = {}


def same(host: str, port: int, expected_host: str, expected_port: int) -> bool:
    """Whether connecting to (host, port) is connecting to the expected server.

    Args:
        host: a name, an address, or the folder of a Unix socket.
        port: of that host.
        expected_host: likewise; any of its addresses will do.
        expected_port: of that host.
    """
    # Before normalising: 127.0.0.1 is one address, localhost may have two.
    plain, expected_plain = host.strip("[]"), expected_host.strip("[]")
    host, expected_host = destination.normalised_host(host), destination.normalised_host(expected_host)
    if (host, port) == (expected_host, expected_port):
        return True
    if host.startswith("/") and expected_host.startswith("/"):
        return False
    if host.startswith("/"):
        return expected_host == "localhost" and _owner_listens(host, port, expected_port)
    if expected_host.startswith("/"):
        return host == "localhost" and _owner_listens(expected_host, expected_port, port)
    if port != expected_port:
        return False
    found = _addresses(plain)
    return bool(found) and found <= _addresses(expected_plain)


def learn(host: str, address: str) -> None:
    """Remembers that a driver found this address for a host: names that change with each question are not refused."""
    _learned.setdefault(destination.normalised_host(host), set()).add(address)


def _addresses(host: str) -> frozenset[str]:
    return _resolved(host) | _learned.get(destination.normalised_host(host), set())


@functools.lru_cache(maxsize=64)
def _resolved(host: str) -> frozenset[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(str(each[4][0]) for each in found)


def _owner_listens(folder: str, socket_port: int, tcp_port: int) -> bool:
    """Whether the owner of the socket in this folder listens on that port of the loopback interface (Linux only)."""
    try:
        owner = int(Path(folder, f".s.PGSQL.{socket_port}.lock").read_text(encoding="utf-8").splitlines()[0])
        sockets = {os.readlink(each) for each in Path(f"/proc/{owner}/fd").iterdir()}  # noqa: PTH115 - no real path
    except (OSError, ValueError, IndexError):
        return False
    return any(f"socket:[{inode}]" in sockets for inode in _listeners(tcp_port))


def _listeners(port: int) -> Iterator[str]:
    """Inodes of the sockets that listen on this port where a connection to the loopback interface arrives."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *rest = line.split()
            address, _, number = local.partition(":")
            if state == _LISTENING and int(number, 16) == port and address in _REACHED_BY_LOOPBACK:
                yield rest[5]
