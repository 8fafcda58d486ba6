"""Kill -9 at seeded moments, of whoever takes part in a command: what the next one finds is the old state or the new.

A run of the suite takes 15 of the points; `STILLROOM_CRASH_POINTS=60` takes all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stillroom.embedded import binaries
from stillroom.embedded.cluster import Cluster
from stillroom.history import replace
from tests.support import fleets, postgres, program, projects

POINTS = int(os.environ.get("STILLROOM_CRASH_POINTS", "15"))
SEED = 20261122
VICTIMS = ("operator", "parent", "worker", "postgres")
MODELS = projects.table("account", "email: Mapped[str]")
MORE = projects.table("extra", "note: Mapped[str]")
SETTINGS = {"fsync": "off", "autovacuum": "off", "dynamic_shared_memory_type": "mmap"}


def step(number: int) -> projects.Revision:
    """A revision of the history, which makes a table."""
    make = f"op.create_table('t{number}', sa.Column('id', sa.Integer, primary_key=True))"
    return projects.revision(
        f"{number:04}",
        f"{number - 1:04}" if number > 1 else None,
        upgrade=make,
        downgrade=f"op.drop_table('t{number}')",
    )


@dataclasses.dataclass(frozen=True)
class Work:
    """A command, and the steps that it tells of with `--verbose`.

    Attributes:
        command: as typed.
        steps: moments to kill at, in words of its progress.
        models: the service's, as they are when it begins.
        history: how many revisions there are.
        applied: at which revision its database is.
    """

    command: tuple[str, ...]
    steps: tuple[str, ...]
    models: str = MODELS + MORE
    history: int = 1
    applied: str | None = None


MADE = ("project", "scratch database", "autogenerate", "upgrade", "downgrade", "copy back")
WORKS: Mapping[str, Work] = {
    "regenerate": Work(("regenerate", "--yes", "--accept-loss", "*"), (*MADE, "replay old history")),
    "revision": Work(("revision", "--message", "more"), MADE, models=MODELS),
    "apply": Work(("apply", "--yes"), ("connect", "upgrade", "upgrade"), history=6, applied="0002"),
    "cleanup": Work(("cleanup", "--yes"), ("survey", "dump rows", "dump rows", "reset"), history=2, applied="0002"),
    "restore": Work(
        ("restore", "--service", "auth", "--database", "--yes"),
        ("survey", "dump rows", "rehearse", "restore rows", "restore rows"),
        history=2,
        applied="0002",
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """A server of these tests alone, which may be killed."""
    home = postgres.temporary_folder()
    cluster = Cluster(binaries.wheel(), home, extra=SETTINGS)
    try:
        cluster.start()
        yield postgres.Server(cluster)
    finally:
        cluster.remove()


class Scene:
    """A fleet of one service on a server that may be killed, in the state before a command."""

    def __init__(self, folder: Path, server: postgres.Server, work: Work) -> None:
        self.server = server
        self.work = work
        self.role = server.create_role("CREATEDB")
        self.database = server.create_database(owner=self.role)
        self.fleet = fleets.Fleet(folder / "fleet").add("auth", self.database, self.role, models=work.models)
        self.fleet.written()
        temporary = folder / "temporary"
        temporary.mkdir()
        self.fleet.program.variables["TMPDIR"] = str(temporary)
        self.auth = self.fleet.services["auth"]
        self.auth.add(*(step(number) for number in range(1, work.history + 1)))
        if work.applied:
            self._apply(int(work.applied))
        self.stamp = self._dumped() if work.command[0] == "restore" else ""
        self.old = self.state()

    def _apply(self, count: int) -> None:
        """As `apply` would, and some rows."""
        made = "".join(f"CREATE TABLE t{number} (id serial PRIMARY KEY);" for number in range(1, count + 1))
        versions = "CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY);"
        rows = f"INSERT INTO alembic_version VALUES ('{count:04}'); INSERT INTO t1 SELECT generate_series(1, 500)"
        self.database.execute(made + versions + rows, role=self.role)

    def _dumped(self) -> str:
        """A dump of 500 rows to restore; the database goes on to others. The dump's time stamp."""
        ran = self.fleet.run("cleanup", "--yes")
        assert ran.code == 0, ran.told
        self._apply(2)
        self.database.execute("DELETE FROM t1 WHERE id > 7", role=self.role)
        [(stamp, _)] = self.dumps().items()
        return stamp

    @property
    def command(self) -> tuple[str, ...]:
        """As typed."""
        return (*self.work.command, *(("--backup", self.stamp) if self.stamp else ()))

    def state(self) -> dict[str, Any]:
        """The history and what is in the database: tables, the version, how many rows."""
        tables = [name for (name,) in self.database.fetch(TABLES)]
        version = self.database.fetch("SELECT version_num FROM alembic_version") if "alembic_version" in tables else []
        rows = self.database.fetch("SELECT count(*) FROM t1") if "t1" in tables else []
        return {"history": self.auth.history, "tables": tables, "version": version, "rows": rows}

    def dumps(self) -> dict[str, int]:
        """The whole dumps that are listed: time stamp to number of rows."""
        found = {}
        for note in sorted((self.fleet.folder / ".stillroom/backups/databases/auth").glob("*.json")):
            said = json.loads(note.read_text())
            assert Path(said["file"]).stat().st_size == said["size"]
            found[note.stem] = said["rows"]
        return found

    def traces(self) -> list[str]:
        """What is left beside the state: temporary folders, scratch databases, journals, staged and unfinished files."""
        state = self.fleet.folder / ".stillroom"
        dumps = [*state.glob("backups/databases/auth/*")]
        return [
            *map(str, Path(self.fleet.program.variables["TMPDIR"]).iterdir()),
            *self.fleet.leftovers(),
            *map(str, state.glob("replacements/*")),
            *map(str, state.glob("backups/migrations/*/.*")),
            *map(str, self.fleet.folder.rglob(".stillroom-*")),
            *(str(each) for each in dumps if each.suffix not in (".dump", ".json")),
            *(str(each) for each in dumps if not each.with_suffix(".json").exists()),
        ]

    def close(self) -> None:
        """The database and the role go."""
        self.server.cluster.start()
        self.server.close()
        self.server.drop_database(self.database.name)
        self.server.drop_role(self.role)


TABLES = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"


@pytest.fixture
def scene(tmp_path: Path, server: postgres.Server, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The scene of the point's command."""
    server.cluster.start()
    made = Scene(tmp_path, server, WORKS[request.param])
    yield made
    made.close()


def kill(victim: str, running: program.Running, cluster: Cluster) -> None:
    """Kills one that takes part; one that is not there (any more) is as good as killed."""
    operator, *helpers = running.family()
    found = {"operator": [operator], "parent": helpers[:1], "worker": helpers[1:]}.get(victim)
    if found is None:
        ready = cluster.running()
        found = [] if ready is None else [ready.pid]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def points() -> list[Any]:
    """Command, victim and number of each point: after 20 of them each victim was killed in each command."""
    names = list(WORKS)
    return [
        pytest.param(
            names[number % 5], VICTIMS[number % 4], number, id=f"{number}-{names[number % 5]}-{VICTIMS[number % 4]}"
        )
        for number in range(POINTS)
    ]


@pytest.mark.parametrize(("scene", "victim", "number"), points(), indirect=["scene"])
def test_a_kill_leaves_the_old_state_or_the_new_one(scene: Scene, victim: str, number: int) -> None:
    """Whole; who survives says what to do; the same command again ends well, and then nothing is left behind."""
    chance = random.Random(f"{SEED} {number}")  # noqa: S311 - moments, not secrets
    words, delay = chance.choice(scene.work.steps), chance.choice((0.0, 0.01, 0.05, 0.2))
    with scene.fleet.program.running(*scene.command, "--verbose") as running:
        with contextlib.suppress(AssertionError):  # it may have ended without that step, or before
            running.until(f"auth: {words}\n")
        threading.Event().wait(delay)  # to be somewhere within the step
        family = running.family()
        kill(victim, running, scene.server.cluster)
        ran = running.finish()
    assert program.gone(family)
    scene.server.cluster.start()
    survivor_is_right(ran, victim)
    replace.recover(scene.fleet.folder / ".stillroom")
    found = scene.state()
    again = scene.fleet.run(*scene.command)
    assert again.code == 0, again.told
    new = scene.state()
    one_of_both(scene, found, new)
    if ran.code == 0:
        assert found == new
    assert scene.traces() == []


def survivor_is_right(ran: program.Ran, victim: str) -> None:
    """Killed, done, or failed (3: in preflight already) with what happened and what to do."""
    assert ran.code in {0, 1, 3} | ({-signal.SIGKILL} if victim == "operator" else set()), ran.told
    if ran.code > 0:
        assert "✗ " in ran.stderr, ran.told
        assert "→ " in ran.stderr, ran.told
        assert "fault of Stillroom itself" not in ran.stderr, ran.told


def one_of_both(scene: Scene, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Not a mixture, and not what lies between: a database that is emptied and not filled yet."""
    assert found["history"] in (scene.old["history"], new["history"])
    assert {**found, "history": 0} in ({**scene.old, "history": 0}, {**new, "history": 0})
    if scene.work.command[0] == "cleanup":
        assert 501 in scene.dumps().values()


KILLED_IN_THE_SWAP = """
import os, signal, sys
left = {left}
def at(event, arguments):
    global left
    if event == "os.remove" and "migrations/versions/0" in str(arguments[0]):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(at)
"""


def test_340_revisions_are_replaced_by_one_though_it_is_killed_in_the_middle(
    tmp_path: Path, server: postgres.Server
) -> None:
    """The operator is killed when some of the old files are gone; the next command finishes it, and says so."""
    server.cluster.start()
    scene = Scene(tmp_path, server, dataclasses.replace(WORKS["regenerate"], history=0))
    scene.auth.add(step(1), *(projects.revision(f"{number:04}", f"{number - 1:04}") for number in range(2, 341)))
    left = random.Random(SEED).randrange(1, 341)  # noqa: S311 - a moment, no secret
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook/sitecustomize.py").write_text(KILLED_IN_THE_SWAP.replace("{left}", str(left)))
    path = os.pathsep.join([str(tmp_path / "hook"), *filter(None, [os.environ.get("PYTHONPATH")])])
    with scene.fleet.program.running(*scene.command, "--verbose", variables={"PYTHONPATH": path}) as running:
        running.until("auth: copy back")
        family = running.family()
        ran = running.finish()
    assert ran.code == -signal.SIGKILL, ran.told
    assert program.gone(family)
    assert len(scene.auth.history) == 340 - left + 2
    ran = scene.fleet.run("status")
    assert "(1 to write, 340 to remove) had been interrupted after it took effect; it was finished" in ran.stderr, (
        ran.told
    )
    assert len(scene.auth.history) == 1
    assert scene.traces() == []
    ran = scene.fleet.run("restore", "--service", "auth", "--yes")
    assert ran.code == 0, ran.told
    assert len(scene.auth.history) == 340
    scene.close()


HOLD = """
CREATE SCHEMA aside;
CREATE FUNCTION aside.hold() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(7); END';
CREATE EVENT TRIGGER hold ON ddl_command_start WHEN TAG IN ('{}') EXECUTE FUNCTION aside.hold();
"""
HELD = """
SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database() AND query LIKE '{}%'
"""
MAKE = "CREATE TABLE account (id int, name text); CREATE INDEX of_names ON account (name);"


@pytest.mark.parametrize(
    ("victim", "at"),
    [
        ("all", "CREATE TABLE"),
        ("psql", "CREATE TABLE"),
        ("pg_restore", "CREATE TABLE"),
        ("worker", "CREATE TABLE"),
        ("all", "CREATE INDEX"),
        ("psql", "CREATE INDEX"),
    ],
)
def test_a_restore_that_is_killed_half_way_has_changed_nothing(
    victim: str, at: str, auth: fleets.Fleet, owner: postgres.Role
) -> None:
    """The database is emptied, or filled again up to its index: what was there before is there; again it works."""
    database = auth.databases["auth"]
    # More rows than a pipe takes: pg_restore waits for psql, and psql for the server.
    many = "INSERT INTO account SELECT n, repeat(md5(n::text), 5) FROM generate_series(1, 3000) n"
    database.execute(MAKE + many, role=owner)
    assert auth.run("cleanup", "--yes").code == 0
    database.execute(MAKE + "INSERT INTO account VALUES (2, 'before')", role=owner)
    database.execute(HOLD.format(at))
    with database.connect() as holder:
        holder.execute("SELECT pg_advisory_lock(7)")
        with auth.program.running("restore", "--service", "auth", "--database", "--yes", "--verbose") as running:
            running.until("auth: restore rows")
            while not database.fetch(HELD.format(at)):
                assert running.process.poll() is None
            family = running.family()
            for pid in family[2:]:
                if victim in ("all", called(pid)):
                    os.kill(pid, signal.SIGKILL)
            holder.execute("SELECT pg_advisory_unlock(7)")
            ran = running.finish()
    assert program.gone(family)
    assert ran.code == 1, ran.told
    assert "→ " in ran.stderr
    # Waits for the server's end of it, which holds a lock.
    assert database.fetch("SELECT * FROM account") == [(2, "before")]
    database.execute("DROP EVENT TRIGGER hold")
    stamp = min(each.stem for each in (auth.folder / ".stillroom/backups/databases/auth").glob("*.json"))
    ran = auth.run("restore", "--service", "auth", "--database", "--backup", stamp, "--yes")
    assert ran.code == 0, ran.told
    assert database.fetch("SELECT count(*) FROM account") == [(3000,)]


def called(pid: int) -> str:
    """The name of a process; `worker` for one of ours."""
    name = Path(f"/proc/{pid}/comm").read_text().strip()
    return "worker" if name.startswith(("python", "invoke")) else name


@pytest.mark.parametrize(
    "command", [("regenerate", "--yes", "--accept-loss", "history:unreplayable"), ("apply", "--yes")]
)
def test_a_server_that_dies_while_a_history_is_replayed_is_no_fault_of_the_history(
    command: tuple[str, ...], tmp_path: Path, server: postgres.Server
) -> None:
    """Not even where it may be given up: the error is about the server, and nothing is replaced or refused."""
    server.cluster.start()
    scene = Scene(tmp_path, server, dataclasses.replace(WORKS["regenerate"], history=0))
    scene.auth.add(projects.revision("0001", upgrade="op.execute('SELECT pg_sleep(600)')"))
    if command[0] == "apply":
        scene.database.execute("CREATE TABLE account (id int)", role=scene.role)
    old = scene.auth.history
    with scene.fleet.program.running(*command, "--verbose") as running:
        while not server.fetch("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
            assert running.process.poll() is None
        kill("postgres", running, server.cluster)
        ran = running.finish()
    server.cluster.start()
    assert ran.code == 1, ran.told
    assert "No PostgreSQL answers for" in ran.stderr, ran.told
    assert "pg_isready" in ran.stderr
    assert "unreplayable" not in ran.stderr
    assert scene.auth.history == old
    scene.auth.write("migrations/versions/0001_.py", step(1).text)
    ran = scene.fleet.run("regenerate", "--yes", "--accept-loss", "*")
    assert ran.code == 0, ran.told
    assert scene.traces() == []
    scene.close()
