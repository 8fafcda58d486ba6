"""Replacing revision files on a real disk: what changes, what stays, what stops it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from stillroom import errors
from stillroom.history import durable, journal, locking, replace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A versions folder with two revisions, a helper, bytecode, a subfolder."""
    versions = tmp_path / "migrations" / "versions"
    (versions / "notes").mkdir(parents=True)
    (versions / "__pycache__").mkdir()
    for name in ("a.py", "b.py", "__init__.py", ".gitkeep", "notes/read.me"):
        (versions / name).write_text(f"# {name}\n")
    for name in ("a.cpython-311.pyc", "a.cpython-312.opt-1.pyc", "ab.cpython-311.pyc", "__init__.cpython-311.pyc"):
        (versions / "__pycache__" / name).write_bytes(b"code")
    return versions


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where journals go."""
    return tmp_path / ".stillroom"


def look(folder: Path) -> dict[str, str]:
    """Every file below a folder."""
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_replacement_writes_and_removes_and_leaves_the_rest(folder: Path, state: Path) -> None:
    """New files in, old ones and their bytecode out; helpers, `.gitkeep`, subfolders stay; nothing is left behind."""
    done = replace.carry_out(replace.Replacement("auth", folder, {"n.py": b"new\n"}, ("a.py", "b.py", "no.py")), state)
    assert (done.written, done.removed, done.unchanged, done.changed) == (
        {"n.py": b"new\n"},
        ("a.py", "b.py"),
        (),
        True,
    )
    assert look(folder) == {
        ".gitkeep": "# .gitkeep\n",
        "__init__.py": "# __init__.py\n",
        "__pycache__/__init__.cpython-311.pyc": "code",
        "__pycache__/ab.cpython-311.pyc": "code",
        "n.py": "new\n",
        "notes/read.me": "# notes/read.me\n",
    }
    assert list((state / "replacements").iterdir()) == []


def test_the_same_content_is_not_written_again(folder: Path, state: Path) -> None:
    """Unchanged: neither the time nor the inode of the file changes, and no journal is made."""
    before = (folder / "a.py").stat()
    done = replace.carry_out(replace.Replacement("auth", folder, {"a.py": b"# a.py\n"}, ("gone.py",)), state)
    assert (done.changed, done.unchanged) == (False, ("a.py",))
    after = (folder / "a.py").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert not (state / "replacements").exists()


def test_new_files_have_the_mode_of_the_umask(folder: Path, state: Path) -> None:
    """As an editor would make them, also where they replace one with another mode."""
    (folder / "a.py").chmod(0o600)
    old = os.umask(0o027)
    try:
        replace.carry_out(replace.Replacement("auth", folder, {"a.py": b"x", "n.py": b"y"}), state)
    finally:
        os.umask(old)
    assert {(folder / name).stat().st_mode & 0o777 for name in ("a.py", "n.py")} == {0o640}
    assert (folder / "n.py").stat().st_uid == os.getuid()


def test_a_linked_folder_and_linked_files_are_replaced_where_they_are(
    folder: Path, state: Path, tmp_path: Path
) -> None:
    """The folder's link stays a link; a linked revision is unlinked, its target is not touched."""
    (tmp_path / "elsewhere.py").write_text("mine\n")
    (folder / "linked.py").symlink_to(tmp_path / "elsewhere.py")
    (folder / "nowhere.py").symlink_to(tmp_path / "missing.py")
    link = tmp_path / "link"
    link.symlink_to(folder)
    done = replace.carry_out(replace.Replacement("auth", link, {"b.py": b"new"}, ("linked.py", "nowhere.py")), state)
    assert done.removed == ("linked.py", "nowhere.py")
    assert link.is_symlink()
    assert not (folder / "linked.py").is_symlink()
    assert (tmp_path / "elsewhere.py").read_text() == "mine\n"
    assert (folder / "b.py").read_text() == "new"


def test_several_folders_change_as_one(folder: Path, state: Path, tmp_path: Path) -> None:
    """A history in two places: if the second cannot be written, the first is not either."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "c.py").write_text("c")
    both = [
        replace.Replacement("auth", folder, {"n.py": b"new"}, ("a.py",)),
        replace.Replacement("auth", other, {}, ("c.py",)),
    ]
    before = look(folder)
    (other / "d.py").mkdir()
    with pytest.raises(errors.StillroomError, match=r"d\.py: is a directory"):
        replace.carry_out_all([*both, replace.Replacement("auth", other, {"d.py": b""})], state)
    assert look(folder) == before
    replace.carry_out_all(both, state)
    assert (folder / "n.py").exists()
    assert not (other / "c.py").exists()


@pytest.mark.parametrize(
    "name", ["../x.py", "/x.py", "sub/../x.py", "a//b.py", "./x.py", "sub\\x.py", "x\0.py", "", ".", ".stillroom-x.new"]
)
@pytest.mark.parametrize("kind", ["put", "remove"])
def test_a_name_that_could_leave_the_folder_is_refused(folder: Path, state: Path, name: str, kind: str) -> None:
    """Before anything is looked at."""
    wanted = replace.Replacement(
        "auth", folder, {name: b""} if kind == "put" else {}, (name,) if kind == "remove" else ()
    )
    with pytest.raises(errors.UsageError, match="no file inside"):
        replace.carry_out(wanted, state)


def test_staged_files_are_not_loaded_by_alembic(folder: Path, state: Path) -> None:
    """Another process may run Alembic while files are staged: it sees the old history, and nothing else."""
    (folder / "a.py").write_text("revision = 'a'\ndown_revision = None\n")
    (folder / "b.py").write_text("revision = 'b'\ndown_revision = 'a'\n")
    config = Config()
    config.set_main_option("script_location", str(folder.parent))
    seen = []

    def checkpoint(step: str) -> None:
        if step in ("staged", "committed"):
            staged = list(folder.glob(f"{journal.STAGED}*"))
            seen.append((len(staged), ScriptDirectory.from_config(config).get_heads()))

    new = b"revision = 'n'\ndown_revision = None\n"
    replace.carry_out(
        replace.Replacement("auth", folder, {"n.py": new}, ("a.py", "b.py")), state, checkpoint=checkpoint
    )
    assert seen == [(1, ["b"]), (1, ["b"])]
    assert ScriptDirectory.from_config(config).get_heads() == ["n"]


@pytest.mark.parametrize("name", ["a.py", "b.py", "n.py"])
def test_a_file_changed_while_new_ones_are_staged_stops_it(folder: Path, state: Path, name: str) -> None:
    """Before the commit: someone's edit of a file to replace, remove or make is kept, and nothing is replaced."""

    def checkpoint(step: str) -> None:
        if step == "staged n.py":
            (folder / name).write_text("edited\n")

    wanted = replace.Replacement("auth", folder, {"a.py": b"x", "n.py": b"new"}, ("b.py",))
    with pytest.raises(errors.StillroomError, match=rf"{name} has been changed by someone else.*nothing was replaced"):
        replace.carry_out(wanted, state, checkpoint=checkpoint)
    assert look(folder).pop(name) == "edited\n"
    assert not list(folder.glob(f"{journal.STAGED}*"))
    assert list((state / "replacements").iterdir()) == []
    assert replace.carry_out(wanted, state).changed


def interrupted(folder: Path, state: Path, at: str) -> replace.Replacement:
    """A replacement that ends right after the step `at`, as by a crash."""
    wanted = replace.Replacement("auth", folder, {"a.py": b"x", "n.py": b"new"}, ("b.py",))
    pid = os.fork()
    if not pid:
        replace.carry_out(wanted, state, checkpoint=lambda step: os._exit(0) if step == at else None)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    return wanted


@pytest.mark.parametrize("name", ["a.py", "b.py", "n.py"])
def test_recovery_never_removes_what_someone_changed_after_the_crash(folder: Path, state: Path, name: str) -> None:
    """After the commit: it stops, names the file, and finishes once the file is out of the way."""
    interrupted(folder, state, "committed")
    (folder / name).write_text("edited\n")
    for _ in range(2):
        with pytest.raises(errors.StillroomError, match=rf"{name} has been changed by someone else") as caught:
            replace.recover(state)
        assert (folder / name).read_text() == "edited\n"
        assert "Move that file away" in caught.value.mend
    (folder / name).rename(folder / "mine.txt")
    assert [each.action for each in replace.recover(state)] == ["finished"]
    assert (folder / "a.py").read_text() == "x"
    assert (folder / "n.py").read_text() == "new"
    assert not (folder / "b.py").exists()


def test_a_file_edited_after_it_was_replaced_is_left_as_edited(folder: Path, state: Path) -> None:
    """The replacement of that file had happened; what came after is its owner's."""
    interrupted(folder, state, "replaced a.py")
    (folder / "a.py").write_text("edited\n")
    assert [each.action for each in replace.recover(state)] == ["finished"]
    assert (folder / "a.py").read_text() == "edited\n"
    assert not (folder / "b.py").exists()


def test_staged_files_lost_before_anything_was_switched_mean_undone(folder: Path, state: Path) -> None:
    """`git clean` between crash and recovery: every old file stands, so the old history is declared whole."""
    before = look(folder)
    interrupted(folder, state, "committed")
    for path in folder.glob(f"{journal.STAGED}*"):
        path.unlink()
    assert [each.action for each in replace.recover(state)] == ["undid"]
    assert look(folder) == before


def test_staged_files_lost_half_way_are_told(folder: Path, state: Path) -> None:
    """Neither history can be had: it says so, and touches nothing."""
    interrupted(folder, state, "replaced a.py")
    for path in folder.glob(f"{journal.STAGED}*"):
        path.unlink()
    with pytest.raises(errors.StillroomError, match=r"staged beside it, is gone"):
        replace.recover(state)


def test_recovery_says_what_it_did(folder: Path, state: Path) -> None:
    """One sentence a service, with the counts; the next command has nothing to say."""
    interrupted(folder, state, "staged")
    undid = replace.recover(state)
    assert [str(each) for each in undid] == [
        "auth: a replacement of revision files (2 to write, 1 to remove) had been interrupted before it took effect; "
        "it was undone, the old history is whole."
    ]
    interrupted(folder, state, "committed")
    finished = replace.recover(state)
    assert [str(each) for each in finished] == [
        "auth: a replacement of revision files (2 to write, 1 to remove) had been interrupted after it took effect; "
        "it was finished, the new history is whole."
    ]
    assert replace.recover(state) == []


def test_the_next_replacement_recovers_first(folder: Path, state: Path) -> None:
    """Also when nobody called `recover`: the outcome carries it."""
    interrupted(folder, state, "committed")
    done = replace.carry_out(replace.Replacement("auth", folder, {"m.py": b"m"}, ("n.py",)), state)
    assert done.recovered is not None
    assert done.recovered.action == "finished"
    assert done.removed == ("n.py",)


def test_one_service_that_cannot_be_recovered_does_not_hold_up_another(
    folder: Path, state: Path, tmp_path: Path
) -> None:
    """All are tried, then the trouble is told."""
    interrupted(folder, state, "committed")
    (folder / "b.py").write_text("edited\n")
    (state / "replacements" / "zoo.json").write_text('{"version": 1, "phase": "staging", "entries": [], "made": []}')
    (state / "replacements" / ".yak.json.new").write_text("half a journ")
    with pytest.raises(errors.StillroomError, match=r"b\.py has been changed"):
        replace.recover(state)
    assert sorted(path.name for path in (state / "replacements").iterdir()) == ["auth.json"]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"version": 9, "phase": "staging", "entries": [], "made": []}', "\xff"]
)
def test_a_journal_that_makes_no_sense_is_told_and_kept(state: Path, text: str) -> None:
    """It names the file; nothing is guessed."""
    (state / "replacements").mkdir(parents=True)
    (state / "replacements" / "auth.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(errors.StillroomError, match=r"auth\.json, cannot be understood"):
        replace.recover(state)
    assert (state / "replacements" / "auth.json").exists()


HOLD = """
import sys
from pathlib import Path
from stillroom.history import locking
with locking.hold(Path(sys.argv[1]), "auth"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_commands_at_once_on_one_service_are_kept_apart(folder: Path, state: Path) -> None:
    """The second is told which process holds it; another service is free; a killed holder holds nothing."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        (state / "replacements").mkdir()
        (state / "replacements" / "auth.json").write_text("being written by the other")
        wanted = replace.Replacement("auth", folder, {"n.py": b"new"})
        with pytest.raises(locking.Busy, match=rf"auth: another stillroom command \(process {holder.pid}\)"):
            replace.carry_out(wanted, state)
        assert replace.recover(state) == []
        assert replace.carry_out(replace.Replacement("tenant", folder, {"t.py": b"t"}), state).changed
        (state / "replacements" / "auth.json").unlink()
        holder.kill()
    assert replace.carry_out(wanted, state).changed


@pytest.mark.parametrize("service", ["", "../x", "a/b", ".hidden"])
def test_a_service_whose_name_is_no_file_name_is_refused(folder: Path, state: Path, service: str) -> None:
    """Lock and journal bear the name."""
    with pytest.raises(errors.UsageError, match="no name of a service"):
        replace.carry_out(replace.Replacement(service, folder, {"n.py": b""}), state)


def test_a_folder_that_is_none_is_told(state: Path, tmp_path: Path) -> None:
    """Missing, or a file: with the path and a mend."""
    (tmp_path / "file").write_text("")
    for place, words in (("missing", "no such file or directory"), ("file", "not a")):
        with pytest.raises(errors.StillroomError, match=f"{place}: {words}") as caught:
            replace.carry_out(replace.Replacement("auth", tmp_path / place, {"n.py": b""}), state)
        assert caught.value.mend


def test_a_limit_on_file_sizes_undoes_everything(folder: Path, state: Path) -> None:
    """A real refusal of the system while staging, for any user: the old history stays, the message names the file."""
    before = look(folder)
    program = textwrap.dedent("""
        import resource, signal, sys
        from pathlib import Path
        from stillroom import errors
        from stillroom.history import replace
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
        put = {"n.py": b"new", "o.py": b"#" * 30000}
        try:
            replace.carry_out(replace.Replacement("auth", Path(sys.argv[1]), put, ("a.py",)), Path(sys.argv[2]))
        except errors.StillroomError as error:
            print(error.message, "|", error.mend)
    """)
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), str(state)], capture_output=True, text=True, check=True
    )
    assert "auth: the new revision files cannot be written, nothing was replaced" in done.stdout
    assert "file too large" in done.stdout
    assert look(folder) == before
    assert list((state / "replacements").iterdir()) == []


REPLACE = """
import os, sys
from pathlib import Path
from stillroom import errors
from stillroom.history import replace
disk, state, at = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
folder, filler = disk / "versions", disk / "filler"
def mount(how):
    assert os.system(f"mount -i -o remount,bind,{how} {disk}") == 0
def checkpoint(step):
    if step == at:
        mount("ro")
folder.mkdir()
(folder / "a.py").write_text("old")
if not at:
    filler.write_bytes(b"#" * 300_000)
put = {"n.py": b"new", "o.py": b"#" * 200_000}
for attempt in range(2):
    try:
        print(replace.carry_out(replace.Replacement("auth", folder, put, ("a.py",)), state, checkpoint=checkpoint))
    except errors.StillroomError as error:
        print("ERROR", error.message, "|", error.mend)
    print(sorted(os.listdir(folder)), sorted(os.listdir(state / "replacements")))
    if at:
        mount("rw")
    at = "none"
    filler.unlink(missing_ok=True)
    for each in replace.recover(state):
        print("RECOVERED", each)
"""


def on_a_small_disk(tmp_path: Path, state: Path, at: str) -> list[str]:
    """What a program prints that replaces files on a disk of 400 kB, which is full, or turns read-only at a step."""
    disk = tmp_path / "disk"
    disk.mkdir()
    unshare = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-Urm"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount (unshare fails)")
    script = 'mount -t tmpfs -o size=400k tmpfs "$2" && exec "$1" -c "$5" "$2" "$3" "$4"'
    arguments = ["sh", sys.executable, str(disk), str(state), at, REPLACE]
    done = subprocess.run([*unshare, "sh", "-ec", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_full_disk_changes_nothing_and_the_next_run_succeeds(tmp_path: Path, state: Path) -> None:
    """A small real file system: staging fails, everything staged is gone, the old history stands."""
    lines = on_a_small_disk(tmp_path, state, "")
    assert "nothing was replaced" in lines[0]
    assert "no space left on device" in lines[0]
    assert "Free space" in lines[0]
    assert lines[1] == "['a.py'] []"
    assert lines[2].startswith("Outcome(")
    assert lines[3] == "['n.py', 'o.py'] []"


@pytest.mark.parametrize("step", ["committed", "replaced n.py"])
def test_a_disk_that_turns_read_only_half_way_is_told_and_put_in_order_later(
    tmp_path: Path, state: Path, step: str
) -> None:
    """As a failing disk does: the error names the place; once it is writable, the next command finishes, and says so."""
    lines = on_a_small_disk(tmp_path, state, step)
    assert lines[0].startswith("ERROR auth: The replacement is decided, but could not be finished")
    assert "read-only file system" in lines[0]
    assert lines[1].endswith("['auth.json']")
    assert lines[2].startswith("RECOVERED auth: ")
    assert lines[2].endswith("it was finished, the new history is whole.")
    assert lines[3].startswith("Outcome(")
    assert lines[4] == "['n.py', 'o.py'] []"


def test_a_disk_that_turns_read_only_before_anything_is_staged_changes_nothing(tmp_path: Path, state: Path) -> None:
    """Nothing to undo: no journal stays behind."""
    lines = on_a_small_disk(tmp_path, state, "journal")
    assert "nothing was replaced" in lines[0]
    assert "read-only file system" in lines[0]
    assert lines[1] == "['a.py'] []"


def test_a_folder_without_the_right_to_write_is_told(folder: Path, state: Path) -> None:
    """An ordinary user; root is stopped by nothing of the kind, and its read-only disk is tested above."""
    if os.getuid() == 0:
        pytest.skip("no machine runs this as root: root may write anywhere")
    folder.chmod(0o500)
    try:
        with pytest.raises(errors.StillroomError, match="permission denied") as caught:
            replace.carry_out(replace.Replacement("auth", folder, {"n.py": b"new"}), state)
    finally:
        folder.chmod(0o700)
    assert "chmod u+w" in caught.value.mend


def test_a_full_file_is_read_back_before_it_counts(folder: Path, state: Path) -> None:
    """What was staged is compared with what was meant: a staged file that changed meanwhile stops it."""

    def checkpoint(step: str) -> None:
        if step == "staged n.py":
            next(folder.glob(f"{journal.STAGED}*")).write_bytes(b"other")

    with pytest.raises(errors.StillroomError, match="is damaged"):
        replace.carry_out(replace.Replacement("auth", folder, {"n.py": b"new"}), state, checkpoint=checkpoint)
    assert not (folder / "n.py").exists()


def test_fingerprints_tell_absent_links_and_content_apart(tmp_path: Path) -> None:
    """None only where nothing stands."""
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "file").write_bytes(b"")
    found = [durable.fingerprint(tmp_path / name) for name in ("absent", "link", "file")]
    assert found[0] is None
    assert len(set(found)) == 3
