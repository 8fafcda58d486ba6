"""Commands that do not get to their end: Ctrl-C, a signal, kill -9; and what the next command finds."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stillroom.embedded import binaries, process
from stillroom.embedded.cluster import Cluster
from tests.conftest import NewDatabase
from tests.integration.conftest import SHOP
from tests.support import fleets, program, projects
from tests.support.postgres import Role

STEPS = ("project", "scratch database", "autogenerate", "upgrade", "downgrade", "replay old history", "copy back")
SEED = 20261122


@pytest.fixture
def private(auth: fleets.Fleet, tmp_path: Path) -> fleets.Fleet:
    """The fleet `auth`, with a temporary folder of its own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    auth.program.variables["TMPDIR"] = str(folder)
    return auth


def traces(fleet: fleets.Fleet) -> list[str]:
    """What a run must not leave: temporary folders, scratch databases, journals, staged files."""
    files = Path(fleet.program.variables["TMPDIR"]).iterdir()
    journals = (fleet.folder / ".stillroom").glob("replacements/*")
    staged = fleet.folder.rglob(".stillroom-*")
    return [*map(str, files), *fleet.leftovers(), *map(str, journals), *map(str, staged)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_cleans_up_and_says_what_was_not_done(
    private: fleets.Fleet, number: signal.Signals, code: int
) -> None:
    """The service's process, its scratch database and its temporary folder go; the migrations are as they were."""
    with private.untouched(), private.program.running("regenerate", "--verbose") as running:
        running.until("autogenerate")
        family = running.family()
        assert len(family) >= 3
        running.signal(number)
        ran = running.finish()
    assert ran.code == code, ran.told
    assert ran.stderr.splitlines()[-2:] == [
        "✗ interrupted; not done: auth",
        "→ run it again when you want to; invoke status shows how far it came",
    ]
    assert "Traceback" not in ran.stderr.partition("interrupted")[2].replace("auth | Traceback", "")
    assert program.gone(family)
    assert traces(private) == []


def test_an_interrupt_is_told_to_machines_too(private: fleets.Fleet) -> None:
    """One document, with what was done by then."""
    with private.program.running("regenerate", "--json") as running:
        while not private.leftovers():
            assert running.process.poll() is None
        running.signal(signal.SIGINT)
        ran = running.finish()
    assert ran.code == 130, ran.told
    assert (ran.json["command"], ran.json["ok"]) == ("regenerate", False)
    assert ran.json["error"]["code"] == "interrupted"
    assert ran.json["error"]["data"] == {"done": [], "undone": ["auth"]}
    assert traces(private) == []


def test_what_was_done_before_an_interrupt_is_told(shop: fleets.Fleet) -> None:
    """One service has its baseline, the other is as it was."""
    made = shop.services["sales"]
    env = (made.migrations / "env.py").read_text()
    made.write(
        "migrations/env.py", env.replace("    engine = create", "    await asyncio.sleep(600)\n    engine = create")
    )
    with shop.program.running("regenerate", "--skip-db-check", "--verbose") as running:
        running.until("regenerate: 2 services")
        running.until("auth: ✓")
        running.signal(signal.SIGINT)
        ran = running.finish()
    assert ran.code == 130, ran.told
    assert "✗ interrupted; done: auth; not done: sales" in ran.stderr
    assert (len(shop.history("auth")), len(shop.history("sales"))) == (1, 0)


LOOKING = (
    ("preflight",),
    ("status",),
    ("apply", "--yes"),
    ("cleanup", "--yes"),
    ("adopt", "--yes"),
    ("revision", "--message", "more"),
    ("regenerate", "--yes"),
)


@pytest.mark.parametrize("command", LOOKING, ids=lambda command: command[0])
def test_what_was_only_looked_at_is_not_done(command: tuple[str, ...], shop: fleets.Fleet) -> None:
    """One service was looked at; the other's server takes connections and says nothing."""
    for service in shop.services.values():
        service.add(projects.revision("0001"))
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        variable = shop.services["sales"].url_variable
        shop.program.variables[variable] = f"postgresql+asyncpg://me:x@127.0.0.1:{silent.getsockname()[1]}/sales"
        with shop.program.running(*command, "--verbose") as running:
            running.until("[1/2] auth: ")
            running.signal(signal.SIGINT)
            ran = running.finish()
    assert ran.code == 130, ran.told
    assert "✗ interrupted; not done: auth, sales" in ran.stderr
    assert shop.leftovers() == []


def test_an_interrupt_at_a_question_finds_nothing_done(shop: fleets.Fleet) -> None:
    """And asks no further."""
    assert shop.run("regenerate").code == 0
    with shop.program.terminal("apply") as terminal:
        terminal.expect("[y/N]")
        terminal.type("\x03")
        ran = terminal.finish()
    assert ran.code == 130, ran.told
    assert "interrupted; not done: auth, sales" in ran.stdout


def stuck(service: projects.Made, where: str) -> None:
    """Makes a service whose run comes to a stop: while it generates, or while its old history is replayed."""
    if where == "autogenerate":
        env = (service.migrations / "env.py").read_text()
        service.write("migrations/env.py", env.replace("    engine = create", STUCK_ENV + "    engine = create"))
    else:
        service.add(projects.revision("0001", upgrade=STUCK_UPGRADE))


STUCK_ENV = """
    import asyncpg
    own = await asyncpg.connect(os.environ["AUTH_DATABASE_URL"].replace("+asyncpg", ""))
    await own.execute("CREATE SCHEMA mine; CREATE TABLE mine.half (n int); CREATE TYPE public.mood AS ENUM ('sad')")
    await own.execute("SELECT lo_create(0)")
    await asyncio.sleep(600)
"""
STUCK_UPGRADE = """
    with op.get_context().autocommit_block():
        op.execute("CREATE SCHEMA mine")
        op.execute("CREATE TABLE mine.half (n int)")
    __import__("time").sleep(600)
"""


@pytest.mark.parametrize("where", ["autogenerate", "replay old history"])
@pytest.mark.parametrize("whole", [False, True], ids=["the worker", "the whole family"])
def test_a_given_scratch_database_is_emptied_after_a_kill(
    where: str, whole: bool, tmp_path: Path, new_database: NewDatabase, owner: Role
) -> None:
    """At once, if only the worker was killed; else by the run that follows, which says so. What was prepared stays."""
    fleet = fleets.Fleet(tmp_path / "fleet").add(
        "auth", new_database(owner=owner), owner, models=SHOP, scratch_url_variable="AUTH_SCRATCH_URL"
    )
    given = new_database(owner=owner)
    given.execute(f"CREATE SCHEMA prepared AUTHORIZATION {owner.name}")
    fleet.written().program.variables["AUTH_SCRATCH_URL"] = given.url(role=owner)
    auth = fleet.services["auth"]
    sound = (auth.migrations / "env.py").read_text()
    stuck(auth, where)
    half = "SELECT to_regclass('mine.half') IS NOT NULL"
    with fleet.program.running("regenerate", "--yes", "--verbose", "--skip-db-check") as running:
        running.until(f"auth: {where}")
        while given.fetch(half) == [(False,)]:
            assert running.process.poll() is None
        for pid in running.family() if whole else running.family()[-1:]:
            os.kill(pid, signal.SIGKILL)
        ran = running.finish()
    assert given.fetch(half) == [(whole,)]
    assert whole or ran.code == 1, ran.told
    auth.write("migrations/env.py", sound)
    for each in auth.versions.glob("0001*"):
        each.unlink()
    for expected in (whole, False):
        ran = fleet.run("regenerate", "--yes")
        assert ran.code == 0, ran.told
        assert ("that an earlier run for auth (" in ran.stderr) is expected, ran.told
    assert given.fetch("SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]
    assert given.fetch("SELECT nspname FROM pg_namespace WHERE oid >= 16384") == [("prepared",)]


def test_kill_9_at_any_moment_leaves_a_whole_history(private: fleets.Fleet) -> None:
    """Each run is killed, with or without its helpers, and follows one that was: history, messages, traces."""
    chance = random.Random(SEED)  # noqa: S311 - moments, not secrets
    auth = private.services["auth"]
    variants = (SHOP, SHOP + projects.table("extra"))
    command = ("regenerate", "--yes", "--verbose", "--skip-backup", "--accept-loss", "*")
    wholes = []
    for models in variants:
        auth.write_models(models)
        assert private.run(*command).code == 0
        wholes.append(auth.history)
    said = {"undone": 0, "finished": 0}
    moments = [(step, 0.0) for step in STEPS] + [("copy back", 0.002 * n) for n in range(8)]
    chance.shuffle(moments)
    interrupted = False
    for number, (step, delay) in enumerate(moments):
        auth.write_models(variants[number % 2])
        with private.program.running(*command) as running:
            told = running.until("auth: project") and running.said
            assert auth.history in wholes
            assert ("had been interrupted" in told) is interrupted, told
            for word in said:
                said[word] += f"it was {word}" in told
            if step != "project":
                until(running, step)
            time.sleep(delay)
            family = running.family()
            for pid in family[: chance.choice((1, len(family)))]:
                with contextlib.suppress(ProcessLookupError):  # it may be done by then
                    os.kill(pid, signal.SIGKILL)
            running.finish()
        assert program.gone(family)
        interrupted = any((private.folder / ".stillroom" / "replacements").glob("*.json"))
    ran = private.run(*command)
    assert ran.code == 0, ran.told
    assert auth.history in wholes
    assert traces(private) == []
    assert private.run("status").code == 0


def test_two_operators_at_once_make_one_history(private: fleets.Fleet) -> None:
    """Each ends well, or is told that somebody else was at work; the history is one baseline, and whole."""
    private.services["auth"].add(projects.revision("0001"), projects.revision("0002", "0001"))
    command = ("regenerate", "--yes", "--accept-loss", "*")
    told = []
    for number in range(3):
        texts = [f"{who} {number}" for who in ("one", "other")]
        with contextlib.ExitStack() as both:
            started = [both.enter_context(private.program.running(*command, "--message", text)) for text in texts]
            told += [each.finish() for each in started]
        (history,) = private.history("auth").values()
        well = [text for text, ran in zip(texts, told[-2:], strict=True) if ran.code == 0]
        assert well, told[-2].told + told[-1].told
        assert any(text in history for text in well)
    for ran in told:
        assert ran.code == 0 or "changed its migrations" in ran.told or "is replacing its migrations" in ran.told
    assert traces(private) == []


@pytest.mark.parametrize("command", [("regenerate", "--yes"), ("revision", "--message", "more")], ids=lambda it: it[0])
def test_migrations_that_somebody_changes_meanwhile_are_left_alone(
    command: tuple[str, ...], private: fleets.Fleet
) -> None:
    """What was made is made for another history; the file is named."""
    assert private.run("regenerate").code == 0
    auth = private.services["auth"]
    auth.write_models(SHOP + projects.table("extra"))
    env = (auth.migrations / "env.py").read_text()
    wait = "    while not os.path.exists('go'):\n        await asyncio.sleep(0.01)\n"
    auth.write("migrations/env.py", env.replace("    engine = create", wait + "    engine = create"))
    [(name, text)] = auth.history.items()
    with private.program.running(*command, "--skip-db-check", "--verbose") as running:
        running.until("auth: scratch database")
        auth.write(f"migrations/versions/{name}", text + "# theirs\n")
        (auth.path / "go").touch()
        ran = running.finish()
    assert ran.code == 4, ran.told
    assert f"somebody else has changed its migrations while this run was at work: {name} has changed" in ran.stderr
    assert auth.history == {name: text + "# theirs\n"}
    assert traces(private) == []


def until(running: program.Running, step: str) -> None:
    """Waits for a step; one that is left out, since nothing changed, is waited for no longer than the run."""
    try:
        running.until(f"auth: {step}\n")
    except AssertionError:
        assert "unchanged" in running.process.stdout.read()  # type: ignore[union-attr]


def test_rows_survive_a_kill_after_their_dump(private: fleets.Fleet, owner: Role) -> None:
    """In place, the database is emptied after a dump; killed there, the dump is listed, and brings the rows back."""
    database = private.databases["auth"]
    database.execute("CREATE TABLE account (id int, email text); INSERT INTO account VALUES (1, 'me')", role=owner)
    with private.program.running("regenerate", "--reset-in-place", "--yes", "--verbose") as running:
        running.until("its rows were dumped to")
        running.until("auth: autogenerate")
        family = running.family()
        for pid in family:
            os.kill(pid, signal.SIGKILL)
    assert program.gone(family)
    assert database.fetch("SELECT to_regclass('account')") == [(None,)]
    assert private.history("auth") == {}
    ran = private.run("restore", "--service", "auth", "--database", "--yes")
    assert ran.code == 0, ran.told
    assert database.fetch("SELECT * FROM account") == [(1, "me")]


def test_a_kill_in_place_leaves_a_database_that_the_next_run_puts_right(private: fleets.Fleet) -> None:
    """Emptied, generated on, upgraded: wherever it is killed, the same command again ends well."""
    command = ("regenerate", "--reset-in-place", "--apply", "--yes", "--verbose", "--accept-loss", "*")
    for text in (
        "auth: reset in place",
        "auth: upgrade",
        "auth: replay old history",
        "auth: copy back",
        "apply: 1 service",
    ):
        private.services["auth"].write_models(SHOP + projects.table(f"extra{len(text)}"))
        with private.program.running(*command) as running:
            running.until(text)
            for pid in running.family():
                with contextlib.suppress(ProcessLookupError):  # it may be done by then
                    os.kill(pid, signal.SIGKILL)
            running.finish()
        ran = private.run(*command)
        assert ran.code == 0, ran.told
        assert len(private.history("auth")) == 1
        assert private.run("status", "--json").json["services"][0]["state"] == "at_head"
    assert traces(private) == []


@pytest.fixture
def embedded(quick_path: Path) -> Iterator[fleets.Fleet]:
    """A fleet of one service on the embedded database."""
    fleet = fleets.Fleet(quick_path)
    fleet.services["auth"] = projects.make_service(quick_path / "auth", models=SHOP)
    yield fleet.written(default_environment="development")
    Cluster(binaries.wheel(), quick_path / ".stillroom" / "postgres").remove()


def test_an_interrupt_stops_the_embedded_database_and_a_kill_leaves_it_to_the_next(embedded: fleets.Fleet) -> None:
    """Nobody has to know that there was a server."""
    cluster = Cluster(binaries.wheel(), embedded.folder / ".stillroom" / "postgres")
    with embedded.program.running("regenerate", "--verbose") as running:
        running.until("autogenerate")
        assert cluster.running() is not None
        running.signal(signal.SIGINT)
        assert running.finish().code == 130
    assert process.members(cluster.data) == []
    with embedded.program.running("regenerate", "--verbose") as running:
        running.until("autogenerate")
        running.process.kill()
    assert cluster.running() is not None
    ran = embedded.run("regenerate", "--apply", "--yes")
    assert ran.code == 0, ran.told
    assert process.members(cluster.data) == []
    (state,) = embedded.run("status", "--json").json["services"]
    assert state["state"] == "at_head"
    cluster.start()
    rows = Cluster(binaries.wheel(), cluster.home).running()
    assert rows is not None
    cluster.stop()
