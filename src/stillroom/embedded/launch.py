"""Starting the server's process: its environment, its port, its log."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import subprocess
from pathlib import Path

from stillroom import errors
from stillroom.embedded import account as accounts

__all__ = ["HOST", "choose_port", "environment", "free", "spawn"]

HOST = "127.0.0.1"
_PORTS = range(20000, 30000)  # below the ports that systems give to outgoing connections
_LOG_LIMIT = 5_000_000
_LAUNCH = 'exec "$@" >&2 </dev/null & echo $!'


def environment() -> dict[str, str]:
    """This process's environment without what would steer PostgreSQL elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C"}


def free(port: int) -> bool:
    """Whether a server can listen on the TCP port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose_port(home: Path) -> int:
    """The port of last time (in the file `port`) if it is free, else one that depends on the folder's name."""
    with contextlib.suppress(OSError, ValueError):
        last = int((home / "port").read_text(encoding="ascii"))
        if free(last):
            return last
    start = int(hashlib.sha256(os.fsencode(home)).hexdigest(), 16)
    for step in range(len(_PORTS)):
        port = _PORTS[(start + step) % len(_PORTS)]
        if free(port):
            return port
    raise errors.StillroomError(f"no TCP port of {HOST} between {_PORTS[0]} and {_PORTS[-1]} is free", "free one")


def spawn(command: list[str], log: Path, account: accounts.Account | None) -> int:
    """Starts `command` as nobody's child, so that it outlives this command, Ctrl-C and the terminal; its pid."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_name("log.previous"))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        if account is not None:
            os.fchown(descriptor, account.uid, account.gid)
        done = subprocess.run(
            ["/bin/sh", "-c", _LAUNCH, "sh", *command],
            cwd="/",
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file,
            start_new_session=True,
            check=True,
            timeout=60,
            **accounts.popen_options(account),  # type: ignore[call-overload]  # subprocess has no type for options in a dict
        )
    return int(done.stdout)
