"""A real PgBouncer in front of a test server."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import postgres

__all__ = ["pooling"]

_PROGRAM = "/usr/sbin/pgbouncer"
_UNPRIVILEGED = "nobody"


@contextmanager
def pooling(database: postgres.Database, mode: str, *, pool_size: int = 5) -> Iterator[str]:
    """`host:port` of a PgBouncer before this database, for the superuser, for as long as the block lasts.

    `mode` is its pool_mode: `session`, `transaction`, `statement`.
    """
    program = shutil.which("pgbouncer") or _PROGRAM
    if not Path(program).is_file():
        pytest.fail("this test needs PgBouncer: apt-get install pgbouncer", pytrace=False)
    server = database.server
    with tempfile.TemporaryDirectory(prefix="stillroom-pgbouncer-") as name:
        folder, port = Path(name), _free_port()
        users = folder / "users.txt"
        users.write_text(f'"{server.superuser.name}" "{server.superuser.password}"\n')
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n"
            f"{database.name} = host={server.host} port={server.port} user={server.superuser.name}"
            f" password={server.superuser.password}\n"
            f"[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = plain\nauth_file = {users}\npool_mode = {mode}\ndefault_pool_size = {pool_size}\n"
        )
        arguments = [program, str(settings)]
        if os.geteuid() == 0:  # it refuses to run as root, and becomes another user before it reads its files again
            account = pwd.getpwnam(_UNPRIVILEGED)
            for path in (folder, users, settings):
                os.chown(path, account.pw_uid, account.pw_gid)
            arguments[1:1] = ["--user", _UNPRIVILEGED]
        process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
        try:
            _await(process)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate()


def _await(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "process up" in line:
            return
    pytest.fail(f"PgBouncer did not start: {''.join(said)}", pytrace=False)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
