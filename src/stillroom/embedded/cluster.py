"""One PostgreSQL server on data of its own: made, started, found running, stopped.

Whoever calls serialises `start` and `stop` of one home folder (`stillroom.embedded.lease` does).
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from stillroom import errors
from stillroom.embedded import account as accounts
from stillroom.embedded import creation, launch, placement, process, secret, settings

__all__ = ["ROLE", "Cluster"]

ROLE = "postgres"
"""The role that owns the server; its password is in the home folder's `pgpass`."""

_START_S = 60.0
_POLL_S = 0.004
_RETRY_S = 0.05


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

    @cached_property
    def major(self) -> int:
        """The major version of the programs."""
        return int(self.version.split(".")[0])

    @cached_property
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
        return f"{driver}://{ROLE}:{quote(self.password, safe='')}@{launch.HOST}:{self.port}/{quote(database, safe='')}"

    def environment(self) -> dict[str, str]:
        """The PG* variables with which `psql`, `pg_dump` and the like find this server and its password."""
        return {
            "PGHOST": launch.HOST,
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
        return process.stop(self.data, ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0)))

    def remove(self) -> None:
        """Stops the server, at once, and deletes all that is in the home folder, and the data wherever they are."""
        creation.delete(self.data)
        shutil.rmtree(self.home, ignore_errors=True)

    def initdb(self) -> None:
        """Makes the data and the password; data that are there already are never touched.

        Raises:
            StillroomError: `initdb` failed; what it said is the detail.
        """
        if self.exists and not placement.claim(self.data, self.home):
            (self.home / "data").unlink()
        if not self.exists:
            creation.create(self.bin, self.home, role=ROLE, major=self.major)
            self._password = None

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
        socket_dir = placement.socket_folder(data, account)
        self._clear_leftovers(data, socket_dir)
        port = launch.choose_port(self.home)
        command = [
            str(placement.programs(self.bin, account) / "postgres"),
            "-D",
            str(data),
            *settings.arguments(self.major, port, socket_dir, self._extra),
        ]
        pid = launch.spawn(command, self.log, account)
        found = self._settled(pid, time.monotonic() + _START_S)
        if found is not None:
            (self.home / "port").write_text(f"{found.port}\n", encoding="ascii")
            return found
        if launch.free(port) and not process.members(data):
            raise self._failure()
        time.sleep(_RETRY_S)  # the port was taken under our hands, or processes of a killed server are still ending
        return None

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
    def _clear_leftovers(data: Path, socket_dir: Path) -> None:
        """Makes room after a killed server: waits for what is left of it to end, and removes its lock files.

        PostgreSQL would clear them itself, were the process gone that they name. It respects a number that another
        program has by now, and a dead process that nobody collects (in a container without an init, say).
        """
        for seconds in (2.0, 5.0):
            if process.wait_until(lambda: not process.members(data), seconds):
                break
            for pid in process.members(data):
                process.send(pid, signal.SIGQUIT)
        if process.CAN_TELL and process.postmaster(data) is None and not process.members(data):
            for left in (data / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*")):
                left.unlink(missing_ok=True)

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
