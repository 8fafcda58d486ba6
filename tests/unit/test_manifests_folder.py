"""The output folder: only what stillroom wrote is written over or taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

from stillroom import errors, manifests
from stillroom.manifests import folder, record
from stillroom.manifests.objects import JOBS, REST, Object


def _rendered(files: dict[str, str], patches: dict[str, str] | None = None) -> manifests.Rendered:
    objects = [
        Object(path.split("/")[0], "Deployment", name, None, {}, REST, path, patch=True)
        for path, name in (patches or {}).items()
    ]
    objects += [Object(None, "Job", path, None, {}, JOBS, path) for path in files if path not in (patches or {})]
    return manifests.Rendered(files, tuple(objects))


def _write(place: Path, files: dict[str, str], *, all_of: tuple[str, ...] = ("a", "b"), only: str = "") -> folder.Plan:
    patches = {path: "x" for path in files if "patch" in path}
    wanted = folder.plan(place, _rendered(files, patches), all_of, (only,) if only else all_of)
    folder.carry_out(wanted)
    return wanted


def _kinds(wanted: folder.Plan) -> dict[str, str]:
    return {each.path: each.kind for each in wanted.changes}


def _there(place: Path) -> dict[str, str]:
    return {
        file.relative_to(place).as_posix(): file.read_text()
        for file in place.rglob("*")
        if file.is_file() and file.name != record.NAME
    }


def test_what_is_rendered_is_there_and_what_was_is_gone(tmp_path: Path) -> None:
    """New, unchanged, changed, removed; a folder that is empty then goes, too."""
    first = {"shared.yaml": "1", "a/job.yaml": "1", "b/job.yaml": "1"}
    assert set(_kinds(_write(tmp_path / "out", first)).values()) == {"new"}
    second = {"shared.yaml": "1", "a/job.yaml": "2"}
    assert _kinds(_write(tmp_path / "out", second, all_of=("a",))) == {
        "shared.yaml": "unchanged",
        "a/job.yaml": "changed",
        "b/job.yaml": "removed",
    }
    assert _there(tmp_path / "out") == second
    assert not (tmp_path / "out" / "b").exists()


def test_planning_writes_nothing(tmp_path: Path) -> None:
    """It tells whether anything differs, and how."""
    wanted = folder.plan(tmp_path / "out", _rendered({"a/job.yaml": "1\n"}), ("a",), ("a",))
    assert wanted.differs
    assert not (tmp_path / "out").exists()
    assert list(wanted.changes[0].diff()) == ["--- /dev/null", "+++ b/a/job.yaml", "@@ -0,0 +1 @@", "+1"]


def test_what_others_wrote_is_in_the_way_and_stays(tmp_path: Path) -> None:
    """It is named, and nothing at all is written."""
    (tmp_path / "kustomization.yaml").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(errors.Refused, match=r"kustomization\.yaml"):
        _write(tmp_path, {"kustomization.yaml": "ours", "a/job.yaml": "1"})
    assert _there(tmp_path) == {"kustomization.yaml": "mine", "notes.txt": "mine"}
    _write(tmp_path, {"a/job.yaml": "1"})
    _write(tmp_path, {})
    assert _there(tmp_path) == {"kustomization.yaml": "mine", "notes.txt": "mine"}


def test_what_somebody_edited_is_told(tmp_path: Path) -> None:
    """Written anew where it is rendered; kept where it no longer is, time and again."""
    _write(tmp_path, {"a/job.yaml": "1", "b/job.yaml": "1"})
    (tmp_path / "a/job.yaml").write_text("mine")
    (tmp_path / "b/job.yaml").write_text("mine")
    wanted = _write(tmp_path, {"a/job.yaml": "1"}, all_of=("a",))
    assert [(each.path, each.kind, each.edited) for each in wanted.changes] == [
        ("a/job.yaml", "changed", True),
        ("b/job.yaml", "kept", True),
    ]
    assert _there(tmp_path) == {"a/job.yaml": "1", "b/job.yaml": "mine"}
    assert _kinds(_write(tmp_path, {"a/job.yaml": "1"}, all_of=("a",)))["b/job.yaml"] == "kept"


def test_a_selection_leaves_the_others_alone(tmp_path: Path) -> None:
    """Their files stay, and kustomization.yaml is told of them; those of services that are gone go."""
    _write(
        tmp_path, {"a/job.yaml": "1", "b/job.yaml": "1", "b/patch.yaml": "1", "c/job.yaml": "1"}, all_of=("a", "b", "c")
    )
    assert set(folder.beside(tmp_path, ("a", "b"), ("a",))) == {"b/job.yaml", "b/patch.yaml:x"}
    wanted = _write(tmp_path, {"a/job.yaml": "2"}, only="a")
    assert _kinds(wanted) == {"a/job.yaml": "changed", "c/job.yaml": "removed"}
    assert _there(tmp_path) == {"a/job.yaml": "2", "b/job.yaml": "1", "b/patch.yaml": "1"}
    assert set(folder.beside(tmp_path, ("a", "b"), ("a",))) == {"b/job.yaml", "b/patch.yaml:x"}


def test_a_link_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    """Neither a folder nor a file."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = tmp_path / "out"
    out.mkdir()
    (out / "a").symlink_to(elsewhere)
    with pytest.raises(errors.Refused, match="link"):
        _write(out, {"a/job.yaml": "1"})
    assert list(elsewhere.iterdir()) == []


def test_a_record_that_names_files_elsewhere_is_not_believed(tmp_path: Path) -> None:
    """Nothing outside of the folder is taken away, whatever the record says."""
    victim = tmp_path / "victim"
    victim.write_text("1")
    out = tmp_path / "out"
    out.mkdir()
    digest = record.digest("1")
    hostile = record.Record({"../victim": digest, str(victim): digest, "a/../../victim": digest})
    (out / record.NAME).write_text(hostile.text())
    _write(out, {"a/job.yaml": "1"})
    assert victim.read_text() == "1"


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', '{"version": 1, "files": [1]}', "\x00"])
def test_a_record_that_makes_no_sense_is_an_empty_one(text: str, tmp_path: Path) -> None:
    """Then nothing is taken away, and what is there is somebody else's."""
    (tmp_path / record.NAME).write_text(text)
    assert record.read(tmp_path) == record.Record()


def test_a_crash_before_the_end_leaves_nothing_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record names a file before it is written, and until it is gone: the next rendering puts all right."""
    _write(tmp_path, {"b/job.yaml": "1"})

    def full(file: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(file))

    with monkeypatch.context() as patched:
        patched.setattr(folder, "_replace", full)
        with pytest.raises(errors.StillroomError, match="no space left"):
            _write(tmp_path, {"a/job.yaml": "1"}, all_of=("a",))
    assert record.read(tmp_path).files.keys() == {"a/job.yaml", "b/job.yaml"}
    _write(tmp_path, {"a/job.yaml": "1"}, all_of=("a",))
    assert _there(tmp_path) == {"a/job.yaml": "1"}


def test_a_very_long_line_is_cut_in_a_diff() -> None:
    """The carried runtime is one line of a megabyte."""
    change = folder.Change("runtime.yaml", "new", None, "x" * 10_000)
    assert max(map(len, change.diff())) < 500
