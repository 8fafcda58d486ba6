"""Backups of migrations folders: whole or not there, and put back as they were."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from stillroom import errors
from stillroom.history import backup, replace

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A versions folder with revisions, a helper, bytecode, a folder of a year."""
    versions = tmp_path / "versions"
    (versions / "2025").mkdir(parents=True)
    (versions / "__pycache__").mkdir()
    for name in ("a.py", "2025/b.py", "__init__.py", ".gitkeep"):
        (versions / name).write_text(f"# {name}\n")
    (versions / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"code")
    return versions


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where backups go."""
    return tmp_path / ".stillroom"


def at(moment: datetime) -> Callable[[], datetime]:
    """A clock that stands still."""
    return lambda: moment


def look(folder: Path) -> dict[str, str]:
    """Every file below a folder, bytecode left out."""
    return {
        p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"
    }


def test_a_backup_holds_every_file_and_is_listed(folder: Path, state: Path) -> None:
    """Copies with a manifest, under the service and the moment; neither bytecode nor staged files."""
    (folder / ".stillroom-x-0.new").write_text("staged")
    made = backup.back_up("auth", [folder], state, "regenerate", now=at(NOON))
    assert made.path == state / "backups/migrations/auth/20261122T120000Z"
    assert (made.number, made.reason, made.copied, made.revisions) == (1, "regenerate", True, 2)
    assert sorted(each.name for each in made.files) == [".gitkeep", "2025/b.py", "__init__.py", "a.py"]
    assert (made.path / "0/2025/b.py").read_text() == "# 2025/b.py\n"
    assert backup.list_backups(state, "auth") == [made]
    assert backup.list_backups(state, "tenant") == []


def test_the_same_content_is_not_copied_again(folder: Path, state: Path) -> None:
    """The last backup serves, unless it is damaged; anything else is a new one, and old ones stay."""
    first = backup.back_up("auth", [folder], state, "one", now=at(NOON))
    again = backup.back_up("auth", [folder], state, "two", now=at(NOON + timedelta(days=1)))
    assert (again, again.copied) == (first, False)
    (folder / "a.py").write_text("changed\n")
    second = backup.back_up("auth", [folder], state, "three", now=at(NOON))
    assert second.stamp == "20261122T120000Z-2"
    (second.path / "0/a.py").write_text("damaged\n")
    third = backup.back_up("auth", [folder], state, "four", now=at(NOON))
    assert third.copied
    assert [each.number for each in backup.list_backups(state, "auth")] == [3, 2, 1]


def test_order_does_not_hang_on_the_clock(folder: Path, state: Path) -> None:
    """A clock that was set back: the newest is the one made last."""
    backup.back_up("auth", [folder], state, "one", now=at(NOON))
    (folder / "a.py").write_text("changed\n")
    backup.back_up("auth", [folder], state, "two", now=at(NOON - timedelta(days=400)))
    assert [each.reason for each in backup.list_backups(state, "auth")] == ["two", "one"]


def test_restore_puts_the_old_history_back_and_twice_is_once(folder: Path, state: Path) -> None:
    """After a regeneration: the old files in, the new ones out; what stood there is kept as a backup, too."""
    before = look(folder)
    made = backup.back_up("auth", [folder], state, "regenerate", now=at(NOON))
    replace.carry_out(replace.Replacement("auth", folder, {"n.py": b"new\n"}, ("a.py", "2025/b.py")), state)
    (folder / "helper.txt").write_text("mine\n")
    chosen, outcomes = backup.restore(state, "auth")
    assert chosen == made
    assert look(folder) == {**before, "helper.txt": "mine\n"}
    assert (sorted(outcomes[0].written), outcomes[0].removed) == (["2025/b.py", "a.py"], ("n.py",))
    chosen, outcomes = backup.restore(state, "auth")
    assert (chosen, outcomes[0].changed) == (made, False)
    kept = backup.list_backups(state, "auth")[0]
    assert kept.reason == f"{backup.BEFORE_RESTORE}{made.stamp}"
    assert (kept.path / "0/n.py").read_text() == "new\n"
    assert backup.restore(state, "auth", kept.stamp)[0] == kept
    assert (folder / "n.py").read_text() == "new\n"
    assert not (folder / "a.py").exists()


def test_restore_passes_by_a_backup_that_is_what_stands_there(folder: Path, state: Path) -> None:
    """Regenerated twice, the second backup is the new history itself: restore means the one before."""
    backup.back_up("auth", [folder], state, "regenerate")
    replace.carry_out(replace.Replacement("auth", folder, {"n.py": b"new\n"}, ("a.py",)), state)
    backup.back_up("auth", [folder], state, "regenerate")
    backup.restore(state, "auth")
    assert (folder / "a.py").exists()
    assert not (folder / "n.py").exists()


def test_a_backup_after_a_restore_is_found_by_the_next_restore(folder: Path, state: Path) -> None:
    """What `restore` saved by itself does not stand in for a backup that a command asks for."""
    backup.back_up("auth", [folder], state, "regenerate")
    new = replace.Replacement("auth", folder, {"n.py": b"new\n"}, ("a.py",))
    replace.carry_out(new, state)
    backup.restore(state, "auth")
    again = backup.back_up("auth", [folder], state, "regenerate")
    assert again.copied
    replace.carry_out(new, state)
    assert backup.restore(state, "auth")[0] == again
    assert (folder / "a.py").exists()


def test_restore_into_folders_that_are_gone_or_elsewhere(folder: Path, state: Path, tmp_path: Path) -> None:
    """The folders are made; a moved checkout names its own."""
    before = look(folder)
    other = tmp_path / "other"
    backup.back_up("auth", [folder, other], state, "regenerate")
    moved = [tmp_path / "moved/versions", tmp_path / "moved/other"]
    backup.restore(state, "auth", folders=moved)
    assert look(moved[0]) == before
    assert look(moved[1]) == {}
    with pytest.raises(errors.UsageError, match="of 2 folders; 1 are configured"):
        backup.restore(state, "auth", folders=moved[:1])


def test_a_damaged_backup_is_not_put_back(folder: Path, state: Path) -> None:
    """It is looked through before anything is touched."""
    made = backup.back_up("auth", [folder], state, "regenerate")
    (folder / "a.py").write_text("changed\n")
    for damage in (lambda path: path.write_text("damaged\n"), Path.unlink):
        damage(made.path / "0/a.py")
        with pytest.raises(errors.StillroomError, match=r"is damaged: a\.py"):
            backup.restore(state, "auth")
        assert (folder / "a.py").read_text() == "changed\n"


def test_a_backup_is_chosen_by_the_beginning_of_its_name(folder: Path, state: Path) -> None:
    """Unique, or told what there is."""
    made = [backup.back_up("auth", [folder], state, "one", now=at(NOON))]
    (folder / "a.py").write_text("changed\n")
    made.append(backup.back_up("auth", [folder], state, "two", now=at(NOON + timedelta(hours=1))))
    assert backup.restore(state, "auth", "20261122T12")[0] == made[0]
    for wanted, words in (("2026", "names 3 backups"), ("2025", "names no backup of auth")):
        with pytest.raises(errors.UsageError, match=words) as caught:
            backup.restore(state, "auth", wanted)
        assert made[0].stamp in caught.value.mend


def test_no_backup_is_told(state: Path) -> None:
    """With the place where it was sought."""
    with pytest.raises(errors.UsageError, match=r"no backup of the migrations of auth in .*backups/migrations/auth"):
        backup.restore(state, "auth")


def test_a_crash_while_backing_up_leaves_no_backup(folder: Path, state: Path) -> None:
    """A half-made one has no name; the next backup clears it away."""
    pid = os.fork()
    if not pid:
        made = []
        original = os.fsync

        def fsync(descriptor: int) -> None:
            made.append(descriptor)
            if len(made) == 3:
                os._exit(0)
            original(descriptor)

        os.fsync = fsync  # the process ends here: nothing else could cut a copy at a known place
        backup.back_up("auth", [folder], state, "regenerate")
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    home = state / "backups/migrations/auth"
    assert [path.name.endswith(".partial") for path in home.iterdir()] == [True]
    assert backup.list_backups(state, "auth") == []
    made_later = backup.back_up("auth", [folder], state, "regenerate")
    assert list(home.iterdir()) == [made_later.path]


def test_a_backup_that_cannot_be_read_or_written_is_told(folder: Path, state: Path) -> None:
    """A file where a folder should be, a manifest that is none."""
    home = state / "backups/migrations"
    home.mkdir(parents=True)
    (home / "auth").write_text("in the way")
    with pytest.raises(errors.StillroomError, match="cannot be backed up") as caught:
        backup.back_up("auth", [folder], state, "regenerate")
    assert caught.value.mend
    (home / "tenant/20260101T000000Z").mkdir(parents=True)
    (home / "tenant/20260101T000000Z/manifest.json").write_text("{}")
    with pytest.raises(errors.StillroomError, match="cannot be understood"):
        backup.list_backups(state, "tenant")
