"""One PostgreSQL server on data of its own: made, started, found running, stopped.

Whoever calls serialises `start` and `stop` of one home folder (`stillroom.embedded.lease` does).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from stillroom import errors
from stillroom.embedded import account as accounts
from stillroom.embedded import filesystem, placement, process, secret, settings

__all__ = ["ROLE", "Cluster"]

ROLE = "postgres"
"""The role that owns the server; its password is in the home folder's `pgpass`."""

_HOST = "127.0.0.1"
_PORTS = range(20000, 30000)  # below the ports that systems give to outgoing connections
_START_S = 60.0
_LOG_LIMIT = 5_000_000
_POLL_S = 0.004
_LAUNCH = 'exec "$@" >&2 </dev/null & echo $!'


class Cluster:
    """A server with programs from `bin` and everything else in the folder `home`.

    In `home`: `data` (PostgreSQL's own folder, or a link to it: see `placement`), `pgpass` (the password), `port`
    (taken again at the next start if it is free), `log`.

    Args:
        bin: folder with `postgres`, `initdb`, `psql`, `pg_dump`.
        home: made when missing; its parents too.
        extra: settings of PostgreSQL that go before ours.
    """

    def __init__(self, bin: Path, home: Path, *, extra: Mapping[str, str] | None = None) -> None:
        self.bin = bin.absolute()
        self.home = home.absolute()
        self._extra = dict(extra or {})
        self._password: str | None = None

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder, links followed."""
        return (self.home / "data").resolve()

    @property
    def pgpass(self) -> Path:
        """The password file; libpq programs read it when PGPASSFILE names it."""
        return self.home / "pgpass"

    @property
    def log(self) -> Path:
        """What the server says since its last start or so."""
        return self.home / "log"

    @property
    def exists(self) -> bool:
        """Whether `initdb` has been here."""
        return (self.data / "PG_VERSION").is_file()

    @property
    def password(self) -> str:
        """The password of `ROLE`."""
        if self._password is None:
            self._password = secret.read(self.pgpass)
        if self._password is None:
            raise errors.StillroomError(
                f"{self.pgpass} is missing: the password of the embedded database is lost",
                f"remove {self.home} to start with an empty database",
            )
        return self._password

    @property
    def major(self) -> int:
        """The major version of the programs."""
        return int(self.version.split(".")[0])

    @property
    def version(self) -> str:
        """The version of the programs, such as `18.1`."""
        said = subprocess.run(
            [str(self.bin / "postgres"), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout
        found = re.search(r"\d+(\.\d+)*", said)
        if found is None:
            raise errors.StillroomError(f"{self.bin / 'postgres'} does not say its version", "reinstall PostgreSQL")
        return found[0]

    @property
    def port(self) -> int:
        """The TCP port of the running server.

        Raises:
            StillroomError: it does not run.
        """
        found = self.running()
        if found is None:
            raise errors.StillroomError(f"the database server of {self.home} does not run", "invoke database --start")
        return found.port

    def running(self) -> process.Postmaster | None:
        """The server, if it runs and takes connections."""
        found = process.postmaster(self.data)
        return found if found is not None and found.state == "ready" else None

    def url(self, database: str, driver: str = "postgresql+asyncpg") -> str:
        """A SQLAlchemy URL, with the password, over TCP."""
        return f"{driver}://{ROLE}:{quote(self.password, safe='')}@{_HOST}:{self.port}/{quote(database, safe='')}"

    def environment(self) -> dict[str, str]:
        """The PG* variables with which `psql`, `pg_dump` and the like find this server and its password."""
        return {
            "PGHOST": _HOST,
            "PGPORT": str(self.port),
            "PGUSER": ROLE,
            "PGPASSFILE": str(self.pgpass),
            "PGSSLMODE": "disable",
        }

    def start(self) -> process.Postmaster:
        """Starts the server, making its data first when there are none; a running one is left alone.

        Raises:
            StillroomError: it does not come up; the end of its log is the detail.
        """
        if not self.exists:
            self.initdb()
        self._check_version()
        deadline = time.monotonic() + _START_S
        while True:
            found = process.postmaster(self.data)
            if found is None:
                found = self._launch()
            elif found.state != "ready":
                found = self._settled(found.pid, deadline)
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise self._failure()

    def stop(self) -> bool:
        """Stops the server; whether there was one.

        Connections are ended. What is committed stays, also when the server has to be killed.
        """
        found = process.postmaster(self.data)
        if found is None:
            return False
        data = self.data
        for number, seconds in ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0)):
            process.send(found.pid, number)
            if process.wait_gone(lambda: process.postmaster(data) is None, seconds):
                return True
        raise errors.StillroomError(f"the database server (pid {found.pid}) does not stop", f"kill -9 {found.pid}")

    def remove(self) -> None:
        """Stops the server, at once, and deletes all that is in the home folder, and the data wherever they are."""
        if self.data.is_dir():
            self._forget(self.data)
        shutil.rmtree(self.home, ignore_errors=True)

    def initdb(self) -> None:
        """Makes the data and the password; data that are there already are never touched.

        Raises:
            StillroomError: `initdb` failed; what it said is the detail.
        """
        if self.exists:
            return
        self._make_home()
        account = accounts.for_server(self.data)
        fresh = placement.data_folder(self.home, account)
        programs = placement.programs(self.bin, account)
        password_file = fresh.with_name("verifier")
        password = secret.make(self.pgpass, ROLE)
        try:
            password_file.write_text(secret.verifier(password), encoding="ascii")
            password_file.chmod(0o600)
            if account is not None:
                os.chown(password_file, account.uid, account.gid)
            self._run_initdb(programs, fresh, password_file, account)
        finally:
            password_file.unlink(missing_ok=True)
        filesystem.spread_folders(fresh / "base")
        self._password = None
        self._adopt(fresh)

    def _make_home(self) -> None:
        missing = not self.home.is_dir()
        self.home.mkdir(parents=True, exist_ok=True)
        if missing:
            self.home.chmod(0o755)  # the server's user has to get to the data, which are closed themselves

    def _run_initdb(self, programs: Path, fresh: Path, password_file: Path, account: accounts.Account | None) -> None:
        arguments = [
            str(programs / "initdb"),
            f"--pgdata={fresh}",
            f"--username={ROLE}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--no-sync",
            "--no-instructions",
            *settings.initdb_locale(self.major),
        ]
        done = subprocess.run(
            arguments,
            check=False,
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
            **accounts.popen_options(account),  # type: ignore[call-overload]
        )
        if done.returncode:
            raise errors.StillroomError(
                f"initdb could not make a database in {fresh}",
                "the detail tells why; a full or read-only disk is the usual cause",
                detail=f"{done.stdout}{done.stderr}".strip(),
            )

    def _adopt(self, fresh: Path) -> None:
        """Gives finished data their name, so that half-made data are never taken for a database."""
        final = fresh.with_name("data")
        if final.is_dir():  # data of a home folder that was removed meanwhile: their password is lost
            self._forget(final)
        fresh.rename(final)
        link = self.home / "data"
        if final != link:
            link.unlink(missing_ok=True)
            link.symlink_to(final)

    @staticmethod
    def _forget(data: Path) -> None:
        found = process.postmaster(data)
        if found is not None:
            process.send(found.pid, signal.SIGQUIT)
            process.wait_gone(lambda: process.postmaster(data) is None, 10.0)
        shutil.rmtree(data)

    def _check_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        if made_by.split(".")[0] != str(self.major):
            raise errors.StillroomError(
                f"the data in {self.home} are of PostgreSQL {made_by}, the installed programs are {self.version}",
                f"install PostgreSQL {made_by} again, or remove {self.home} to start with an empty database",
            )

    def _launch(self) -> process.Postmaster | None:
        """One try; None if it is worth another."""
        data = self.data
        account = accounts.for_server(data)
        self._clear_leftovers(data)
        port = self._choose_port()
        command = [
            str(placement.programs(self.bin, account) / "postgres"),
            "-D",
            str(data),
            *settings.arguments(self.major, port, placement.socket_folder(data, account), self._extra),
        ]
        pid = self._spawn(command, account)
        found = self._settled(pid, time.monotonic() + _START_S)
        if found is not None:
            (self.home / "port").write_text(f"{found.port}\n", encoding="ascii")
            return found
        if _free(port) and not process.members(data):
            raise self._failure()
        time.sleep(_POLL_S)  # the port was taken under our hands, or processes of a killed server are still ending
        return None

    def _spawn(self, command: list[str], account: accounts.Account | None) -> int:
        """Starts the server as nobody's child, so that it outlives the command and Ctrl-C; its pid."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > _LOG_LIMIT:
                self.log.replace(self.log.with_name("log.previous"))
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as log:
            done = subprocess.run(
                ["/bin/sh", "-c", _LAUNCH, "sh", *command],
                cwd="/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                check=True,
                timeout=60,
                **accounts.popen_options(account),  # type: ignore[call-overload]
            )
        return int(done.stdout)

    def _settled(self, pid: int, deadline: float) -> process.Postmaster | None:
        """The server `pid` once it takes connections; None if it ended instead."""
        while time.monotonic() < deadline:
            found = process.postmaster(self.data)
            if found is not None and found.state == "ready":
                return found
            if not process.alive(pid):
                return None
            time.sleep(_POLL_S)
        raise self._failure()

    @staticmethod
    def _clear_leftovers(data: Path) -> None:
        """Makes room after a killed server: ends what is left of it, and removes a pid file that names a stranger."""
        left = process.members(data)
        if left and not process.wait_gone(lambda: not process.members(data), 2.0):
            for pid in process.members(data):
                process.send(pid, signal.SIGQUIT)
            process.wait_gone(lambda: not process.members(data), 5.0)
        pid_file = data / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(pid_file.read_text(encoding="utf-8").splitlines()[0])
            # PostgreSQL itself clears a file whose process is gone; one whose number was given to another it respects.
            if process.alive(pid) and process.postmaster(data) is None and not process.members(data):
                pid_file.unlink()

    def _choose_port(self) -> int:
        with contextlib.suppress(OSError, ValueError):
            last = int((self.home / "port").read_text(encoding="ascii"))
            if _free(last):
                return last
        start = int(hashlib.sha256(os.fsencode(self.home)).hexdigest(), 16)
        for step in range(len(_PORTS)):
            port = _PORTS[(start + step) % len(_PORTS)]
            if _free(port):
                return port
        raise errors.StillroomError("no TCP port between 20000 and 29999 is free on 127.0.0.1", "free one")

    def _failure(self) -> errors.StillroomError:
        try:
            said = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        except OSError:
            said = []
        return errors.StillroomError(
            f"the database server of {self.home} does not start",
            f"the end of {self.log} tells why",
            detail="\n".join(said),
        )


def _environment() -> dict[str, str]:
    """This process's environment without what would steer PostgreSQL elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C"}


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True
