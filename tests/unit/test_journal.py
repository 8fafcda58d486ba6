"""The journal of a run: whole lines, whatever happens to the process or the machine while one is written."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from stillroom import errors, journal


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder that is not there yet."""
    return tmp_path / ".stillroom"


def test_a_run_is_written_and_read_again(state: Path) -> None:
    """What was asked comes first, how it ended last, and each line is numbered."""
    written = journal.begin(state, "apply", "staging", {"via": "job"})
    written.write("plan", "auth", action="create")
    written.write("result", "auth", ok=True)
    written.end(ok=True, exit_code=0)
    found = journal.read(written.folder)
    assert found.first["command"] == "apply"
    assert found.first["asked"] == {"via": "job"}
    assert [each["n"] for each in found.entries] == [1, 2, 3, 4]
    assert found.last is not None
    assert found.last["exit_code"] == 0
    assert found.torn == 0


@pytest.mark.parametrize("tail", [b'{"n": 9, "event": "resu', b"\0" * 700, b"\n", b'{"n": 9}\n', b"\xff\xfe\n"])
def test_a_torn_end_is_passed_over_and_cut_off(state: Path, tail: bytes) -> None:
    """What a crash leaves at the end costs no line before it, and the next line begins where the last whole one ends."""
    written = journal.begin(state, "apply", "staging", {})
    written.write("begin", "auth", step="job")
    written.close()
    with written.file.open("ab") as file:
        file.write(tail)
    found = journal.read(written.folder)
    assert [each["event"] for each in found.entries] == ["run", "begin"]
    assert found.torn == len(tail)
    assert found.last is None
    assert found.unfinished() == ["auth"]
    more = journal.again(written.folder)
    more.write("result", "auth", ok=True)
    more.close()
    healed = journal.read(written.folder)
    assert [each["n"] for each in healed.entries] == [1, 2, 3]
    assert (healed.torn, healed.unfinished()) == (0, [])


def test_every_cut_of_a_journal_can_be_read(state: Path) -> None:
    """Wherever the power went: the lines before are there."""
    written = journal.begin(state, "apply", "staging", {})
    written.write("result", "auth", ok=False, error={"code": "x", "message": "höchst\n wichtig"})
    written.end(ok=False, exit_code=1)
    whole = written.file.read_bytes()
    for at in range(len(whole)):
        written.file.write_bytes(whole[:at])
        found = journal.read(written.folder)
        assert len(found.entries) == whole[:at].count(b"\n")
        assert found.torn == at - (whole[:at].rfind(b"\n") + 1)


def test_a_line_that_is_broken_in_the_middle_is_an_error(state: Path) -> None:
    """No crash leaves that: somebody changed the file, and nothing may be concluded from it."""
    written = journal.begin(state, "apply", "staging", {})
    written.write("begin", "auth")
    written.write("result", "auth", ok=True)
    written.close()
    lines = written.file.read_bytes().splitlines(keepends=True)
    written.file.write_bytes(lines[0] + b"{half a line\n" + lines[2])
    with pytest.raises(errors.StillroomError, match="line 2"):
        journal.read(written.folder)


def test_lines_of_many_threads_never_mix(state: Path) -> None:
    """One line is one write, and numbers grow by one."""
    written = journal.begin(state, "apply", "staging", {})

    def work(name: str) -> None:
        for at in range(50):
            written.write("note", name, at=at, text="x" * 3000)

    threads = [threading.Thread(target=work, args=(f"s{each}",)) for each in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    written.close()
    found = journal.read(written.folder)
    assert [each["n"] for each in found.entries] == list(range(1, 402))
    assert [each["at"] for each in found.entries if each.get("service") == "s3"] == list(range(50))


def test_passwords_are_not_repeated(state: Path) -> None:
    """Neither in a line nor in a log."""
    written = journal.begin(state, "apply", "staging", {"url": "postgresql://a:geheim99@db/x"})
    log = written.log("auth")
    log.write("connecting to postgresql://a:geheim99@db/x")
    log.close()
    written.close()
    assert b"geheim99" not in written.file.read_bytes() + log.path.read_bytes()
    assert log.path.read_text(encoding="utf-8") == "connecting to postgresql://a:***@db/x\n"


def test_files_are_for_their_owner_alone(state: Path) -> None:
    """A service's own code may print what not everybody is to read."""
    written = journal.begin(state, "apply", "staging", {})
    log = written.log("auth")
    log.close()
    written.close()
    modes = [each.stat().st_mode & 0o077 for each in (written.folder, written.file, log.path.parent, log.path)]
    assert modes == [0, 0, 0, 0]


def test_a_disk_that_is_full_is_told(state: Path) -> None:
    """By name, with what to do."""
    written = journal.begin(state, "apply", "staging", {})
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, written._descriptor)
    os.close(full)
    with pytest.raises(errors.StillroomError, match="no space left") as caught:
        written.write("result", "auth", ok=True)
    assert "Free space" in caught.value.mend


def test_runs_are_listed_with_the_newest_first(state: Path) -> None:
    """Whatever else lies there."""
    folder = state / "runs"
    for name in ("20261122T101010Z-aaaaaa", "20261123T101010Z-bbbbbb", "20261122T101011Z-cccccc", "notes"):
        (folder / name).mkdir(parents=True)
    assert [each.name[:16] for each in journal.runs(state)] == [
        "20261123T101010Z",
        "20261122T101011Z",
        "20261122T101010Z",
    ]
    assert journal.runs(state / "elsewhere") == []


def test_the_newest_log_of_a_service_is_found(state: Path) -> None:
    """Also where newer runs had nothing to do with it; a name is never a path."""
    for name, service in (("20261122T101010Z-aaaaaa", "auth"), ("20261123T101010Z-bbbbbb", "sales")):
        (state / "runs" / name / "logs").mkdir(parents=True)
        (state / "runs" / name / "logs" / f"{service}.log").write_text("x", encoding="utf-8")
    found = journal.newest_log(state, "auth")
    assert found is not None
    assert found.parent.parent.name.startswith("20261122")
    with pytest.raises(errors.UsageError):
        journal.newest_log(state, "../auth")


def test_a_journal_of_another_format_is_refused(state: Path) -> None:
    """It is not guessed what it says."""
    written = journal.begin(state, "apply", "staging", {})
    written.close()
    first = json.loads(written.file.read_bytes())
    written.file.write_bytes(json.dumps({**first, "format": 7}).encode() + b"\n")
    with pytest.raises(errors.StillroomError, match="format 7"):
        journal.read(written.folder)
