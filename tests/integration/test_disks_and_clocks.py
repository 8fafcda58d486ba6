"""Disks that are full or read-only, folders that nobody may write, clocks that jump: whole commands meet them."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from pathlib import Path

import pytest

from stillroom import cleanup
from stillroom.runtime.housekeeping import makers
from stillroom.runtime.resetting import dump
from tests.integration.conftest import SHOP
from tests.support import fleets, program, projects
from tests.support.postgres import Role

NOTHING = ("sh", "-c", 'ulimit -f 0; exec "$@"', "sh")
"""What starts a command that may write no byte to any file, as on a full disk, whoever runs it."""


@pytest.fixture
def full(auth: fleets.Fleet, owner: Role) -> fleets.Fleet:
    """The fleet `auth` with an applied baseline, a dump, a backup, rows, and a model that is not migrated."""
    made = auth.services["auth"]
    made.add(projects.revision("0001", upgrade="op.create_table('t', sa.Column('id', sa.Integer))"))
    assert auth.run("apply", "--yes").code == 0
    auth.databases["auth"].execute("INSERT INTO t VALUES (1), (2)", role=owner)
    assert auth.run("cleanup", "--yes").code == 0
    assert auth.run("regenerate", "--yes", "--apply", "--accept-loss", "*").code == 0
    auth.databases["auth"].execute("INSERT INTO account VALUES (1, 'me')", role=owner)
    made.write_models(SHOP + projects.table("extra"))
    return auth


def is_told(ran: program.Ran, words: str, code: int = 1) -> None:
    """Failed, with these words, a mend, and no talk of a fault of ours."""
    said = " ".join(ran.stderr.split())
    assert ran.code == code, ran.told
    assert words in said, ran.told
    assert "→ " in ran.stderr
    for talk in ("fault of Stillroom itself", "report it", "Traceback"):
        assert talk not in said, ran.told


MAKING = ("regenerate", "--yes", "--accept-loss", "*")
ADDING = ("revision", "--message", "more")
NO_FOLDER = "there is no temporary folder that a file can be written to"


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (MAKING, 3, NO_FOLDER),
        ((*MAKING, "--ignore-preflight"), 1, NO_FOLDER),
        (ADDING, 3, NO_FOLDER),
        (("cleanup", "--yes"), 1, "its file grew too large for the limit that is set"),
        (("restore", "--service", "auth", "--yes"), 1, "file too large"),
        (("restore", "--service", "auth", "--database", "--yes"), 1, "its file grew too large"),
    ],
    ids=["regenerate", "regenerate in spite of preflight", "revision", "cleanup", "restore", "restore --database"],
)
def test_a_full_disk_stops_a_command_before_anything_is_changed(
    command: tuple[str, ...], code: int, words: str, full: fleets.Fleet
) -> None:
    """No file takes a byte: the error says what to do, everything is as it was; with room it works."""
    with full.untouched():
        ran = full.program.run(*command, through=NOTHING)
    is_told(ran, words, code)
    assert full.leftovers() == []
    state = full.folder / ".stillroom"
    assert [*state.glob("replacements/*"), *state.rglob("*.part"), *state.rglob("*.partial")] == []
    ran = full.run(*command)
    assert ran.code == 0, ran.told


FULL = "op.execute('INSERT INTO crowded VALUES (1)')"
SAYS_FULL = "op.execute(\"DO 'BEGIN RAISE EXCEPTION USING ERRCODE = 53100::text, MESSAGE = ''no room''; END'\")"


def test_a_full_disk_of_the_server_is_no_fault_of_a_revision(auth: fleets.Fleet, owner: Role) -> None:
    """apply says what to do there; regenerate gives up no history for it, though an unreplayable one may go."""
    made, database = auth.services["auth"], auth.databases["auth"]
    made.add(projects.revision("0000"), projects.revision("0001", "0000", upgrade=FULL))
    database.execute("CREATE UNLOGGED TABLE crowded (n int)", role=owner)
    database.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)", role=owner)
    ((path,),) = database.fetch("SELECT pg_relation_filepath('crowded')")
    file = database.server.cluster.data / path
    file.unlink()
    file.symlink_to("/dev/full")  # where no byte can be written
    database.execute("INSERT INTO alembic_version VALUES ('0000')", role=owner)
    ran = auth.run("apply", "--yes", "--json")
    error = ran.json["services"][0]["error"]
    assert (ran.code, error["code"], error["data"]["cause"]) == (1, "revision-failed", "server-disk-full"), ran.told
    assert "Make room on the server's disk" in error["mend"]
    database.execute("DROP TABLE crowded")
    made.add(projects.revision("0001", "0000", upgrade=SAYS_FULL))
    with auth.untouched():
        ran = auth.run("regenerate", "--yes", "--accept-loss", "history:unreplayable", "--json")
    error = ran.json["services"][0]["error"]
    assert (ran.code, error["code"]) == (1, "server-disk-full"), ran.told


def test_looking_and_applying_need_no_room(full: fleets.Fleet) -> None:
    """What writes no file works where none can be written."""
    for command in (("status",), ("apply", "--yes"), ("restore", "--list")):
        ran = full.program.run(*command, through=NOTHING)
        assert ran.code == 0, ran.told


def read_only(folder: Path, start: Path) -> tuple[str, ...]:
    """What starts a command, in `start`, that sees this folder on a read-only disk."""
    unshare = ("unshare", "-m") if os.getuid() == 0 else ("unshare", "-Urm")
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount (unshare fails)")
    script = 'start=$1; shift; mount --bind "$0" "$0"; mount -i -o remount,bind,ro "$0"; cd "$start"; exec "$@"'
    return (*unshare, "sh", "-ec", script, str(folder), str(start))


@pytest.mark.parametrize(
    ("place", "code"), [(".", 3), ("auth/migrations/versions", 3), (".stillroom", 1)], ids=["all", "migrations", "ours"]
)
def test_a_read_only_folder_is_told_with_its_mend(place: str, code: int, full: fleets.Fleet) -> None:
    """All of the fleet, the migrations or what Stillroom keeps; to look works nevertheless."""
    inside = read_only(full.folder / place, full.folder)
    with full.untouched():
        ran = full.program.run(*MAKING, through=inside)
        is_told(ran, "ead-only file system", code)
        assert " writable" in " ".join(ran.stderr.split())
        ran = full.program.run("status", through=inside)
        assert ran.code == 0, ran.told
        if place != "auth/migrations/versions":
            is_told(full.program.run("cleanup", "--yes", through=inside), "the dump cannot be written: ")
    assert full.leftovers() == []


def test_a_dump_goes_behind_the_others_whatever_the_clock_says(tmp_path: Path) -> None:
    """Set back by years, standing still, or ahead: the newest is the one made last."""
    at = datetime.datetime(2026, 11, 22, 15, 30, tzinfo=datetime.timezone.utc)
    made: list[Path] = []
    for jump in (0, 0, -86_400 * 3650, 7200, -7200, 3):
        made.append(cleanup.dump_file(tmp_path, "auth", at + datetime.timedelta(seconds=jump)))
        made[-1].parent.mkdir(parents=True, exist_ok=True)
        about = {"address": "here", "rows": len(made), "sha256": ""}
        made[-1].touch()
        made[-1].with_suffix(".json").write_text(json.dumps(about))
    assert [each.file for each in cleanup.dumps(tmp_path, "auth")] == made
    assert [each.rows for each in cleanup.dumps(tmp_path, "auth")] == [1, 2, 3, 4, 5, 6]
    assert made[0].name == "20261122T153000.000000Z.dump"
    assert made[3].name == "20261122T173000.000000Z.dump"


def test_what_a_killed_dump_left_is_cleared_away_or_finished(tmp_path: Path) -> None:
    """Of processes that are dead; one whose note was about to get its name is whole, and is listed."""
    process = subprocess.Popen(["true"])
    process.wait()
    mine = makers.tag()
    dead = mine.replace(str(os.getpid()), str(process.pid), 1)
    whole, cut = "20261122T150000.000000Z", "20261122T160000.000000Z"
    note = json.dumps({"address": "here", "rows": 3, "sha256": "x"})
    (tmp_path / f"{whole}.dump").write_text("rows")
    for name in (f"{dead}-{whole}.json", f"{dead}-{cut}.dump", f"{dead}-{cut}.json", f"{mine}-{cut}.dump"):
        (tmp_path / f"unfinished-{name}.part").write_text(note)
    dump._clear(tmp_path)
    left = sorted(each.name for each in tmp_path.iterdir())
    assert left == [f"{whole}.dump", f"{whole}.json", f"unfinished-{mine}-{cut}.dump.part"]


def test_a_folder_for_dumps_that_is_a_file_is_told(full: fleets.Fleet) -> None:
    """Nothing is emptied."""
    folder = full.folder / ".stillroom/backups/databases"
    for each in folder.rglob("*.*"):
        each.unlink()
    (folder / "auth").rmdir()
    (folder / "auth").write_text("")
    with full.untouched():
        is_told(full.run("cleanup", "--yes"), "the dump cannot be written: ")
